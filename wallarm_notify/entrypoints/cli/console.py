"""``wallarm-notify console``: the console with a week of data, on servers of its own."""

from pathlib import Path

import click

from wallarm_notify.entrypoints.cli.options import example
from wallarm_notify.entrypoints.cli.output import print_line

DEFAULT_PORT = 8000


@click.command(epilog=example("wallarm-notify console", "wallarm-notify console --fresh"))
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=".console",
    show_default=True,
    help="Where its state is kept.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port to serve at; 0: a free one.",
)
@click.option("--fresh", is_flag=True, help="Delete what was kept, and begin with a new week.")
def console(folder: Path, port: int, *, fresh: bool) -> None:
    """Try out the console: a week of data, on servers that it starts and stops itself.

    Nobody is paged. It ends with Ctrl-C.
    """
    from wallarm_notify.entrypoints.local_console import run  # noqa: PLC0415 - servers, only here

    run(folder, port, print_line, fresh=fresh)

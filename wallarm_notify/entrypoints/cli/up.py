"""``wallarm-notify up``: a whole installation on this machine."""

import sys
from functools import partial
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from wallarm_notify.entrypoints.cli.options import example
from wallarm_notify.entrypoints.cli.output import plain, print_line
from wallarm_notify.entrypoints.cli.parts import read_settings

DEFAULT_PORT = 8000
DEFAULT_FLOWER_PORT = 5555

_COLORS: Final = {
    "first": "cyan",
    "retries": "magenta",
    "beat": "yellow",
    "flower": "green",
    "api": "blue",
}
_WIDTH: Final = max(map(len, _COLORS))


@click.command(epilog=example("wallarm-notify up", "wallarm-notify up --folder /srv/notify"))
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=".up",
    show_default=True,
    help="Where its state is kept.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port to serve the API and the console at; 0: a free one.",
)
@click.option(
    "--flower-port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_FLOWER_PORT,
    envvar="FLOWER_PORT",
    show_default=True,
    help="The port to serve Flower at; 0: a free one.",
)
def up(folder: Path, port: int, flower_port: int) -> None:
    """Run all of it on this machine, with the settings of .env and the environment, until Ctrl-C.

    PostgreSQL and a broker are started where no settings name them, and secret keys are made where there are none. It
    pages PagerDuty.
    """
    read_settings()  # its warnings come first
    from wallarm_notify.entrypoints.local_installation import (  # noqa: PLC0415 - servers, only here
        Ports,
        run,
    )

    show = partial(print_of, Console(highlight=False))
    run(folder, Ports(port, flower_port), print_line, show, is_watched=sys.stdout.isatty())


def print_of(console: Console, name: str, line: str) -> None:
    """Print a line of a part after its name, which has a color where the console shows any."""
    shown = Text.assemble((f"{name:<{_WIDTH}} | ", _COLORS[name]), plain(line))
    console.print(shown, soft_wrap=True)

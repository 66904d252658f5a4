"""``wallarm-notify sandbox``: an imitation of PagerDuty's Events API, for tests."""

import contextlib

import click

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.entrypoints.cli.options import LINE, example
from wallarm_notify.entrypoints.cli.output import print_line, print_note

DEFAULT_PORT = 8088


@click.command(epilog=example("wallarm-notify sandbox --port 8088 --rate-limit 0"))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port to listen on; 0: a free one.",
)
@click.option(
    "--host", type=LINE, default="127.0.0.1", show_default=True, help="The address to listen on."
)
@click.option(
    "--rate-limit",
    type=click.IntRange(0),
    default=120,
    show_default=True,
    help="Events a minute for one key at most; 0: no limit.",
)
def sandbox(port: int, host: str, rate_limit: int) -> None:
    """Run an imitation of PagerDuty's Events API v2 until Ctrl-C; needs no setting."""
    from wallarm_notify.entrypoints.hosts import KnownHosts  # noqa: PLC0415 - a server, only here
    from wallarm_notify.sandbox.server import Sandbox  # noqa: PLC0415 - a server, only here

    server = Sandbox(host, port, rate_limit, knows=KnownHosts(host).know)
    try:
        server.start()
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"The sandbox cannot listen on {host}:{port}: {error}.") from None
    # Whoever reads the note may stop it at once.
    with contextlib.suppress(KeyboardInterrupt):
        print_line(server.url)
        print_note(f"What arrives: {server.url}/sandbox/alerts; Ctrl-C stops.")
        server.serve_forever()

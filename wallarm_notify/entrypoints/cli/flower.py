"""``wallarm-notify flower``: Celery's monitor."""

import contextlib

import click

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.entrypoints.cli.options import LINE, example
from wallarm_notify.entrypoints.cli.output import note
from wallarm_notify.entrypoints.cli.parts import read_settings

DEFAULT_PORT = 5555


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog=example("wallarm-notify flower", "wallarm-notify flower --port 5556 --max-tasks=1000"),
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    envvar="FLOWER_PORT",
    show_default=True,
    help="0: a free one.",
)
@click.option(
    "--address",
    type=LINE,
    default="127.0.0.1",
    envvar="FLOWER_ADDRESS",
    show_default=True,
    help="Where to serve.",
)
@click.argument("options", metavar="[OPTION OF FLOWER]...", nargs=-1, type=click.UNPROCESSED)
def flower(port: int, address: str, options: tuple[str, ...]) -> None:
    """Serve Flower, Celery's monitor, until Ctrl-C; it needs the broker alone.

    It answers to localhost, its address, and the names in WALLARM_NOTIFY_HOSTS.
    """
    settings = read_settings()
    settings.broker()
    from wallarm_notify.broker.app import app  # noqa: PLC0415 - likewise
    from wallarm_notify.entrypoints.flower import Monitor  # noqa: PLC0415 - Flower, only here
    from wallarm_notify.entrypoints.hosts import KnownHosts  # noqa: PLC0415 - likewise

    try:
        monitor = Monitor(app, address, port, KnownHosts(address, settings.known_hosts), options)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"Cannot serve at {address}, port {port}: {error}.") from None
    shown = f"[{address}]" if ":" in address else address
    # Who reads that it is up may end it at once, by TERM too.
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        note(f"Flower at http://{shown}:{monitor.port} until Ctrl-C.")
        monitor.run()

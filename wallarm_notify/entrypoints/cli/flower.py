"""``wallarm-notify flower``: Celery's monitor."""

import contextlib

import click

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.entrypoints.cli.options import LINE, example
from wallarm_notify.entrypoints.cli.output import print_note
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
    help="The port to serve at; 0: a free one.",
)
@click.option(
    "--address",
    type=LINE,
    default="127.0.0.1",
    envvar="FLOWER_ADDRESS",
    show_default=True,
    help="The address to serve at.",
)
@click.argument("options", metavar="[OPTION OF FLOWER]...", nargs=-1, type=click.UNPROCESSED)
def flower(port: int, address: str, options: tuple[str, ...]) -> None:
    """Serve Flower, Celery's monitor, until Ctrl-C; the broker is all it needs.

    It answers requests for localhost, its address, and the names in WALLARM_NOTIFY_HOSTS. Beyond this machine it serves
    only with a login: WALLARM_NOTIFY_FLOWER_LOGIN.
    """
    settings = read_settings()
    settings.broker()
    from wallarm_notify.broker.app import app  # noqa: PLC0415 - Celery, only here
    from wallarm_notify.entrypoints.flower import Monitor  # noqa: PLC0415 - Flower, only here
    from wallarm_notify.entrypoints.hosts import KnownHosts  # noqa: PLC0415 - a server, only here

    hosts = KnownHosts(address, settings.known_hosts)
    login = None if settings.flower_login is None else settings.flower_login.get_secret_value()
    try:
        monitor = Monitor(
            app, address, port, hosts, options, login=login, public_url=settings.public_base
        )
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"Cannot serve at {address}, port {port}: {error}.") from None
    shown = f"[{address}]" if ":" in address else address
    # Whoever reads the note may stop it at once, also by TERM.
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        print_note(f"Flower at http://{shown}:{monitor.port} until Ctrl-C.")
        monitor.run()

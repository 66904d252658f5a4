"""``wallarm-notify metrics``: figures for a monitoring system."""

import contextlib
from functools import partial

import click

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.entrypoints.cli.options import LINE, example
from wallarm_notify.entrypoints.cli.output import print_note
from wallarm_notify.entrypoints.cli.parts import wiring

HIGHEST_PORT = 65_535
HOST = "127.0.0.1"


@click.command(
    epilog=example("wallarm-notify metrics", "wallarm-notify metrics --port 9108"),
)
@click.option(
    "--port",
    type=click.IntRange(0, HIGHEST_PORT),
    help="Serve metrics at /metrics until Ctrl-C; 0: a free port.",
)
@click.option("--address", type=LINE, help="The address to serve at; default: 127.0.0.1.")
def metrics(port: int | None, address: str | None) -> None:
    """Print metrics in Prometheus' text format, or serve them; whoever reaches the port may read them.

    Requests are answered for localhost, the address, and the names in WALLARM_NOTIFY_HOSTS.
    """
    from wallarm_notify.entrypoints.hosts import KnownHosts  # noqa: PLC0415 - only this command
    from wallarm_notify.entrypoints.metrics import MetricsServer, exposition  # noqa: PLC0415 - only this command
    from wallarm_notify.services.measure import measure  # noqa: PLC0415 - only this command

    parts = wiring()
    figures = partial(measure, parts.context, EVERY_CLIENT)
    if port is None:
        if address is not None:
            raise click.UsageError("--address goes with --port.")
        found = figures()
        click.echo(exposition(lambda: found), nl=False)
        return
    host = address or HOST
    try:
        known = KnownHosts(host, parts.settings.known_hosts)
        server = MetricsServer(host, port, figures, known)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"Cannot serve at {host}, port {port}: {error}.") from None
    shown = f"[{host}]" if ":" in host else host
    # Whoever reads the note may stop it at once.
    with contextlib.suppress(KeyboardInterrupt):
        print_note(f"Metrics at http://{shown}:{server.server_port}/metrics until Ctrl-C.")
        server.serve_forever()
    server.server_close()

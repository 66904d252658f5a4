"""``wallarm-notify metrics``: figures for a monitoring system."""

import threading

import click

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.entrypoints.cli.options import LINE, example
from wallarm_notify.entrypoints.cli.output import note
from wallarm_notify.entrypoints.cli.parts import wiring

HIGHEST_PORT = 65_535


@click.command(
    epilog=example("wallarm-notify metrics", "wallarm-notify metrics --port 9108"),
)
@click.option(
    "--port",
    type=click.IntRange(0, HIGHEST_PORT),
    help="Serve them at /metrics until Ctrl-C; 0 takes a free port.",
)
@click.option(
    "--address", type=LINE, default="127.0.0.1", show_default=True, help="Where to serve."
)
def metrics(port: int | None, address: str) -> None:
    """Print metrics in Prometheus' text form, or serve them; whoever reaches the port may read them."""
    from prometheus_client import start_http_server  # noqa: PLC0415 - only this command needs it

    from wallarm_notify.adapters.metrics import exposition, registry_of  # noqa: PLC0415 - likewise

    figures = wiring().figures
    if port is None:
        click.echo(exposition(figures), nl=False)
        return
    try:
        server, thread = start_http_server(port, address, registry_of(figures))
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"Cannot serve at {address}, port {port}: {error}") from None
    note(f"Metrics at http://{address}:{server.server_port}/metrics until Ctrl-C.")
    try:
        threading.Event().wait()
    finally:
        server.shutdown()
        thread.join()

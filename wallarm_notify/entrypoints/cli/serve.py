"""``wallarm-notify serve``: the HTTP API."""

import logging

import click

from wallarm_notify.entrypoints.cli.options import LINE, example
from wallarm_notify.entrypoints.cli.output import print_note
from wallarm_notify.entrypoints.cli.parts import read_settings
from wallarm_notify.logs import set_up_logging

HOST = "127.0.0.1"
DEFAULT_PORT = 8000


@click.command(
    epilog=example(
        "wallarm-notify serve",
        "wallarm-notify serve --host 0.0.0.0 --port 8443 --tls-cert api.pem --tls-key api.key",
    )
)
@click.option("--host", type=LINE, default=HOST, show_default=True, help="The address to serve at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port to serve at; 0: a free one.",
)
@click.option("--tls-cert", type=LINE, help="PEM file of a certificate and those it depends on.")
@click.option("--tls-key", type=LINE, help="PEM file of its private key; default: the same file.")
def serve(host: str, port: int, tls_cert: str | None, tls_key: str | None) -> None:
    """Serve the HTTP API, until Ctrl-C; what is under way then is ended first.

    Without a certificate it speaks plain HTTP: for this machine alone, or behind a proxy with TLS.
    """
    if tls_key is not None and tls_cert is None:
        raise click.UsageError("--tls-key goes with --tls-cert.")
    settings = read_settings()
    set_up_logging(logging.INFO, "api", as_json=settings.log_format == "json")
    from wallarm_notify.entrypoints.api.server import ApiServer  # noqa: PLC0415 - the server, only here

    server = ApiServer(settings, host, port, cert=tls_cert, key=tls_key)
    shown = f"[{host}]" if ":" in host else host
    print_note(f"The API at {server.scheme}://{shown}:{server.port} until Ctrl-C.")
    server.run()

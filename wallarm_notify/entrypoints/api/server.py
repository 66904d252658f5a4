"""The server of the API: its socket, TLS by files, and an end that cuts nothing off."""

import asyncio
import logging
import socket
import ssl
import threading
from typing import Any, Final

import uvicorn

from wallarm_notify.bootstrap import Wiring, context_of
from wallarm_notify.domain.errors import Unavailable, system_words
from wallarm_notify.entrypoints.api.app import make_app
from wallarm_notify.entrypoints.api.connection import HEAD_SECONDS, PromptProtocol
from wallarm_notify.services.attendance import watch_until
from wallarm_notify.settings import Settings, SettingsError
from wallarm_notify.task_names import QUEUES

ENDS_WITHIN: Final = 30
"""Seconds that requests under way have when the server ends: more than the 20 s of a test."""

BACKLOG: Final = 512
"""So many connections wait to be accepted."""

IDLE_SECONDS: Final = 5
"""So long a connection without a request stays open."""

GOODBYE_SECONDS: Final = 2.0
"""So long a client with TLS has to confirm that a connection ends."""

log = logging.getLogger(__name__)


class ServerLoop(asyncio.SelectorEventLoop):
    """An event loop whose servers do not wait long for the first and last words of clients with TLS.

    An idle client, or one that has gone, would keep the server from ending for 30 s.
    """

    async def create_server(self, *given: Any, **options: Any) -> asyncio.Server:
        """Return a server; see ``asyncio.loop.create_server``."""
        if options.get("ssl") is not None:
            options["ssl_shutdown_timeout"] = GOODBYE_SECONDS
            options["ssl_handshake_timeout"] = HEAD_SECONDS
        return await super().create_server(*given, **options)


class ApiServer:
    """A server that listens once it is made.

    Raise SettingsError, and Unavailable where the database does not serve this program or it cannot listen.
    """

    def __init__(
        self, settings: Settings, host: str, port: int, *, cert: str | None, key: str | None
    ) -> None:
        settings.broker()
        _check_tls(cert, key)
        context = context_of(settings, pooled=True, connections=settings.api_threads)
        context.store.check()
        context.store.check_keys()
        self._context = context
        try:
            app = make_app(Wiring(settings, context), has_tls=cert is not None)
        except OSError:
            raise SettingsError(
                "WALLARM_NOTIFY_TRUSTED_PROXIES has a name that is not known here; write it right, or its address."
            ) from None
        self._socket = _listening(host, port)
        self.scheme = "http" if cert is None else "https"
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=PromptProtocol,
            loop=f"{__name__}:ServerLoop",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whom to believe is in the settings
            backlog=BACKLOG,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=ENDS_WITHIN,
            ssl_certfile=cert,
            ssl_keyfile=key,
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Serve until TERM or Ctrl-C; then take nothing more, and end what is under way."""
        log.info("api.serving", extra={"port": self.port, "scheme": self.scheme})
        ended = threading.Event()
        threading.Thread(
            target=watch_until, args=(ended, self._context, QUEUES), name="attendance", daemon=True
        ).start()
        try:
            self._server.run(sockets=[self._socket])
        finally:
            ended.set()
        log.info("api.ended")

    def stop(self) -> None:
        """Let ``run`` end as by TERM."""
        self._server.should_exit = True


def _check_tls(cert: str | None, key: str | None) -> None:
    if cert is None:
        return
    try:
        # An empty password, so that OpenSSL does not ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except ssl.SSLError:
        raise SettingsError(
            "--tls-cert and --tls-key are no certificate and its key, without a password, in PEM."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"--tls-cert or --tls-key cannot be read: {system_words(error)}."
        ) from None


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Of this protocol by name: else asyncio does not know it for TCP, and each answer waits for an acknowledgement.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(place)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"Cannot serve at {host}, port {port}: {error}.") from None
    return listening

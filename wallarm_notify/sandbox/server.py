"""The sandbox as a server that is started, asked for its address and stopped."""

import asyncio
import logging
import math
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Final, NamedTuple, Self

from aiohttp import http, web

from wallarm_notify.sandbox.app import App
from wallarm_notify.sandbox.exchange import MAX_READ_BYTES
from wallarm_notify.sandbox.memory import Memory, Settings

BACKLOG: Final = 4096
MAX_HEADER_BYTES: Final = 65_536

GRACE: Final = 1.0
"""Seconds that requests under way have to end when the server stops; then they are cancelled."""

SETTLED: Final = 0.01
"""Seconds in which the event loop surely does what it has put off until it runs again.

That is to make a connection that was accepted, and to close one that was aborted.
"""

_log: Final = logging.getLogger(__name__)


def _is_of_the_server(record: logging.LogRecord) -> bool:
    """Return False for aiohttp's log records of a request that is no HTTP: the client gets an answer."""
    return not (record.exc_info and isinstance(record.exc_info[1], http.HttpProcessingError))


_log.addFilter(_is_of_the_server)


class Sandbox:
    """A PagerDuty Events API v2 on `host`:`port`, with `/sandbox` routes to read and control it.

    Port 0 takes a free one. `rate_limit` is how many events of a key are accepted in 60 s, 0 means any
    number; ValueError if it is negative. `ssl_context`, a server-side context, turns TLS on. `knows`
    decides by a Host header whether the `/sandbox` routes answer; without it they answer to any. As a
    context manager it runs within the block. Its memory outlives a stop and a start. Methods may be called
    from any thread.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        rate_limit: int = 120,
        *,
        ssl_context: ssl.SSLContext | None = None,
        knows: Callable[[str | None], bool] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._ssl_context = ssl_context
        self._app = App(Memory(Settings(rate_limit=rate_limit)), knows)
        self._lock = threading.Lock()
        self._run: _Run | None = None

    @property
    def url(self) -> str:
        """The base address, without a slash at its end; RuntimeError before the start."""
        run = self._run
        if run is None:
            raise RuntimeError("The sandbox has no address before it is started.")
        scheme = "http" if self._ssl_context is None else "https"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{run.port}"

    def start(self) -> None:
        """Listen, and serve in a new thread; a running sandbox stays as it is.

        Raise OSError if the address is not available.
        """
        with self._lock:
            if self._run is not None:
                return
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            listener = socket.create_server(
                (self._host, self._port), family=family, backlog=BACKLOG
            )
            end = Future[None]()
            serving = threading.Thread(
                target=lambda: asyncio.run(_serve(self._app, listener, self._ssl_context, end)),
                name="pagerduty-sandbox",
                daemon=True,
            )
            serving.start()
            self._run = _Run(listener.getsockname()[1], end, serving)

    def stop(self) -> None:
        """Close every connection and stop listening; a stopped sandbox stays as it is."""
        with self._lock:
            run, self._run = self._run, None
        if run is not None:
            run.end.set_result(None)
            run.thread.join()

    def serve_forever(self) -> None:
        """Start if necessary, then wait until another thread stops it; Ctrl-C stops it and raises."""
        self.start()
        run = self._run
        try:
            if run is not None:
                run.thread.join()
        finally:
            self.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Run(NamedTuple):
    """The time from one start to the stop that follows, which sets `end`."""

    port: int
    end: Future[None]
    thread: threading.Thread


async def _serve(
    app: App, listener: socket.socket, ssl_context: ssl.SSLContext | None, end: Future[None]
) -> None:
    """Serve until `end` is set, possibly by another thread."""
    loop = asyncio.get_running_loop()
    served = web.Server(
        app.serve,
        request_factory=partial(web.BaseRequest, loop=loop, client_max_size=MAX_READ_BYTES),
        handler_cancellation=True,  # a hanging request ends when its client leaves
        access_log=None,
        logger=_log,
        auto_decompress=False,  # the journal shows a body as it came
        keepalive_timeout=math.inf,  # `idle_timeout` may change at any time
        lingering_time=0,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    server = await loop.create_server(served, sock=listener, ssl=ssl_context, backlog=BACKLOG)
    await asyncio.wrap_future(end)
    # A server that is closed first fails to make the connections it has just accepted, and leaves them open.
    loop.remove_reader(listener)
    await asyncio.sleep(SETTLED)
    server.close()
    for connection in served.connections:
        if connection.transport is not None:
            connection.transport.abort()
    await served.shutdown(GRACE)
    await asyncio.sleep(SETTLED)

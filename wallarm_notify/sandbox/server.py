"""The sandbox as a server that is started, asked for its address and stopped."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from wallarm_notify.sandbox.connection import Connection
from wallarm_notify.sandbox.memory import Knobs, Memory
from wallarm_notify.sandbox.wire import MAX_HEAD_BYTES

BACKLOG = 4096


class Sandbox:
    """A PagerDuty Events API v2 on `host`:`port`, with `/sandbox` routes to look at and drive it.

    Port 0 takes a free one. `rate_limit` is how many events of a key are accepted in 60 s, 0 means
    any number; ValueError when it is negative. `ssl_context`, a server-side context, makes it speak
    TLS. `knows` says of a Host header whether the `/sandbox` routes answer to it; without it they
    answer to any. As a context manager it runs within the block. What it remembers outlives a stop and a
    start. Methods may be called from any thread.
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
        self._knows = knows
        self._memory = Memory(Knobs(rate_limit=rate_limit))
        self._lock = threading.Lock()
        self._run: _Run | None = None

    @property
    def url(self) -> str:
        """Return the base address, without a slash at its end; RuntimeError before the start."""
        run = self._run
        if run is None:
            raise RuntimeError("The sandbox has no address before it is started.")
        scheme = "http" if self._ssl_context is None else "https"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{run.port}"

    def start(self) -> None:
        """Listen, and serve in a thread of its own; nothing happens when it already runs.

        Raises OSError when the address cannot be had.
        """
        with self._lock:
            if self._run is None:
                family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
                listener = socket.create_server(
                    (self._host, self._port), family=family, backlog=BACKLOG
                )
                self._run = _Run(self._memory, listener, self._ssl_context, self._knows)

    def stop(self) -> None:
        """Drop every connection and stop listening; nothing happens when it does not run."""
        with self._lock:
            run, self._run = self._run, None
        if run is not None:
            run.end()

    def serve_forever(self) -> None:
        """Start if need be, then stay until another thread stops it; Ctrl-C stops and raises."""
        self.start()
        run = self._run
        try:
            if run is not None:
                run.wait()
        finally:
            self.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _Run:
    """The time from one start to the stop that follows: a thread with an event loop."""

    def __init__(
        self,
        memory: Memory,
        listener: socket.socket,
        ssl_context: ssl.SSLContext | None,
        knows: Callable[[str | None], bool] | None,
    ) -> None:
        self.port: int = listener.getsockname()[1]
        self._memory = memory
        self._listener = listener
        self._knows = knows
        self._ssl_context = ssl_context
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._stopping: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="pagerduty-sandbox", daemon=True
        )
        self._thread.start()
        self._ready.wait()

    def wait(self) -> None:
        self._thread.join()

    def end(self) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop may have closed just now
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        try:
            server = await asyncio.start_server(
                self._meet,
                sock=self._listener,
                ssl=self._ssl_context,
                backlog=BACKLOG,
                limit=MAX_HEAD_BYTES,
            )
        finally:
            self._ready.set()
        await self._stopping.wait()
        server.close()
        for task, writer in tuple(self._open.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection from its first byte to its end."""
        task = asyncio.current_task()
        if task is None:  # a coroutine always runs in a task
            return
        self._open[task] = writer
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await Connection(self._memory, reader, writer, self._knows).serve()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            del self._open[task]

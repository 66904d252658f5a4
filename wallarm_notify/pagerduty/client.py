"""The HTTP client for PagerDuty: many POSTs at once in one thread, over kept-alive connections of libcurl."""

import select
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any, Final, Generic, Self, TypeVar

import pycurl

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.outcome import Answer, FailureReason
from wallarm_notify.pagerduty.exchange import Exchange, HttpSettings, KeptConnections
from wallarm_notify.pagerduty.request import Request
from wallarm_notify.pagerduty.response import no_answer

KEPT_CONNECTIONS: Final = 288
"""Connections that a process keeps open at most, those under way included."""

_CLOSE_TIMEOUT: Final = 1.0
"""Seconds that ``close`` waits for libcurl, which waits for name servers that do not answer."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Response(Generic[T]):
    """What came of a request that is over; ``began`` and ``ended`` by the clock of ``since_boot``."""

    tag: T
    answer: Answer
    began: float
    ended: float


class HttpClient(Generic[T]):
    """Requests under way, each known by the tag it was begun with. One thread's, but for ``wake``."""

    def __init__(self, settings: HttpSettings, *, connections: int = KEPT_CONNECTIONS) -> None:
        self._settings = settings
        self._wakeup_reader, self._wakeup_writer = socket.socketpair()
        self._wakeup_reader.setblocking(False)
        self._wakeup_writer.setblocking(False)
        self._sockets = select.poll()
        self._sockets.register(self._wakeup_reader, select.POLLIN)
        self._timer: float | None = None
        """When libcurl wants to be called though no socket is ready, by the monotonic clock."""
        self._kept = KeptConnections()
        self.idle: list[Exchange[T]] = []
        """Handles that wait for their next requests."""
        self._under_way: dict[pycurl.Curl, Exchange[T]] = {}
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, tag: T, request: Request) -> None:
        """Begin to send ``request``, once; ``wait`` returns what comes of it.

        Raises what pycurl raises of a URL or body that is none; nothing is left behind.
        """
        exchange = self.idle.pop() if self.idle else Exchange[T](self._kept, self._settings)
        exchange.prepare(tag, request)
        self._multi.add_handle(exchange.handle)
        self._under_way[exchange.handle] = exchange

    def wait(self, seconds: float | None = None) -> list[Response[T]]:
        """Drive what is under way until something happens; return what is over by then, perhaps nothing.

        At most ``seconds``, and no longer than until somebody calls ``wake``. Every way a request can end
        is an Answer; the key is cut out of it.
        """
        for fd, events in self._sockets.poll(self._poll_timeout(seconds)):
            if fd == self._wakeup_reader.fileno():
                self._clear_wakeups()
            else:
                ready = pycurl.CSELECT_IN if events & ~select.POLLOUT else 0
                ready |= pycurl.CSELECT_OUT if events & select.POLLOUT else 0
                self._multi.socket_action(fd, ready)
        if self._timer is not None and time.monotonic() >= self._timer:
            self._timer = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        return self._responses()

    def wake(self) -> None:
        """Let ``wait`` come back, now or the next time; for other threads."""
        with suppress(BlockingIOError):  # many wakeups lie there already
            self._wakeup_writer.send(b"\0")

    def post(self: "HttpClient[None]", request: Request) -> Answer:
        """Send ``request``, once, and wait for what comes of it; while nothing else is under way."""
        self.begin(None, request)
        while not (responses := self.wait()):
            pass
        return responses[0].answer

    def close(self) -> None:
        """End what is under way, and every connection."""
        for handle in self._under_way:
            self._multi.remove_handle(handle)
        self._under_way.clear()
        closing = threading.Thread(target=self._multi.close, name="close", daemon=True)
        closing.start()
        closing.join(_CLOSE_TIMEOUT)
        self._wakeup_reader.close()
        self._wakeup_writer.close()

    def _poll_timeout(self, seconds: float | None) -> int | None:
        """Return the milliseconds to wait at most."""
        if self._timer is not None:
            left = max(self._timer - time.monotonic(), 0)
            seconds = left if seconds is None else min(left, seconds)
        return None if seconds is None else ceil(seconds * 1000)

    def _clear_wakeups(self) -> None:
        with suppress(BlockingIOError):
            while self._wakeup_reader.recv(4096):
                pass

    def _responses(self) -> list[Response[T]]:
        responses = []
        left = 1
        while left:
            left, whole, broken = self._multi.info_read()
            for handle, code, text in [(handle, pycurl.E_OK, "") for handle in whole] + broken:
                self._multi.remove_handle(handle)
                if self._under_way[handle].has_to_go_again(code):
                    self._multi.add_handle(handle)
                else:
                    responses.append(self._response(handle, code, text))
        return responses

    def _response(self, handle: pycurl.Curl, code: int, text: str) -> Response[T]:
        exchange = self._under_way.pop(handle)
        try:
            answer = exchange.answer(code, text)
        except Exception as error:  # noqa: BLE001 - one that cannot be read must not take others with it
            answer = no_answer(FailureReason.NETWORK, repr(error), exchange.key)
        self.idle.append(exchange)
        return Response(exchange.tag, answer, exchange.began, since_boot())

    # What libcurl calls.

    def _on_timer(self, milliseconds: int) -> None:
        self._timer = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _on_socket(self, what: int, fd: int, *_: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            with suppress(KeyError):
                self._sockets.unregister(fd)
            return
        events = select.POLLIN if what & pycurl.POLL_IN else 0
        self._sockets.register(fd, events | (select.POLLOUT if what & pycurl.POLL_OUT else 0))

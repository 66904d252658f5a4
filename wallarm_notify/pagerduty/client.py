"""The HTTP client for PagerDuty: one thread sends many POSTs at once over libcurl's kept-alive connections."""

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
"""The most connections that a process keeps open, those under way included."""

_CLOSE_TIMEOUT: Final = 1.0
"""Seconds that ``close`` waits for libcurl, which itself waits for name servers that do not answer."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Response(Generic[T]):
    """The answer to a request that is over; ``began`` and ``ended`` are times of the clock ``since_boot``."""

    tag: T
    answer: Answer
    began: float
    ended: float


class HttpClient(Generic[T]):
    """The requests under way of one thread, each identified by the tag it was begun with.

    Only ``wake`` may be called from other threads.
    """

    def __init__(self, settings: HttpSettings, *, connections: int = KEPT_CONNECTIONS) -> None:
        self._settings = settings
        self._wakeup_reader, self._wakeup_writer = socket.socketpair()
        self._wakeup_reader.setblocking(False)
        self._wakeup_writer.setblocking(False)
        self._sockets = select.poll()
        self._sockets.register(self._wakeup_reader, select.POLLIN)
        self._timer: float | None = None
        """When libcurl is to be called though no socket is ready, by the monotonic clock; None: never."""
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
        """Begin to send ``request``, once; ``wait`` returns its response.

        Raise what pycurl raises for an invalid URL or body; nothing has begun then.
        """
        exchange = self.idle.pop() if self.idle else Exchange[T](self._kept, self._settings)
        exchange.prepare(tag, request)
        self._multi.add_handle(exchange.handle)
        self._under_way[exchange.handle] = exchange

    def wait(self, seconds: float | None = None) -> list[Response[T]]:
        """Return the responses of requests that are over, perhaps none, after letting libcurl work.

        It waits until something happens, ``seconds`` have passed, or somebody calls ``wake``. Every way a
        request can end is an Answer, with the integration key cut out.
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
        """Make ``wait`` return, now or at its next call; for other threads."""
        with suppress(BlockingIOError):  # many wakeups wait there already
            self._wakeup_writer.send(b"\0")

    def post(self: "HttpClient[None]", request: Request) -> Answer:
        """Return the answer to ``request``, which is sent once while nothing else is under way."""
        self.begin(None, request)
        while not (responses := self.wait()):
            pass
        return responses[0].answer

    def close(self) -> None:
        """End every request under way and every connection."""
        for handle in self._under_way:
            self._multi.remove_handle(handle)
        self._under_way.clear()
        closing = threading.Thread(target=self._multi.close, name="close", daemon=True)
        closing.start()
        closing.join(_CLOSE_TIMEOUT)
        self._wakeup_reader.close()
        self._wakeup_writer.close()

    def _poll_timeout(self, seconds: float | None) -> int | None:
        """Return the most milliseconds to wait, or None without a limit."""
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
        except Exception as error:  # noqa: BLE001 - an unreadable answer must not affect other requests
            answer = no_answer(FailureReason.NETWORK, repr(error), exchange.key)
        self.idle.append(exchange)
        return Response(exchange.tag, answer, exchange.began, since_boot())

    # Called by libcurl.

    def _on_timer(self, milliseconds: int) -> None:
        self._timer = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _on_socket(self, what: int, fd: int, *_: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            with suppress(KeyError):
                self._sockets.unregister(fd)
            return
        events = select.POLLIN if what & pycurl.POLL_IN else 0
        self._sockets.register(fd, events | (select.POLLOUT if what & pycurl.POLL_OUT else 0))

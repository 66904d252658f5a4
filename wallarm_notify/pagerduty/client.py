"""POSTs to PagerDuty: many at once over kept-alive connections, within wall-clock deadlines, never raising."""

import select
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any, Final, Generic, Self, TypeVar

import pycurl
from certifi import where

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.outcome import RESPONSE_BYTES, Answer, FailureReason
from wallarm_notify.pagerduty.response import (
    answer_of,
    no_answer,
    reason_of_error,
    whole_head,
)

ENQUEUE_PATH: Final = "/v2/enqueue"

IDLE_AT_MOST: Final = 20
"""Seconds after which an unused connection is dropped: a stale one is no failure of the customer's."""

KEPT_CONNECTIONS: Final = 288
"""Connections that a process keeps open at most, those under way included."""

NAMES_KEPT: Final = 4
"""Seconds that an address is remembered; that a name has none, half as long (libcurl's own: 60 and 30)."""

_HEADERS: Final = (
    "Content-Type: application/json",
    "Accept: application/json",
    "Accept-Encoding: identity",
    "Expect:",
)

_QUICK_EXIT: Final = 322
"""libcurl's CURLOPT_QUICK_EXIT, which pycurl does not name: who gives up does not wait for a name server."""

_FINAL: Final = 200
"""From this status on an answer is not a provisional one."""

_GOODBYE: Final = 1.0
"""Seconds that ``close`` waits for libcurl, which waits for name servers that do not answer."""

_Ends = tuple[Any, ...]
"""Both addresses of a connection."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Landed(Generic[T]):
    """A request that is over; ``began`` and ``ended`` by the clock of ``since_boot``."""

    ticket: T
    answer: Answer
    began: float
    ended: float


class _Kept:
    """The sockets of connections, so that one the server has ended is known before it is used again.

    libcurl looks once a second at most, and a request that it loses in between counts as a failure.
    """

    def __init__(self) -> None:
        self._sockets: dict[_Ends, int] = {}
        self._ends: dict[int, _Ends] = {}

    def remember(self, ends: _Ends, opened: Sequence[int]) -> None:
        """A connection stands; its socket is one of ``opened``."""
        _, host, _, port = ends
        for fd in opened:
            if _name_of(fd) == (host, port):
                self._sockets.pop(self._ends.get(fd, ()), None)
                self._sockets[ends] = fd
                self._ends[fd] = ends

    def is_over(self, ends: _Ends) -> bool:
        """Whether the server has ended the connection, or says what nobody asked for."""
        fd = self._sockets.get(ends)
        if fd is None:
            return False
        look = select.poll()
        look.register(fd, select.POLLIN)
        return bool(look.poll(0))


def _name_of(fd: int) -> tuple[Any, ...] | None:
    """The near end of a connection; None where it is none any more."""
    try:
        here = socket.socket(fileno=fd)
    except OSError:
        return None
    try:
        name = here.getsockname()
    except OSError:
        return None
    finally:
        here.detach()  # it is libcurl's
    return tuple(name[:2])


class _Exchange(Generic[T]):
    """One request, and what has come back so far. Its handle is used for many, one after the other."""

    ticket: T
    key: IntegrationKey
    began: float

    def __init__(
        self, kept: _Kept, connect_timeout: float, request_timeout: float, ca_file: str | None
    ) -> None:
        self._kept = kept
        self._limits = (connect_timeout, request_timeout)
        self._opened: list[int] = []
        self.head: list[bytes] = []
        self.body = bytearray()
        self.is_connected = False
        self.is_unsent = False
        self.handle = handle = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(_QUICK_EXIT, 1)
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.HTTPHEADER, list(_HEADERS))
        handle.setopt(pycurl.USERAGENT, "wallarm-notify")
        handle.setopt(pycurl.CAINFO, ca_file or where())
        handle.setopt(pycurl.PROXY_CAINFO, ca_file or where())
        # One request a connection at a time: one that hangs holds up no other.
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.MAXAGE_CONN, IDLE_AT_MOST)
        handle.setopt(pycurl.DNS_CACHE_TIMEOUT, NAMES_KEPT)
        # Of the whole request, body included, by the wall clock (engine 10).
        handle.setopt(pycurl.TIMEOUT_MS, round(request_timeout * 1000))
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, round(connect_timeout * 1000))
        handle.setopt(pycurl.SOCKOPTFUNCTION, self._open)
        handle.setopt(pycurl.PREREQFUNCTION, self._go)
        handle.setopt(pycurl.HEADERFUNCTION, self.head.append)
        handle.setopt(pycurl.WRITEFUNCTION, self._read)

    def set_up(self, ticket: T, url: str, body: bytes, key: IntegrationKey) -> None:
        """For the next request."""
        self.ticket, self.key = ticket, key
        self._opened.clear()
        self.head.clear()
        self.body.clear()
        self.is_connected = False
        if self.is_unsent:
            self.is_unsent = False
            self.handle.setopt(pycurl.FRESH_CONNECT, 0)
        self.handle.setopt(pycurl.URL, url)
        self.handle.setopt(pycurl.POSTFIELDS, body)
        self.began = since_boot()

    def has_to_go_again(self, code: int) -> bool:
        """Whether nothing was sent, for its connection was over; the next one is a new one."""
        if code != pycurl.E_ABORTED_BY_CALLBACK or self.is_connected or not self.is_unsent:
            return False
        self.handle.setopt(pycurl.FRESH_CONNECT, 1)
        return True

    def _open(self, fd: int, _: int) -> int:
        self._opened.append(fd)
        return pycurl.SOCKOPT_OK

    def _go(self, *ends: Any) -> int:
        """The connection stands. Once: libcurl would send again what a kept one did not answer."""
        if self.is_connected:
            return pycurl.PREREQFUNC_ABORT
        if self._opened:
            self._kept.remember(ends, self._opened)
        elif self._kept.is_over(ends):
            self.is_unsent = True
            return pycurl.PREREQFUNC_ABORT
        self.is_connected = True
        self.head.clear()  # a proxy's
        return pycurl.PREREQFUNC_OK

    def _read(self, piece: bytes) -> int | None:
        """Keeps what is kept of an answer; ends it where there is more."""
        self.body += piece
        return None if len(self.body) <= RESPONSE_BYTES else 0

    def answer(self, code: int, text: str) -> Answer:
        """What came of it; ``code`` and ``text`` are libcurl's, 0 where it was in order."""
        if self.is_connected and code != pycurl.E_OPERATION_TIMEDOUT:
            status, head = self.handle.getinfo(pycurl.RESPONSE_CODE), whole_head(self.head)
            # Once the head has come its status is what counts: the first 2xx delivers (spec 5).
            if status >= _FINAL and head is not None:
                return answer_of(status, head, bytes(self.body), self.key)
        reason = reason_of_error(
            code,
            errno=self.handle.getinfo(pycurl.OS_ERRNO),
            is_connected=self.is_connected,
        )
        connect, whole = self._limits
        if reason is FailureReason.CONNECT_TIMEOUT:
            text = f"no connection within {min(connect, whole):g} s"
        elif reason is FailureReason.TIMEOUT:
            text = f"no whole answer within {whole:g} s"
        return no_answer(reason, text or "no whole answer", self.key)


class Poster(Generic[T]):
    """Requests under way, each known by the ticket it was begun with. One thread's, but for ``wake``.

    ``ca_file`` is the path of a PEM file with the CAs that are trusted; without it certifi's are.
    """

    def __init__(
        self,
        *,
        connect_timeout: float,
        request_timeout: float,
        ca_file: str | None = None,
        connections: int = KEPT_CONNECTIONS,
    ) -> None:
        self._how = (connect_timeout, request_timeout, ca_file)
        self._ear, self._bell = socket.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        self._sockets = select.poll()
        self._sockets.register(self._ear, select.POLLIN)
        self._alarm: float | None = None
        self._kept = _Kept()
        self._idle: list[_Exchange[T]] = []
        self._under_way: dict[pycurl.Curl, _Exchange[T]] = {}
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_alarm)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, ticket: T, base_url: str, body: bytes, key: IntegrationKey) -> None:
        """Begins to send ``body``, once. How it ends ``wait`` tells."""
        exchange = self._idle.pop() if self._idle else _Exchange[T](self._kept, *self._how)
        exchange.set_up(ticket, base_url + ENQUEUE_PATH, body, key)
        self._multi.add_handle(exchange.handle)
        self._under_way[exchange.handle] = exchange

    def wait(self, seconds: float | None = None) -> list[Landed[T]]:
        """Drives what is under way till something happens; what is over with it, perhaps nothing.

        At most ``seconds``, and no longer than until somebody calls ``wake``. Every way a request can end
        is an Answer; the key is cut out of it.
        """
        for fd, events in self._sockets.poll(self._patience(seconds)):
            if fd == self._ear.fileno():
                with suppress(BlockingIOError):
                    while self._ear.recv(4096):
                        pass
                continue
            ready = pycurl.CSELECT_IN if events & ~select.POLLOUT else 0
            ready |= pycurl.CSELECT_OUT if events & select.POLLOUT else 0
            self._multi.socket_action(fd, ready)
        if self._alarm is not None and time.monotonic() >= self._alarm:
            self._alarm = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        return self._landed()

    def wake(self) -> None:
        """Lets ``wait`` come back, now or the next time; for other threads."""
        with suppress(BlockingIOError):  # many calls lie there already
            self._bell.send(b"\0")

    def post(self: "Poster[None]", base_url: str, body: bytes, key: IntegrationKey) -> Answer:
        """Sends ``body``, once, and waits for what comes of it; while nothing else is under way."""
        self.begin(None, base_url, body, key)
        while not (landed := self.wait()):
            pass
        return landed[0].answer

    def close(self) -> None:
        """Ends what is under way, and every connection."""
        for handle in self._under_way:
            self._multi.remove_handle(handle)
        self._under_way.clear()
        closing = threading.Thread(target=self._multi.close, name="close", daemon=True)
        closing.start()
        closing.join(_GOODBYE)
        self._ear.close()
        self._bell.close()

    def _patience(self, seconds: float | None) -> int | None:
        """Milliseconds to wait at most."""
        if self._alarm is not None:
            left = max(self._alarm - time.monotonic(), 0)
            seconds = left if seconds is None else min(left, seconds)
        return None if seconds is None else ceil(seconds * 1000)

    def _landed(self) -> list[Landed[T]]:
        landed = []
        left = 1
        while left:
            left, whole, broken = self._multi.info_read()
            for handle, code, text in [(handle, pycurl.E_OK, "") for handle in whole] + broken:
                self._multi.remove_handle(handle)
                if self._under_way[handle].has_to_go_again(code):
                    self._multi.add_handle(handle)
                else:
                    landed.append(self._land(handle, code, text))
        return landed

    def _land(self, handle: pycurl.Curl, code: int, text: str) -> Landed[T]:
        exchange = self._under_way.pop(handle)
        try:
            answer = exchange.answer(code, text)
        except Exception as error:  # noqa: BLE001 - one that cannot be read must not take others with it
            answer = no_answer(FailureReason.NETWORK, repr(error), exchange.key)
        self._idle.append(exchange)
        return Landed(exchange.ticket, answer, exchange.began, since_boot())

    # What libcurl calls.

    def _set_alarm(self, milliseconds: int) -> None:
        self._alarm = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _watch(self, what: int, fd: int, *_: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            with suppress(KeyError):
                self._sockets.unregister(fd)
            return
        events = select.POLLIN if what & pycurl.POLL_IN else 0
        self._sockets.register(fd, events | (select.POLLOUT if what & pycurl.POLL_OUT else 0))

"""One request to PagerDuty on a handle of libcurl: it is sent once, and every end is an answer."""

import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import pycurl
from certifi import where

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.outcome import RESPONSE_BYTES, Answer, FailureReason
from wallarm_notify.pagerduty.request import Request
from wallarm_notify.pagerduty.response import answer_of, no_answer, reason_of_error, whole_head

IDLE_TIMEOUT: Final = 20
"""Seconds after which an unused connection is dropped: a stale one would be no failure of the customer's."""

_DNS_CACHE_TIMEOUT: Final = 4
"""Seconds that an address is cached; the absence of one for half as long (libcurl's defaults: 60 and 30)."""

_HEADERS: Final = (
    "Content-Type: application/json",
    "Accept: application/json",
    "Accept-Encoding: identity",
    "Expect:",
)

_QUICK_EXIT: Final = 322
"""libcurl's CURLOPT_QUICK_EXIT, which pycurl does not name: closing does not wait for a name server."""

_FINAL: Final = 200
"""The lowest status that is not provisional."""

_Endpoints = tuple[Any, ...]
"""The ends of a connection, in libcurl's order: remote address, local address, remote port, local port."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The settings of every request; times in seconds, by the wall clock (engine 10).

    ``request_timeout`` covers the whole request, body included. ``ca_file`` is the path of a PEM file with
    the trusted CAs; without it certifi's are trusted.
    """

    connect_timeout: float
    request_timeout: float
    ca_file: str | None = None
    idle_timeout: int = IDLE_TIMEOUT


class KeptConnections:
    """The sockets of kept-alive connections, to find closed ones before they are used.

    libcurl checks once a second at most, and a request that it loses in between would count as a failure.
    """

    def __init__(self) -> None:
        self._sockets: dict[_Endpoints, int] = {}
        self._endpoints: dict[int, _Endpoints] = {}

    def remember(self, endpoints: _Endpoints, opened: Sequence[int]) -> None:
        """Note which of the sockets just ``opened`` belongs to a connection."""
        _, address, _, port = endpoints
        for fd in opened:
            if _near_end(fd) == (address, port):
                self._sockets.pop(self._endpoints.get(fd, ()), None)
                self._sockets[endpoints] = fd
                self._endpoints[fd] = endpoints

    def is_over(self, endpoints: _Endpoints) -> bool:
        """Return whether the server has closed the connection, or sent data that nobody asked for."""
        fd = self._sockets.get(endpoints)
        if fd is None:
            return False
        readable = select.poll()
        readable.register(fd, select.POLLIN)
        return bool(readable.poll(0))


def _near_end(fd: int) -> tuple[Any, ...] | None:
    """Return the local address and port of a connection, or None if it is closed."""
    try:
        connection = socket.socket(fileno=fd)
    except OSError:
        return None
    try:
        name = connection.getsockname()
    except OSError:
        return None
    finally:
        connection.detach()  # libcurl owns the socket
    return tuple(name[:2])


class Exchange(Generic[T]):
    """One request and what has come back so far. Its handle is used for many, one after the other.

    ``tag`` identifies the request for the caller; ``began`` is a time of the clock ``since_boot``.
    """

    tag: T
    key: IntegrationKey
    began: float

    def __init__(self, kept: KeptConnections, settings: HttpSettings) -> None:
        self._kept = kept
        self._settings = settings
        self._opened: list[int] = []
        self._head: list[bytes] = []
        self._body = bytearray()
        self._is_connected = False
        self._is_unsent = False
        self.handle = handle = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(_QUICK_EXIT, 1)
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.HTTPHEADER, list(_HEADERS))
        handle.setopt(pycurl.USERAGENT, "wallarm-notify")
        handle.setopt(pycurl.CAINFO, settings.ca_file or where())
        handle.setopt(pycurl.PROXY_CAINFO, settings.ca_file or where())
        # One request per connection at a time: a request that hangs delays no other.
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.MAXAGE_CONN, settings.idle_timeout)
        handle.setopt(pycurl.DNS_CACHE_TIMEOUT, _DNS_CACHE_TIMEOUT)
        handle.setopt(pycurl.TIMEOUT_MS, round(settings.request_timeout * 1000))
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, round(settings.connect_timeout * 1000))
        handle.setopt(pycurl.SOCKOPTFUNCTION, self._on_socket)
        handle.setopt(pycurl.PREREQFUNCTION, self._on_connected)
        handle.setopt(pycurl.HEADERFUNCTION, self._head.append)
        handle.setopt(pycurl.WRITEFUNCTION, self._on_body)

    def prepare(self, tag: T, request: Request) -> None:
        """Set the handle up for the next request. Raise what pycurl raises for an invalid URL or body."""
        self.tag, self.key = tag, request.key
        self._opened.clear()
        self._head.clear()
        self._body.clear()
        self._is_connected = False
        if self._is_unsent:
            self._is_unsent = False
            self.handle.setopt(pycurl.FRESH_CONNECT, 0)
        self.handle.setopt(pycurl.URL, request.url)
        self.handle.setopt(pycurl.POSTFIELDS, request.body)
        self.began = since_boot()

    def has_to_go_again(self, code: int) -> bool:
        """Return whether nothing was sent because the kept connection was closed; the next one will be new."""
        if code != pycurl.E_ABORTED_BY_CALLBACK or self._is_connected or not self._is_unsent:
            return False
        self.handle.setopt(pycurl.FRESH_CONNECT, 1)
        return True

    def answer(self, code: int, text: str) -> Answer:
        """Return the answer; ``code`` and ``text`` are libcurl's, 0 and empty without an error."""
        if self._is_connected and code != pycurl.E_OPERATION_TIMEDOUT:
            status, head = self.handle.getinfo(pycurl.RESPONSE_CODE), whole_head(self._head)
            # Once the head has come, its status counts: the first 2xx delivers (spec 5).
            if status >= _FINAL and head is not None:
                return answer_of(status, head, bytes(self._body), self.key)
        reason = reason_of_error(
            code,
            errno=self.handle.getinfo(pycurl.OS_ERRNO),
            is_connected=self._is_connected,
        )
        connect, whole = self._settings.connect_timeout, self._settings.request_timeout
        if reason is FailureReason.CONNECT_TIMEOUT:
            text = f"no connection within {min(connect, whole):g} s"
        elif reason is FailureReason.TIMEOUT:
            text = f"no whole answer within {whole:g} s"
        elif reason is FailureReason.RESET:
            # libcurl has other words for each, by whether the connection was kept from an earlier request.
            text = "the connection was closed before a whole answer came"
        return no_answer(reason, text or "no whole answer", self.key)

    # Called by libcurl.

    def _on_socket(self, fd: int, _: int) -> int:
        self._opened.append(fd)
        return pycurl.SOCKOPT_OK

    def _on_connected(self, *endpoints: Any) -> int:
        """Allow the request, once: libcurl would send it again if a kept connection did not answer."""
        if self._is_connected:
            return pycurl.PREREQFUNC_ABORT
        if self._opened:
            self._kept.remember(endpoints, self._opened)
        elif self._kept.is_over(endpoints):
            self._is_unsent = True
            return pycurl.PREREQFUNC_ABORT
        self._is_connected = True
        self._head.clear()  # a proxy's
        return pycurl.PREREQFUNC_OK

    def _on_body(self, piece: bytes) -> int | None:
        """Store the beginning of a response's body, and end a longer one."""
        self._body += piece
        return None if len(self._body) <= RESPONSE_BYTES else 0

"""One POST to PagerDuty: over kept-alive connections, within a wall-clock deadline, never raising."""

import re
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, ProtocolError
from urllib3.exceptions import SSLError as PoolSSLError
from urllib3.exceptions import TimeoutError as PoolTimeoutError

from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.outcome import (
    RESPONSE_BYTES,
    Answer,
    FailureReason,
    reason_of_status,
)

ENQUEUE_PATH: Final = "/v2/enqueue"

IDLE_AT_MOST: Final = 20.0
"""Seconds after which an unused connection is dropped: a stale one is no failure of the customer's."""

_HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "wallarm-notify",
}


class Aborted(OSError):
    """The request's time is up; whatever the socket says now does not count."""


class Flight:
    """One request's time: when it began, whether it is connected, and how to end it from outside.

    requests' time-outs bound each wait for a byte, not the whole (engine 10): another thread
    watches, and ``abort`` breaks the socket.
    """

    def __init__(self, *, connect_timeout: float, request_timeout: float) -> None:
        self.began = time.monotonic()
        self.connect_by = self.began + connect_timeout
        self.deadline = self.began + request_timeout
        self.is_connected = False
        self.is_aborted = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def connected(self, sock: socket.socket | None) -> None:
        """The connection stands. Raises Aborted where the time was up before."""
        with self._lock:
            if self.is_aborted or time.monotonic() >= self.deadline:
                raise Aborted("the time of this request is up")
            self.is_connected = True
            self._socket = sock

    def abort(self) -> None:
        """Breaks the connection, if there is one, and keeps it from being made, if there is none."""
        with self._lock:
            self.is_aborted = True
            if self._socket is not None:
                # Not SSLSocket.shutdown, which takes the TLS state from under the reader.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def landed(self) -> None:
        """The socket goes back to the pool: it is nobody's business here any more."""
        with self._lock:
            self._socket = None

    def overdue(self, now: float) -> FailureReason | None:
        """Why this request has to end at ``now``; None: it has time."""
        if not self.is_connected and now >= min(self.connect_by, self.deadline):
            return FailureReason.CONNECT_TIMEOUT
        return FailureReason.TIMEOUT if now >= self.deadline else None


_aboard = threading.local()


def _tell(sock: socket.socket | None) -> None:
    flight: Flight | None = getattr(_aboard, "flight", None)
    if flight is not None:
        flight.connected(sock)


class _Watched:
    """Tells the flight aboard its thread when it has a socket; mixed into urllib3's connections."""

    idle_since = 0.0
    sock: socket.socket | None

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # the connection beside it has it
        _tell(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _tell(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]  # likewise


class _Connection(_Watched, HTTPConnection):
    """Plain."""


class _TLSConnection(_Watched, HTTPSConnection):
    """Over TLS."""


class _Fresh:
    """Drops connections that have been idle too long; mixed into urllib3's pools."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]  # the pool beside it has it
        idle_since = getattr(connection, "idle_since", 0.0)
        if idle_since and time.monotonic() - idle_since > IDLE_AT_MOST:
            connection.close()
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        # From here on the socket may be another flight's: this one must not break it any more.
        flight: Flight | None = getattr(_aboard, "flight", None)
        if flight is not None:
            flight.landed()
        super()._put_conn(conn)  # type: ignore[misc]  # likewise


class _Pool(_Fresh, HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(_Fresh, HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _Adapter(HTTPAdapter):
    """requests' adapter over pools whose connections can be watched."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager


class _Session(requests.Session):
    """Follows no redirect, and does not read one's body to find out where it leads."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        del resp
        return None


class Poster:
    """Sends alerts to PagerDuty. One for a process; its threads share the connections."""

    def __init__(
        self, *, connect_timeout: float, request_timeout: float, connections: int = 64
    ) -> None:
        self._connect_timeout = connect_timeout
        self._request_timeout = request_timeout
        self._session = _Session()
        # Neither .netrc nor a per-request look at the environment: proxies are read once for a URL.
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.clear()
        self._session.headers.update(_HEADERS)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter(pool_connections=4, pool_maxsize=connections))
        self._proxies: dict[str, dict[str, str]] = {}

    def flight(self) -> Flight:
        """The time of a request that begins now."""
        return Flight(connect_timeout=self._connect_timeout, request_timeout=self._request_timeout)

    def post(self, base_url: str, body: bytes, key: IntegrationKey, flight: Flight) -> Answer:
        """Sends ``body``, once. Every way it can end is an Answer; the key is cut out of it."""
        url = base_url + ENQUEUE_PATH
        if url not in self._proxies:
            self._proxies[url] = dict(get_environ_proxies(url))
        _aboard.flight = flight
        try:
            with self._session.post(
                url,
                data=body,
                timeout=(self._connect_timeout, self._request_timeout),
                stream=True,
                allow_redirects=False,
                proxies=self._proxies[url],
            ) as response:
                return _answer_of(response, key, flight)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            return _no_answer(error, key)
        finally:
            flight.landed()
            _aboard.flight = None


def timed_out(reason: FailureReason, seconds: float) -> Answer:
    """The answer of a request that was ended from outside."""
    what = "no connection" if reason is FailureReason.CONNECT_TIMEOUT else "no whole answer"
    return Answer(None, reason, f"{what} within {seconds:g} s")


def _answer_of(response: requests.Response, key: IntegrationKey, flight: Flight) -> Answer:
    try:
        raw = response.raw.read(RESPONSE_BYTES, decode_content=True) or b""
    except (HTTPError, OSError):
        if flight.is_aborted:
            raise
        # The status has come, and it is what counts: the first 2xx delivers (spec 5).
        raw = b""
    return Answer(
        response.status_code,
        reason_of_status(response.status_code),
        without_key(raw.decode("utf-8", "replace"), key),
        retry_after(
            response.headers.get("Retry-After"), response.headers.get("Date"), datetime.now(UTC)
        ),
    )


def without_key(text: str, key: IntegrationKey) -> str:
    """``text``, of which only the beginning may have been read, with the key cut out; storable.

    The end is cut too where it is the beginning of the key. At most 2 kB.
    """
    secret = key.reveal()
    # In JSON any character may be spelt out, and whoever reads the JSON has the key again.
    spelt = "".join(rf"(?:{c}|\\u00{ord(c):02x})" for c in secret)
    cleaned = re.sub(spelt, key.masked, text, flags=re.IGNORECASE).replace("\0", "")
    for length in range(len(secret) - 1, 3, -1):
        if cleaned.lower().endswith(secret[:length].lower()):
            cleaned = cleaned[:-length]
            break
    return cleaned[:RESPONSE_BYTES]


def retry_after(value: str | None, date: str | None, now: datetime) -> timedelta | None:
    """What a ``Retry-After`` asks for: seconds, or a date held against the answer's own ``Date``."""
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\d{1,9}", value):
        return timedelta(seconds=int(value))
    try:
        until = parsedate_to_datetime(value)
        since = parsedate_to_datetime(date) if date else now
        return max(until - since, timedelta())
    except (ValueError, TypeError):
        return None


def _no_answer(error: Exception, key: IntegrationKey) -> Answer:
    text = str(error) or type(error).__name__
    return Answer(None, reason_of_error(error), without_key(text, key))


def reason_of_error(error: BaseException) -> FailureReason:
    """The closed word for a network error, from the innermost cause that says something."""
    chain = _chain(error)
    for kind, reason in (
        (NameResolutionError, FailureReason.DNS),
        (socket.gaierror, FailureReason.DNS),
        ((requests.exceptions.SSLError, PoolSSLError), FailureReason.TLS),
        (requests.exceptions.ConnectTimeout, FailureReason.CONNECT_TIMEOUT),
        (Aborted, FailureReason.TIMEOUT),
        (ConnectionRefusedError, FailureReason.REFUSED),
        (NewConnectionError, FailureReason.NETWORK),  # which urllib3 counts among the time-outs
        ((requests.exceptions.Timeout, PoolTimeoutError, TimeoutError), FailureReason.TIMEOUT),
        ((ConnectionError, ProtocolError), FailureReason.RESET),
    ):
        if any(isinstance(link, kind) for link in chain):
            return reason
    return FailureReason.NETWORK


def _chain(error: BaseException) -> list[BaseException]:
    """``error`` and everything it was caused by, however it says so."""
    chain: list[BaseException] = []
    left: list[Any] = [error]
    while left:
        link = left.pop()
        if isinstance(link, BaseException) and link not in chain:
            chain.append(link)
            left += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]
    return chain

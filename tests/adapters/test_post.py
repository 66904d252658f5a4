from __future__ import annotations

import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
from build import NOON, a_key
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import (
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from wallarm_notify.adapters.pagerduty import post as post_module
from wallarm_notify.adapters.pagerduty.post import (
    Aborted,
    Flight,
    Poster,
    reason_of_error,
    retry_after,
    timed_out,
    without_key,
)
from wallarm_notify.domain.outcome import RESPONSE_BYTES, Answer, FailureReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.integration import IntegrationKey
    from wallarm_notify.sandbox.client import SandboxClient
    from wallarm_notify.sandbox.server import Sandbox

KEY = a_key("Abc")
PAGERDUTY = "https://events.pagerduty.com"


def a_poster(seconds: float = 5, connect: float = 2) -> Poster:
    return Poster(connect_timeout=min(connect, seconds), request_timeout=seconds)


def a_body(key: IntegrationKey = KEY) -> bytes:
    """What PagerDuty takes."""
    payload = {"summary": "Rule created", "source": "Wallarm", "severity": "info"}
    event = {"routing_key": key.reveal(), "event_action": "trigger", "payload": payload}
    return json.dumps(event).encode()


def send(url: str, poster: Poster | None = None) -> Answer:
    poster = poster or a_poster()
    return poster.post(url, a_body(), KEY, poster.flight())


def fails(client: SandboxClient, **fault: Any) -> None:
    """What meets every request from now on."""
    client.set_faults([fault])


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


# What comes back.


def test_a_body_is_posted_as_it_is(sandbox: Sandbox, client: SandboxClient) -> None:
    answer = send(sandbox.url)
    assert (answer.status, answer.reason, answer.retry_after) == (202, None, None)
    assert json.loads(answer.response)["status"] == "success"
    (seen,) = client.requests()
    assert (seen["path"], seen["bytes"]) == ("/v2/enqueue", len(a_body()))
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers["content-type"] == "application/json"
    assert "cookie" not in headers
    assert "authorization" not in headers


@responses.activate
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, None),
        (202, None),
        (204, None),
        (299, None),
        (300, FailureReason.REDIRECT),
        (301, FailureReason.REDIRECT),
        (400, FailureReason.CLIENT),
        (404, FailureReason.CLIENT),
        (408, FailureReason.CLIENT),
        (429, FailureReason.THROTTLED),
        (500, FailureReason.SERVER),
        (503, FailureReason.SERVER),
        (599, FailureReason.SERVER),
    ],
)
def test_a_status_is_an_answer(status: int, reason: FailureReason | None) -> None:
    said = "" if status == 204 else "said"
    responses.post(f"{PAGERDUTY}/v2/enqueue", status=status, body=said)
    assert send(PAGERDUTY) == Answer(status, reason, said)


@responses.activate
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (requests.exceptions.ConnectTimeout("c"), FailureReason.CONNECT_TIMEOUT),
        (requests.exceptions.ReadTimeout("r"), FailureReason.TIMEOUT),
        (requests.exceptions.SSLError("s"), FailureReason.TLS),
        (requests.exceptions.ConnectionError(ProtocolError("p")), FailureReason.RESET),
        (requests.exceptions.ConnectionError(ConnectionRefusedError()), FailureReason.REFUSED),
        (requests.exceptions.ConnectionError(socket.gaierror()), FailureReason.DNS),
        (requests.exceptions.ProxyError("p"), FailureReason.NETWORK),
        (requests.exceptions.InvalidURL("u"), FailureReason.NETWORK),
        (requests.exceptions.ContentDecodingError("d"), FailureReason.NETWORK),
        (ConnectionResetError(), FailureReason.RESET),
        (BrokenPipeError(), FailureReason.RESET),
        (TimeoutError(), FailureReason.TIMEOUT),
        (OSError("no route to host"), FailureReason.NETWORK),
        (ValueError("odd"), FailureReason.NETWORK),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_error_is_an_answer(error: Exception, reason: FailureReason) -> None:
    responses.post(f"{PAGERDUTY}/v2/enqueue", body=error)
    answer = send(PAGERDUTY)
    assert (answer.status, answer.reason) == (None, reason)
    assert answer.response


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NameResolutionError("h", None, socket.gaierror()), FailureReason.DNS),  # type: ignore[arg-type]
        (ReadTimeoutError(None, "u", "m"), FailureReason.TIMEOUT),  # type: ignore[arg-type]
        (ProtocolError("m", Aborted("late")), FailureReason.TIMEOUT),
        (caused(NewConnectionError(None, "m"), OSError(113, "no route")), FailureReason.NETWORK),  # type: ignore[arg-type]
        (caused(NewConnectionError(None, "m"), ConnectionRefusedError()), FailureReason.REFUSED),  # type: ignore[arg-type]
        (Aborted("late"), FailureReason.TIMEOUT),
        (RuntimeError(), FailureReason.NETWORK),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_the_innermost_cause_that_says_something_is_the_reason(
    error: Exception, reason: FailureReason
) -> None:
    assert reason_of_error(error) is reason
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = error
    assert reason_of_error(wrapped) is reason


def test_errors_that_cause_one_another_in_a_circle_end() -> None:
    one, two = RuntimeError(), ValueError()
    one.__cause__, two.__context__ = two, one
    assert reason_of_error(one) is FailureReason.NETWORK


# Real sockets.


def test_a_port_nobody_listens_on_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert send(f"http://127.0.0.1:{port}").reason is FailureReason.REFUSED


def test_a_host_without_an_address_is_dns() -> None:
    answer = send("http://nothing.invalid")
    assert (answer.status, answer.reason) == (None, FailureReason.DNS)


def test_a_server_that_speaks_no_tls_is_tls(serve: Callable[..., str]) -> None:
    url = serve(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    assert send(url.replace("http:", "https:")).reason is FailureReason.TLS


@pytest.mark.parametrize("kind", ["reset", "close"])
def test_a_connection_that_ends_without_an_answer_is_reset(
    sandbox: Sandbox, client: SandboxClient, kind: str
) -> None:
    fails(client, kind=kind)
    answer = send(sandbox.url)
    assert (answer.status, answer.reason) == (None, FailureReason.RESET)


def test_an_answer_that_is_no_http_is_an_answer(serve: Callable[..., str]) -> None:
    url = serve(lambda connection: connection.sendall(b"220 mail.example.com ESMTP\r\n\r\n"))
    assert send(url).status is None


def test_a_redirect_is_not_followed(sandbox: Sandbox, client: SandboxClient) -> None:
    there = {"Location": f"{sandbox.url}/v2/enqueue"}
    fails(client, kind="status", status=307, headers=there)
    answer = send(sandbox.url)
    assert (answer.status, answer.reason) == (307, FailureReason.REDIRECT)
    assert len(client.requests()) == 1


@pytest.mark.parametrize("where", ["/v2/enqueue", "http://["], ids=["short", "malformed"])
def test_a_redirect_s_body_is_kept_like_any_other_and_not_read_whole(
    sandbox: Sandbox, client: SandboxClient, where: str
) -> None:
    body = "moved" + "x" * 1_000_000
    fails(client, kind="status", status=302, headers={"Location": where}, body=body)
    answer = send(sandbox.url)
    assert (answer.status, answer.response) == (302, body[:RESPONSE_BYTES])


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nX-Slow: ")
    _drip(connection)


def drip_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n")
    _drip(connection)


def drip_chunks(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n")
    _drip(connection, b"1\r\nx\r\n")


def hang(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _drip(connection: socket.socket, piece: bytes = b"x") -> None:
    pause = threading.Event()
    for _ in range(200):
        connection.sendall(piece)
        pause.wait(0.05)


@pytest.mark.parametrize("answer", [hang, drip_headers, drip_body, drip_chunks])
def test_a_watcher_ends_a_request_at_its_wall_clock_deadline(
    serve: Callable[..., str], answer: Callable[[socket.socket], None]
) -> None:
    poster = a_poster(0.6)
    flight = poster.flight()
    watcher = threading.Timer(0.6, flight.abort)
    watcher.start()
    began = time.monotonic()
    got = poster.post(serve(answer), a_body(), KEY, flight)
    took = time.monotonic() - began
    watcher.join()
    assert 0.5 < took < 0.6 + 0.5
    # What the broken socket said counts for nothing: whoever ended the flight says what it was.
    assert (flight.is_aborted, flight.is_connected) == (True, True)
    assert got.status is None or answer is drip_headers


def test_an_ended_flight_sends_nothing(sandbox: Sandbox, client: SandboxClient) -> None:
    poster = a_poster()
    assert poster.post(sandbox.url, a_body(), KEY, poster.flight()).status == 202
    for url in (sandbox.url, sandbox.url.replace("127.0.0.1", "localhost")):
        flight = poster.flight()
        flight.abort()
        answer = poster.post(url, a_body(), KEY, flight)
        assert (answer.status, answer.reason) == (None, FailureReason.TIMEOUT)
    assert len(client.requests()) == 1


@pytest.mark.parametrize(
    ("connected", "after", "reason"),
    [
        (False, 4.9, None),
        (False, 5.0, FailureReason.CONNECT_TIMEOUT),
        (False, 15.0, FailureReason.CONNECT_TIMEOUT),
        (True, 14.9, None),
        (True, 15.0, FailureReason.TIMEOUT),
    ],
)
def test_a_flight_knows_when_it_is_overdue(
    after: float, reason: FailureReason | None, *, connected: bool
) -> None:
    flight = Flight(connect_timeout=5, request_timeout=15)
    if connected:
        flight.connected(None)
    assert flight.overdue(flight.began + after) is reason


def test_what_was_ended_from_outside_says_after_how_long() -> None:
    slow = timed_out(FailureReason.TIMEOUT, 15)
    assert (slow.status, slow.reason, slow.response) == (
        None,
        FailureReason.TIMEOUT,
        "no whole answer within 15 s",
    )
    assert timed_out(FailureReason.CONNECT_TIMEOUT, 5).response == "no connection within 5 s"


# Connections.


def ports(client: SandboxClient) -> list[int]:
    return [seen["peer_port"] for seen in client.requests(brief=True)]


def test_a_connection_is_used_again(sandbox: Sandbox, client: SandboxClient) -> None:
    poster = a_poster()
    for _ in range(3):
        assert send(sandbox.url, poster).status == 202
    assert len(set(ports(client))) == 1


def test_a_connection_idle_too_long_is_dropped(
    sandbox: Sandbox, client: SandboxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert post_module.IDLE_AT_MOST == 20
    poster = a_poster()
    send(sandbox.url, poster)
    monkeypatch.setattr(post_module, "IDLE_AT_MOST", 0.0)
    send(sandbox.url, poster)
    monkeypatch.undo()
    send(sandbox.url, poster)
    one, two, three = ports(client)
    assert one != two == three


def test_a_connection_the_server_closed_is_no_failure(serve: Callable[..., str]) -> None:
    taken = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    closed = threading.Semaphore(0)

    def answer_and_close(connection: socket.socket) -> None:
        connection.sendall(taken)
        connection.close()
        closed.release()

    url, poster = serve(answer_and_close), a_poster()
    for _ in range(3):
        assert send(url, poster).status == 202
        assert closed.acquire(timeout=5)


def test_an_answer_longer_than_what_is_kept_does_not_spoil_the_next(
    sandbox: Sandbox, client: SandboxClient
) -> None:
    poster = a_poster()
    client.set_faults([{"kind": "status", "status": 500, "body": "x" * 100_000, "times": 1}])
    assert len(send(sandbox.url, poster).response) == RESPONSE_BYTES
    assert send(sandbox.url, poster).status == 202


# The key.


def answered(client: SandboxClient, sandbox: Sandbox, body: str) -> str:
    """What is kept of an answer with this body."""
    fails(client, kind="status", status=500, body=body)
    return send(sandbox.url).response


@pytest.mark.parametrize(
    "echo",
    [
        pytest.param(KEY.reveal(), id="as it is"),
        pytest.param(KEY.reveal().upper(), id="in capitals"),
        pytest.param(KEY.reveal().swapcase(), id="in the other case"),
        pytest.param(f"a={KEY.reveal()}&b={KEY.reveal()}", id="twice"),
        pytest.param("x" * (RESPONSE_BYTES - 32) + KEY.reveal(), id="at the very end"),
        pytest.param("x" * (RESPONSE_BYTES - 31) + KEY.reveal(), id="one across the edge"),
        pytest.param("x" * (RESPONSE_BYTES - 16) + KEY.reveal() * 2, id="half across the edge"),
        pytest.param("x" * (RESPONSE_BYTES - 1) + KEY.reveal(), id="all but one across the edge"),
        pytest.param(
            KEY.reveal() * 4 + "x" * (RESPONSE_BYTES + 64 - 158) + KEY.reveal(),
            id="after others, across the edge of what is read",
        ),
        pytest.param("é" * 1030 + KEY.reveal(), id="behind characters of two bytes"),
    ],
)
def test_the_key_is_cut_out_of_what_the_server_says(
    sandbox: Sandbox, client: SandboxClient, echo: str
) -> None:
    kept = answered(client, sandbox, echo).lower()
    key = KEY.reveal().lower()
    assert len(kept) <= RESPONSE_BYTES
    pieces = [key[n : n + 8] for n in range(len(key) - 12)]
    assert [piece for piece in pieces if piece in kept] == []


def test_the_first_2_kb_of_an_answer_are_kept_without_what_cannot_be_stored(
    sandbox: Sandbox, client: SandboxClient
) -> None:
    assert answered(client, sandbox, "a\0b" + "x" * 5000) == "ab" + "x" * (RESPONSE_BYTES - 3)


def test_the_key_is_cut_out_of_an_errors_text() -> None:
    error = ValueError(f"cannot send to {KEY.reveal()}")
    with responses.RequestsMock() as pagerduty:
        pagerduty.post(f"{PAGERDUTY}/v2/enqueue", body=error)
        assert send(PAGERDUTY).response == f"cannot send to {KEY}"


def test_an_answer_that_is_no_utf8_is_kept_as_far_as_it_can_be_read() -> None:
    spelt = "".join(f"\\u{ord(c):04X}" if n % 3 else c for n, c in enumerate(KEY.reveal()))
    assert without_key(f'{{"message":"no {spelt}"}}', KEY) == f'{{"message":"no {KEY.masked}"}}'
    assert without_key(b"\xff\xfe ok".decode("utf-8", "replace"), KEY) == "\ufffd\ufffd ok"


# Retry-After.


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("999999999", 999_999_999),
        ("1.5", None),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("Sun, 01 Mar 2026 12:02:00 GMT", 120),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sunday, 01-Mar-26 12:02:00 GMT", 120),
        ("Sun, 99 Mar 2026 12:02:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after(value, None, NOON) == wanted


def test_a_date_is_held_against_the_answers_own_clock() -> None:
    date = "Sun, 01 Mar 2026 15:00:00 GMT"
    until = "Sun, 01 Mar 2026 15:00:30 GMT"
    assert retry_after(until, date, NOON) == timedelta(seconds=30)
    assert retry_after(until, "nonsense", NOON) is None


@given(st.text(), st.one_of(st.none(), st.text()))
def test_no_retry_after_is_too_odd(value: str, date: str | None) -> None:
    asked = retry_after(value, date, NOON)
    assert asked is None or asked >= timedelta()


@pytest.mark.parametrize(("value", "seconds"), [("42", 42), ("later", None)])
def test_retry_after_is_read_from_the_answer(
    sandbox: Sandbox, client: SandboxClient, value: str, seconds: int | None
) -> None:
    fails(client, kind="status", status=429, headers={"Retry-After": value})
    answer = send(sandbox.url)
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert (answer.reason, answer.retry_after) == (FailureReason.THROTTLED, wanted)


def test_a_date_without_the_answers_own_is_held_against_our_clock() -> None:
    with freeze_time(NOON), responses.RequestsMock() as pagerduty:
        headers = {"Retry-After": "Sun, 01 Mar 2026 12:05:00 GMT"}
        pagerduty.post(f"{PAGERDUTY}/v2/enqueue", status=503, headers=headers)
        assert datetime.now(UTC) == NOON
        assert send(PAGERDUTY).retry_after == timedelta(minutes=5)

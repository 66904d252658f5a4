"""Whatever a server answers, in whatever pieces, is an answer: no traceback, no hang, the key cut out."""

from __future__ import annotations

import socketserver
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from build import a_body, a_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wallarm_notify.domain.outcome import RESPONSE_BYTES, Delivered, outcome_of
from wallarm_notify.pagerduty.client import HttpClient
from wallarm_notify.pagerduty.exchange import HttpSettings
from wallarm_notify.pagerduty.request import ENQUEUE_PATH, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = a_key("Abc")

DEADLINE: Final = 1.0
"""Seconds of the client."""

HOLDS: Final = 60.0
"""Seconds for which the server holds on."""


class Odd(socketserver.ThreadingTCPServer):
    """Reads a request, writes the pieces it is told to, and hangs up, or holds on."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Speaking)
        self.pieces: list[bytes] = []
        self.hold = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Speaking(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Odd)
        self.request.settimeout(HOLDS)
        try:
            self.request.recv(65_536)
            for piece in server.pieces:
                self.request.sendall(piece)
            if server.hold:
                self.request.recv(1)
        except OSError:
            pass


@pytest.fixture
def odd() -> Iterator[Odd]:
    with Odd() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


TOKENS = st.binary(max_size=40) | st.sampled_from([b"", b"\r\n", KEY.reveal().encode(), b"\0" * 5])
HEADERS = st.lists(
    st.sampled_from(
        [
            b"Retry-After: 5",
            b"Retry-After: Sun, 01 Mar 2026 12:00:00 GMT",
            b"Content-Length: 10",
            b"Content-Length: -1",
            b"Content-Length: 99999999999999999999",
            b"Transfer-Encoding: chunked",
            b"Content-Encoding: gzip",
            b"Content-Type: text/plain; charset=utf-99",
            b"Location: http://127.0.0.1:1/" + KEY.reveal().encode(),
            b"Set-Cookie: a=b",
            b"Date: \xff\xfe",
            b"no colon",
        ]
    )
    | TOKENS,
    max_size=5,
)
LINES = st.sampled_from(
    [b"HTTP/1.1 202 Accepted", b"HTTP/1.1 500 X", b"HTTP/1.1 99 X", b"HTTP/9.9 202", b"SSH-2.0-x"]
) | st.binary(max_size=30)


@st.composite
def answers(draw: st.DrawFn) -> list[bytes]:
    """An answer, from nearly right to noise, in pieces."""
    head = [draw(LINES), *draw(HEADERS), b"", b""]
    whole = b"\r\n".join(head) + draw(TOKENS) + draw(TOKENS)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    return [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pieces=answers())
def test_any_bytes_are_an_answer(odd: Odd, pieces: list[bytes]) -> None:
    assert_answered(odd, pieces, hold=False)


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pieces=answers())
def test_a_server_that_holds_on_costs_the_deadline_and_no_more(
    odd: Odd, pieces: list[bytes]
) -> None:
    assert_answered(odd, pieces, hold=True)


def assert_answered(odd: Odd, pieces: list[bytes], *, hold: bool) -> None:
    odd.pieces, odd.hold = pieces, hold
    with HttpClient[None](HttpSettings(DEADLINE, DEADLINE)) as http:
        began = time.monotonic()
        answer = http.post(Request(odd.url + ENQUEUE_PATH, a_body(KEY), KEY))
    assert time.monotonic() - began < HOLDS / 2
    assert (answer.reason is None) is (answer.status is not None and 200 <= answer.status < 300)
    assert KEY.reveal() not in answer.response
    assert len(answer.response.encode()) <= RESPONSE_BYTES * 4
    assert answer.retry_after is None or answer.retry_after >= timedelta()
    assert "\0" not in answer.response
    answer.response.encode()
    outcome = outcome_of(answer, number=1, closing=False, scale=1.0)
    assert isinstance(outcome, Delivered) is (answer.reason is None)

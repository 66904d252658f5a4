from __future__ import annotations

from datetime import UTC, datetime, timedelta
from errno import ECONNREFUSED, EHOSTUNREACH

import pycurl
import pytest
from build import NOON
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.outcome import Answer, FailureReason
from wallarm_notify.pagerduty.response import (
    answer_of,
    no_answer,
    reason_of_error,
    retry_after,
    whole_head,
)

KEY = IntegrationKey("Abc7f3a1c527d0e4d8a9a520c3b8e5d1")
HEAD = [b"HTTP/1.1 200 OK\r\n", b"\r\n"]


# Statuses and errors.


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, None),
        (202, None),
        (204, None),
        (299, None),
        (300, FailureReason.REDIRECT),
        (400, FailureReason.CLIENT),
        (429, FailureReason.THROTTLED),
        (500, FailureReason.SERVER),
        (600, FailureReason.STATUS),
        (999, FailureReason.STATUS),
    ],
)
def test_a_status_is_an_answer(status: int, reason: FailureReason | None) -> None:
    assert answer_of(status, HEAD, b"said", KEY) == Answer(status, reason, "said")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (pycurl.E_COULDNT_RESOLVE_HOST, FailureReason.DNS),
        (pycurl.E_COULDNT_RESOLVE_PROXY, FailureReason.DNS),
        (pycurl.E_COULDNT_CONNECT, FailureReason.NETWORK),
        (pycurl.E_OPERATION_TIMEDOUT, FailureReason.CONNECT_TIMEOUT),
        (pycurl.E_SSL_CONNECT_ERROR, FailureReason.TLS),
        (pycurl.E_PEER_FAILED_VERIFICATION, FailureReason.TLS),
        (pycurl.E_SSL_CACERT_BADFILE, FailureReason.TLS),
        (pycurl.E_GOT_NOTHING, FailureReason.RESET),
        (pycurl.E_SEND_ERROR, FailureReason.RESET),
        (pycurl.E_RECV_ERROR, FailureReason.RESET),
        (pycurl.E_PARTIAL_FILE, FailureReason.RESET),
        (pycurl.E_ABORTED_BY_CALLBACK, FailureReason.RESET),
        (pycurl.E_URL_MALFORMAT, FailureReason.NETWORK),
        (pycurl.E_UNSUPPORTED_PROTOCOL, FailureReason.NETWORK),
        (pycurl.E_HTTP2, FailureReason.NETWORK),
        (pycurl.E_OK, FailureReason.NETWORK),
        (9999, FailureReason.NETWORK),
    ],
)
def test_every_error_has_a_reason(code: int, reason: FailureReason) -> None:
    assert reason_of_error(code, errno=0, is_connected=False) is reason


def test_only_a_refusal_is_called_refused() -> None:
    code = pycurl.E_COULDNT_CONNECT
    assert reason_of_error(code, errno=ECONNREFUSED, is_connected=False) is FailureReason.REFUSED
    assert reason_of_error(code, errno=EHOSTUNREACH, is_connected=False) is FailureReason.NETWORK
    # An errno is that of whatever call failed last, perhaps long ago.
    late = reason_of_error(pycurl.E_RECV_ERROR, errno=ECONNREFUSED, is_connected=True)
    assert late is FailureReason.RESET


def test_a_time_out_is_one_of_connecting_until_the_connection_stands() -> None:
    code = pycurl.E_OPERATION_TIMEDOUT
    assert reason_of_error(code, errno=0, is_connected=True) is FailureReason.TIMEOUT


@pytest.mark.parametrize(
    "code",
    [
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_PEER_FAILED_VERIFICATION,
    ],
)
def test_what_cannot_be_connected_again_under_a_request_was_reset(code: int) -> None:
    assert reason_of_error(code, errno=ECONNREFUSED, is_connected=True) is FailureReason.RESET


@given(code=st.integers(0, 200), errno=st.integers(0, 200), is_connected=st.booleans())
def test_no_error_is_too_odd(code: int, errno: int, *, is_connected: bool) -> None:
    assert reason_of_error(code, errno=errno, is_connected=is_connected) in FailureReason


def test_an_errors_text_is_kept_without_the_key_and_what_cannot_be_stored() -> None:
    text = f"cannot send to {KEY.reveal()}\0 \udcff"
    assert no_answer(FailureReason.NETWORK, text, KEY) == Answer(
        None, FailureReason.NETWORK, f"cannot send to {KEY} ?"
    )


@pytest.mark.parametrize(
    "text",
    [
        "Unsupported proxy syntax in 'http://u:hunter2/x@127.0.0.1:3128': Port number was not a decimal number",
        "Unsupported proxy syntax in 'u:hunter2 x@h ost:1': Bad password",
        "Unsupported proxy scheme for 'gopher://u:hunter2@h'",
        "Unsupported proxy syntax in 'http://u:hunter2'x@h(:1': Bad hostname",
        "Could not resolve proxy: u:hunter2@h",
    ],
)
def test_a_proxys_password_is_not_in_an_errors_text(text: str) -> None:
    kept = no_answer(FailureReason.DNS, text, KEY).response
    assert "hunter2" not in kept
    assert kept.startswith(text[:20])


# Heads.


@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_a_head_is_whole_with_its_blank_line(end: bytes) -> None:
    lines = [b"HTTP/1.1 202 Accepted" + end, b"A: b" + end]
    assert whole_head(lines) is None
    assert whole_head([*lines, end]) == [*lines, end]
    assert whole_head([]) is None


def test_a_provisional_answers_head_is_none_of_the_answers() -> None:
    early = [b"HTTP/1.1 103 Early Hints\r\n", b"Retry-After: 9\r\n", b"\r\n"]
    begun = [b"HTTP/1.1 503 Service Unavailable\r\n", b"Retry-After: 5\r\n"]
    assert whole_head([*early, *begun]) is None
    head = whole_head([*early, *early, *begun, b"\r\n"])
    assert head == [*begun, b"\r\n"]
    assert answer_of(503, head, b"", KEY).retry_after == timedelta(seconds=5)


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
        ("Sun, 01 Mar 99999999999999999999 12:00:00 GMT", None),
        ("Sun, 01 Mar 2026 12:02:00 +99999999999999999999", None),
        ("Sun, 01 Mar 2026 12:02:00", None),
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


NUMBERS = st.integers(0, 10**25).map(str) | st.sampled_from(["1", "12", "2026", "9999", "0001"])
DATES = st.builds(
    "Sun, {} Mar {} {}:{}:{} {}".format,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    NUMBERS.map("-{}".format)
    | NUMBERS.map("+{}".format)
    | st.sampled_from(["GMT", "EST", "", "z"]),
)
ANYTHING = st.text() | DATES | st.text("0123456789:,+- \tGMTSunMar()", max_size=40)


@given(ANYTHING, st.none() | ANYTHING)
def test_no_retry_after_is_too_odd(value: str, date: str | None) -> None:
    asked = retry_after(value, date, NOON)
    assert asked is None or asked >= timedelta()


def test_retry_after_is_read_from_the_head_whatever_its_case() -> None:
    head = [b"HTTP/1.1 429 X\r\n", b"rETRY-aFTER :  42 \r\n", b"Retry-After: 7\r\n", b"\r\n"]
    assert answer_of(429, head, b"", KEY).retry_after == timedelta(seconds=42)
    assert answer_of(202, head, b"", KEY).retry_after is None
    assert answer_of(429, HEAD, b"", KEY).retry_after is None


def test_a_date_without_the_answers_own_is_held_against_our_clock() -> None:
    with freeze_time(NOON):
        assert datetime.now(UTC) == NOON
        head = [b"HTTP/1.1 503 X\r\n", b"Retry-After: Sun, 01 Mar 2026 12:05:00 GMT\r\n", b"\r\n"]
        assert answer_of(503, head, b"", KEY).retry_after == timedelta(minutes=5)

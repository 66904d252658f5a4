from __future__ import annotations

import base64
import json
import re
import time
from datetime import UTC, datetime, timedelta
from errno import ECONNREFUSED, EHOSTUNREACH
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pycurl
import pytest
from build import NOON, a_key
from freezegun import freeze_time
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.outcome import RESPONSE_BYTES, Answer, FailureReason
from wallarm_notify.pagerduty.response import (
    answer_of,
    no_answer,
    reason_of_error,
    retry_after,
    whole_head,
    without_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable

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


# The key.


def test_the_first_2_kb_are_kept_without_what_cannot_be_stored() -> None:
    kept = answer_of(500, HEAD, b"a\0b" + b"x" * 5000, KEY).response
    assert kept == "ab" + "x" * (RESPONSE_BYTES - 3)


def test_an_answer_that_is_no_utf8_is_kept_as_far_as_it_can_be_read() -> None:
    assert answer_of(500, HEAD, b"\xff\xfe ok", KEY).response == "\ufffd\ufffd ok"


def in_json(code: int) -> str:
    return rf"\u{code:04X}"


def in_a_url(code: int) -> str:
    return f"%{code:02x}" if code % 2 else f"%{code:02X}"


def in_html(code: int) -> str:
    return f"&#{code};"


def in_html_with_zeros(code: int) -> str:
    return f"&#{code:07};"


def in_html_in_hexadecimal(code: int) -> str:
    return f"&#x{code:05X};" if code % 2 else f"&#X{code:x};"


SPELLINGS = [in_json, in_a_url, in_html, in_html_with_zeros, in_html_in_hexadecimal]


def spelt(
    text: str,
    which: Callable[[int], bool] = lambda _: True,
    how: Callable[[int], str] = in_json,
) -> str:
    return "".join(how(ord(c)) if which(n) else c for n, c in enumerate(text))


@pytest.mark.parametrize(
    "echo",
    [
        pytest.param(spelt(KEY.reveal()), id="all spelt out"),
        pytest.param(spelt(KEY.reveal(), lambda n: n % 3 > 0), id="some spelt out"),
        pytest.param(spelt(KEY.reveal().upper(), lambda n: n == 31), id="capitals, the last spelt"),
        *(pytest.param(spelt(KEY.reveal(), how=how), id=how.__name__) for how in SPELLINGS),
        *(
            pytest.param(spelt(KEY.reveal(), lambda n: n % 5 > 2, how), id=f"some {how.__name__}")
            for how in SPELLINGS
        ),
        pytest.param(spelt(KEY.reveal(), how=in_html).replace(";", ""), id="HTML without ends"),
        pytest.param(
            "".join(SPELLINGS[n % 5](ord(c)) for n, c in enumerate(KEY.reveal())), id="mixed"
        ),
        pytest.param("\0".join(KEY.reveal()), id="in UTF-16"),
        pytest.param(spelt(KEY.reveal()[:3]) + "\0" + KEY.reveal()[3:], id="spelt, with NUL"),
    ],
)
def test_the_key_is_cut_out_however_it_is_written(echo: str) -> None:
    assert without_key(f'{{"message":"no {echo}"}}', KEY) == f'{{"message":"no {KEY.masked}"}}'


@pytest.mark.parametrize("length", range(4, 32))
def test_the_beginning_of_the_key_at_the_end_is_cut_off(length: int) -> None:
    begun = KEY.reveal()[:length]
    capitals = begun.upper()
    for end in (begun, begun.swapcase(), spelt(begun), spelt(capitals, lambda n: n % 2 == 0)):
        assert without_key(f"no {end}", KEY) == "no "
        for piece in (
            "\\",
            "\\u",
            "\\u0",
            "\\u00",
            "\\u006",
            *"%&",
            "%4",
            "&#",
            "&#x",
            "&#x00",
            "&#6",
            "&#99",
        ):
            assert without_key(f"no {end}{piece}", KEY) == "no "
    for how in SPELLINGS:
        assert without_key(f"no {spelt(begun, how=how)}", KEY) == "no "


def test_what_tells_nothing_is_left() -> None:
    begun = KEY.reveal()[:3]
    for text in (f"no {begun}", f"{KEY.reveal()[:31]}. no", KEY.reveal()[1:], "", "\\", "\\u00e9"):
        assert without_key(text, KEY) == text


def plainly(text: str, key: IntegrationKey) -> str:
    """The same as ``without_key``, at its leisure."""
    characters = [
        "(?:"
        + "|".join(
            rf"{chr(o)}|\\u00{o:02x}|%{o:02x}|&#0*{o}(?:;|(?![0-9]))|&#x0*{o:x}(?:;|(?![0-9a-f]))"
            for o in {ord(c.lower()), ord(c.upper())}
        )
        + ")"
        for c in key.reveal()
    ]
    text = re.sub("".join(characters), key.masked, text.replace("\0", ""), flags=re.IGNORECASE)
    more = ""
    for one in reversed(characters[4:]):
        more = f"(?:{one}{more})?"
    half = r"(?:\\(?:u[0-9a-f]{0,3})?|%[0-9a-f]?|&(?:#(?:x[0-9a-f]*|[0-9]*))?)?\Z"
    begun = "".join(characters[:4]) + more + half
    return re.sub(begun, "", text, flags=re.IGNORECASE)[:RESPONSE_BYTES]


KEYS = st.sampled_from([KEY, a_key("Kq7"), IntegrationKey("xY01" * 7 + "zzzz")])


@st.composite
def echoes(draw: st.DrawFn) -> tuple[IntegrationKey, str]:
    """A key, and a text that holds it or pieces of it, in many spellings."""
    key = draw(KEYS)

    def written(length: int) -> str:
        piece = key.reveal()[:length]
        piece = draw(st.sampled_from([piece, piece.upper(), piece.lower(), piece.swapcase()]))
        marks = draw(st.sampled_from([0, 0, 0xFFFFFFFF, 0x55555555, 1, 1 << 31]))
        return spelt(piece, lambda n: bool(marks >> n & 1), draw(st.sampled_from(SPELLINGS)))

    parts = []
    for _ in range(draw(st.integers(0, 5))):
        whole = st.just(32)
        part = draw(
            st.text(max_size=8)
            | st.builds(written, st.integers(1, 32) | whole)
            | st.sampled_from(
                [
                    "\\",
                    "\\u",
                    "\\u00",
                    "\\u00e9",
                    "%",
                    "%4",
                    "&#",
                    "&#6",
                    "&#x0",
                    ";",
                    "\0",
                    '{"a":"',
                    "İ",
                    "x" * 2000,
                ]
            )
        )
        parts.append(part)
    return key, "".join(parts)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first texts take seconds to draw
@given(echoes())
@example((KEY, "x" * RESPONSE_BYTES + KEY.reveal()))
def test_cutting_out_fast_comes_to_the_same(echo: tuple[IntegrationKey, str]) -> None:
    key, text = echo
    assert without_key(text, key) == plainly(text, key)


@given(st.text())
def test_a_text_without_the_key_is_left_as_it_is(text: str) -> None:
    assert without_key(text, KEY) == text.replace("\0", "")[:RESPONSE_BYTES]


@given(echoes())
def test_the_key_never_stays(echo: tuple[IntegrationKey, str]) -> None:
    key, text = echo
    kept = without_key(text, key)
    for read in (
        re.sub(r"\\u00([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), kept),
        unquote(kept),
        unescape(kept),
    ):
        assert key.reveal().lower() not in read.lower()
    assert "\0" not in kept
    assert len(kept) <= RESPONSE_BYTES


@given(
    st.text(),
    st.integers(4, 31),
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.sampled_from(SPELLINGS),
)
def test_no_beginning_of_the_key_stays_at_the_end(
    text: str, length: int, marks: int, capitals: bool, how: Callable[[int], str]
) -> None:
    begun = KEY.reveal()[:length]
    end = spelt(begun.upper() if capitals else begun, lambda n: bool(marks >> n & 1), how)
    assert without_key(text + end, KEY) == text.replace("\0", "")[:RESPONSE_BYTES]


# The key in base64.


def said_in_base64(text: str) -> str:
    """All that pieces of ``text`` say, wherever base64 may begin in them."""
    said = []
    for run in re.findall(r"[A-Za-z0-9+/_-]+", text):
        for skipped in range(4):
            piece = run[skipped:].replace("-", "+").replace("_", "/")
            whole = piece[: len(piece) // 4 * 4]
            said.append(base64.b64decode(whole + "A" * 4).decode("latin-1"))
    return "\n".join(said)


ENCODERS = [base64.b64encode, base64.urlsafe_b64encode]


@settings(max_examples=300)
@given(
    before=st.binary(max_size=60),
    after=st.binary(max_size=60),
    encoder=st.sampled_from(ENCODERS),
    around=st.sampled_from([('{"sent":"', '"}'), ("token=", "&x"), ("/v2/abc", ""), ("", "=")]),
    key=KEYS,
)
def test_the_key_is_cut_out_of_whatever_is_in_base64(
    before: bytes,
    after: bytes,
    encoder: Callable[[bytes], bytes],
    around: tuple[str, str],
    key: IntegrationKey,
) -> None:
    echo = encoder(before + key.reveal().encode() + after).decode()
    kept = without_key(around[0] + echo + around[1], key)
    assert key.masked in kept
    assert key.reveal().lower() not in said_in_base64(kept).lower()
    assert kept.startswith(around[0] + echo[: len(before) * 4 // 3])


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_of_base64_just_the_key_is_cut_out(encoder: Callable[[bytes], bytes], before: str) -> None:
    sent = json.dumps({"a": before, "routing_key": KEY.reveal(), "b": "rest"})
    echo = encoder(sent.encode()).decode()
    kept = without_key(f"<{echo}>", KEY)
    first, last = kept[1:-1].split(KEY.masked)
    assert echo.startswith(first)
    assert echo.endswith(last)
    assert len(echo) - len(first) - len(last) in (43, 44)


@pytest.mark.parametrize("how", SPELLINGS)
def test_base64_may_be_spelt_out_as_well(how: Callable[[int], str]) -> None:
    echo = base64.b64encode(b"??>" + KEY.reveal().encode() + b"?>?").decode()
    signs = spelt(echo, lambda n: not echo[n].isalnum(), how)
    assert without_key(signs, KEY).count(KEY.masked) == 1
    assert without_key(spelt(echo, how=how), KEY).count(KEY.masked) == 1
    slashes = base64.b64encode(b"???" + KEY.reveal().encode()).decode().replace("/", "\\/")
    assert "\\/" in slashes
    assert without_key(slashes, KEY).count(KEY.masked) == 1


@settings(max_examples=300)
@given(
    before=st.binary(max_size=9),
    cut=st.integers(6, 60),
    encoder=st.sampled_from(ENCODERS),
    key=KEYS,
)
def test_no_beginning_of_the_key_in_base64_stays_at_the_end(
    before: bytes, cut: int, encoder: Callable[[bytes], bytes], key: IntegrationKey
) -> None:
    echo = encoder(before + key.reveal().encode()).decode()[:cut]
    kept = without_key(f'{{"sent":"{echo}', key)
    begun = key.reveal()[:4].lower()
    assert begun not in said_in_base64(kept.rpartition('"')[2]).lower()
    assert kept.startswith('{"sent":"')


def test_base64_of_something_else_is_left() -> None:
    for text in (
        "A" * RESPONSE_BYTES,
        base64.b64encode(bytes(range(256)) * 4).decode(),
        "ab_-" * 20,
    ):
        assert without_key(text, KEY) == text


@pytest.mark.timing
@pytest.mark.parametrize(
    "piece",
    ["A", "%", "&#", "&#0", "&#x0", "\\u00", "&#65", "%41", KEY.reveal()[:31], "\\/", "&#1;", "="],
)
def test_no_text_takes_long(piece: str) -> None:
    text = ("&#" + piece * RESPONSE_BYTES)[:RESPONSE_BYTES]
    began = time.perf_counter()
    for _ in range(10):
        without_key(text, KEY)
    assert (time.perf_counter() - began) / 10 < 0.05


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

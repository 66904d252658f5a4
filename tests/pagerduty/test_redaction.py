from __future__ import annotations

import base64
import json
import re
import time
from html import unescape
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from build import a_key
from clock_rate import seconds_to_look_through
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.outcome import RESPONSE_BYTES
from wallarm_notify.pagerduty.redaction import without_key
from wallarm_notify.pagerduty.response import answer_of

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = IntegrationKey("Abc7f3a1c527d0e4d8a9a520c3b8e5d1")
HEAD = [b"HTTP/1.1 200 OK\r\n", b"\r\n"]


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


def test_what_reveals_nothing_is_left() -> None:
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


def decoded_from_base64(text: str) -> str:
    """All that pieces of ``text`` say, wherever base64 may begin in them."""
    decoded = []
    for run in re.findall(r"[A-Za-z0-9+/_-]+", text):
        for skipped in range(4):
            piece = run[skipped:].replace("-", "+").replace("_", "/")
            whole = piece[: len(piece) // 4 * 4]
            decoded.append(base64.b64decode(whole + "A" * 4).decode("latin-1"))
    return "\n".join(decoded)


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
    assert key.reveal().lower() not in decoded_from_base64(kept).lower()
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
    assert begun not in decoded_from_base64(kept.rpartition('"')[2]).lower()
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
    ratios = []
    for _ in range(9):
        began = time.process_time()
        without_key(text, KEY)
        ratios.append((time.process_time() - began) / seconds_to_look_through(text))
    assert median(ratios) < 60, ratios

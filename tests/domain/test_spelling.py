from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.spelling import (
    beginning,
    compact,
    in_utf8,
    may_hold_whole_floats,
    same_number,
    sanitized,
    whole,
)

TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
ODD = ["\0", "\ud83d", "\ude00", "\\", "u0000", '"', "a", "ж", "😀", "\ufffd", "\n"]
ODD_TEXTS = st.lists(st.sampled_from(ODD), max_size=8).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | ODD_TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS | ODD_TEXTS, inner),
    max_leaves=20,
)


def ascii_of(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def by_hand(text: str) -> str:
    """What ``sanitized`` makes of a text, character by character."""
    made: list[str] = []
    for character in text:
        if made and "\ud800" <= made[-1] <= "\udbff" and "\udc00" <= character <= "\udfff":
            pair = made.pop() + character
            made.append(pair.encode("utf-16", "surrogatepass").decode("utf-16"))
        else:
            made.append(character)
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in made)


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        (r'"/etc/passwd\u0000.jpg"', "/etc/passwd\ufffd.jpg"),
        (r'"\u0000\u0000"', "\ufffd\ufffd"),
        (r'"\ud83d"', "\ufffd"),
        (r'"\ude00\ud83d"', "\ufffd\ufffd"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\uD83D\uDE00"', "😀"),
        (r'"\ud83d\ud83d\ude00\ude00"', "\ufffd😀\ufffd"),
        (r'"\ud83dx\ude00"', "\ufffdx\ufffd"),
        (r'"\\u0000"', r"\u0000"),
        (r'"\\\u0000"', "\\\ufffd"),
        (r'"\\\\u0000\\ud83d"', r"\\u0000\ud83d"),
        (r'"\\ud83d\ude00"', "\\ud83d\ufffd"),
        (r'{"a\u0000": ["\ud83d", {"\udfff": "\u0000"}]}', {"a\ufffd": ["\ufffd", {"\ufffd": "\ufffd"}]}),
        (r'{"a\u0000": 1, "a\ufffd": 2}', {"a\ufffd": 2}),
        (r'{"a\ufffd": 2, "a\u0000": 1}', {"a\ufffd": 2}),
    ],
)  # fmt: skip
def test_what_is_no_character_becomes_one_that_says_so(text: str, becomes: Any) -> None:
    value = json.loads(text)
    assert sanitized(value, ascii_of(value)) == becomes


@given(TEXTS | ODD_TEXTS)
def test_each_text_is_mended_character_by_character(text: str) -> None:
    becomes = sanitized(text, ascii_of(text))
    # Two halves that a Python program has put side by side are the character once they are JSON.
    assert becomes == by_hand(text)
    becomes.encode()


@given(JSON)
def test_mending_leaves_all_else_as_it_is_and_nothing_to_mend(value: Any) -> None:
    becomes = sanitized(value, ascii_of(value))
    compact(becomes).encode()
    assert "\\u0000" not in ascii_of(becomes).replace("\\\\", "")
    again = sanitized(becomes, ascii_of(becomes))
    assert again is becomes
    try:
        plain = "\\u0000" not in ascii_of(value).replace("\\\\", "") and compact(value).encode()
    except UnicodeEncodeError:
        plain = False
    if plain:
        assert becomes is value


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        (12.0, 12),
        (-0.0, 0),
        (2.0**62, 2**62),
        (-(2.0**63), -(2**63)),
        (2.0**63, 2.0**63),
        (1e300, 1e300),
        (1.5, 1.5),
        (True, True),
        ("12.0", "12.0"),
        (None, None),
        (float("inf"), float("inf")),
    ],
)
def test_a_float_that_is_whole_is_a_whole_number_within_64_bits(value: Any, becomes: Any) -> None:
    assert whole(value) == becomes
    assert type(whole(value)) is type(becomes)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12.0", 12),
        ("1.2e1", 12),
        ("1.2E+1", 12),
        ("120e-1", 12),
        ("-0.0", 0),
        ("12.5", 12.5),
        ("1e22", 10**22),
        ("1e38", int(1e38)),
        ("1e39", 1e39),
        ("1e308", 1e308),
    ],
)
def test_numbers_that_are_the_same_are_written_alike(text: str, number: float) -> None:
    assert same_number(text) == number
    assert type(same_number(text)) is type(number)


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1e999999999", "1e308", "9" * 300 + ".0"])
def test_no_short_text_makes_a_huge_number(text: str) -> None:
    assert isinstance(same_number(text), float)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_whole_float_is_never_overlooked(value: float) -> None:
    if value.is_integer():
        assert may_hold_whole_floats(ascii_of({"a": [value, 1]}))
        assert may_hold_whole_floats(ascii_of({"a": [1, value]}))
        assert may_hold_whole_floats(ascii_of({"a": value}))


@given(JSON)
def test_a_size_is_that_of_json_without_blanks_in_utf_8(value: Any) -> None:
    text = ascii_of(value)
    size = len(in_utf8(text))
    assert size <= len(text)
    assert json.loads(in_utf8(text)) == json.loads(text)


@pytest.mark.parametrize(
    ("value", "size"),
    [("ж" * 10, 22), ("😀" * 10, 42), ("中" * 10, 32), ("a" * 10, 12), ("\ud83d", 8), ("\0\n", 10)],
)
def test_a_character_counts_as_utf_8_has_it(value: str, size: int) -> None:
    assert len(in_utf8(ascii_of(value))) == size


def test_what_is_too_deep_is_counted_as_it_stands() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert in_utf8(deep) == deep.encode()


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ('"жж"', 4, '"ж'),
        ('"жж"', 5, '"жж'),
        ('"a😀"', 5, '"a'),
        (r'"a\nb"', 3, '"a'),
        (r'"a\nb"', 4, r'"a\n'),
        (r'"\u0000"', 6, '"'),
        (r'"\u0000"', 7, r'"\u0000'),
        (r'"\\u00"', 6, r'"\\u00'),
        (r'"\\\u00', 7, r'"\\'),
        (r'"\\', 2, '"'),
        ("12", 1, "1"),
    ],
)
def test_what_is_cut_ends_with_a_whole_character(text: str, most: int, kept: str) -> None:
    assert beginning(text.encode(), most) == kept


@given(TEXTS | ODD_TEXTS, st.integers(0, 100))
def test_what_is_cut_is_the_beginning_and_can_be_read_to_its_end(text: str, most: int) -> None:
    written = in_utf8(ascii_of(text))
    kept = beginning(written, most)
    assert written.startswith(kept.encode())
    assert min(most, len(written)) - len(kept.encode()) <= 5
    if 0 < len(kept) < len(written.decode()):
        json.loads(f'{kept}"')

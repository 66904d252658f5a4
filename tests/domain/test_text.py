"""What people may write into records that everybody reads."""

from __future__ import annotations

import pytest

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.text import check_name, check_text

ODD = ["two\nlines", "a tab\t", "a NUL\0", "turned \u202e round", "\x1b[2J", "\x9b", "\u2028"]

KEY = "KnownSecretKey0123456789abcdefXY"


@pytest.mark.parametrize(
    "text",
    [KEY, KEY.lower(), "a" * 32, f"SOC {KEY}", f"SOC ({KEY})", f"key={KEY}", f"x{KEY}9", f"…{KEY}"],
)
def test_what_looks_like_a_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Refused, match=r"name: .* looks like an integration key") as refused:
        check_name(text)
    assert text not in str(refused.value)
    with pytest.raises(Refused, match=r"reason: .* looks like an integration key") as refused:
        check_text("reason", text)
    assert text not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "PagerDuty integration by ann@example.com, Mar 1",
        "a" * 31,
        "a" * 33,  # a long word of some language
        "4f9a1c52-7d0e-4d8a-9a52-0c3b8e5d1f60",
        "…defXY",
        "é" * 32,
    ],
)
def test_other_names_are_taken(text: str) -> None:
    check_name(text)
    check_text("reason", text)


@pytest.mark.parametrize("text", ["", " ", "x", "Größe 7 — “gut”", "x" * 500])
def test_a_text_may_be_anything_printable_up_to_500_characters(text: str) -> None:
    check_text("reason", text)


@pytest.mark.parametrize("text", ["x" * 501, *ODD])
def test_a_text_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(Refused, match=r"^reason: give at most 500 printable characters\.$"):
        check_text("reason", text)


@pytest.mark.parametrize("name", ["x", " x", "Größe 7", "x" * 200])
def test_a_name_has_1_to_200_printable_characters(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", " ", "\u2003", "x" * 201, *ODD])
def test_a_name_that_is_blank_too_long_or_not_printable_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=r"^name: give 1 to 200 printable characters\.$"):
        check_name(name)


def test_a_name_is_refused_by_what_it_was_given_as() -> None:
    with pytest.raises(Refused, match=r"^partner: give 1 to 200"):
        check_name(" ", "partner")

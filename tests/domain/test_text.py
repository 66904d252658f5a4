"""What people may write into records that everybody reads."""

from __future__ import annotations

import pytest

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.text import check_lines, check_text, read_name

ODD = ["two\nlines", "a tab\t", "a NUL\0", "turned \u202e round", "\x1b[2J", "\x9b", "\u2028"]

KEY = "KnownSecretKey0123456789abcdefXY"


@pytest.mark.parametrize(
    "text",
    [KEY, KEY.lower(), "a" * 32, f"SOC {KEY}", f"SOC ({KEY})", f"key={KEY}", f"x{KEY}9", f"…{KEY}"],
)
def test_what_looks_like_a_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Refused, match=r"name: .* looks like an integration key") as refused:
        read_name(text)
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
    read_name(text)
    check_text("reason", text)


@pytest.mark.parametrize("text", ["", " ", "x", "Größe 7 — “gut”", "x" * 500])
def test_a_text_may_be_anything_printable_up_to_500_characters(text: str) -> None:
    check_text("reason", text)


@pytest.mark.parametrize("text", ["x" * 501, *ODD])
def test_a_text_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(Refused, match=r"^reason: give at most 500 printable characters\.$"):
        check_text("reason", text)


@pytest.mark.parametrize("name", ["x", "Größe 7", "x" * 200])
def test_a_name_has_1_to_200_printable_characters(name: str) -> None:
    assert read_name(name) == name


@pytest.mark.parametrize("given", ["SOC ", " SOC", "  SOC  ", "SOC" + " " * 200])
def test_blanks_around_a_name_are_no_part_of_it(given: str) -> None:
    assert read_name(given) == "SOC"


@pytest.mark.parametrize("name", ["", " ", "\u2003", "x" * 201, *ODD])
def test_a_name_that_is_blank_too_long_or_not_printable_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=r"^name: give 1 to 200 printable characters\.$"):
        read_name(name)


def test_a_name_is_refused_by_what_it_was_given_as() -> None:
    with pytest.raises(Refused, match=r"^partner: give 1 to 200"):
        read_name(" ", "partner")


@pytest.mark.parametrize("text", ["one\ntwo", "one\r\ntwo", "\tone\n", ""])
def test_lines_may_be_broken_where_several_are_permitted(text: str) -> None:
    check_lines("comment", text)


@pytest.mark.parametrize("text", ["a\x00b", "a\u2028b", "a" * 501, f"a\n{'k' * 31}1"])
def test_several_lines_are_held_to_the_rules_of_one(text: str) -> None:
    with pytest.raises(Refused):
        check_lines("comment", text)

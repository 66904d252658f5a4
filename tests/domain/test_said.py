"""What people may write into records that everybody reads."""

from __future__ import annotations

import pytest

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.said import LONGEST_NAME, LONGEST_SAID, check_name, check_said

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
        check_said("reason", text)
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
    check_said("reason", text)


@pytest.mark.parametrize("odd", ["\x1b[2J", "a\nb", "\u202e", "\x9b", "\u2028", "\0"])
def test_what_is_not_printable_is_refused(odd: str) -> None:
    with pytest.raises(Refused, match="name: give 1 to 200 printable"):
        check_name(odd)
    with pytest.raises(Refused, match="user: give at most 500 printable"):
        check_said("user", odd)


def test_lengths_are_bounded() -> None:
    check_name("ab " * (LONGEST_NAME // 3))
    check_said("user", "ab " * (LONGEST_SAID // 3))
    with pytest.raises(Refused, match="partner: give"):
        check_name("a " * LONGEST_NAME, "partner")
    with pytest.raises(Refused):
        check_said("user", "a " * LONGEST_SAID)

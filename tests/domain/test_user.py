"""Users: how their e-mail addresses and names are read."""

from __future__ import annotations

import pytest

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.user import read_email, read_user_name


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("ana@example.com", "ana@example.com"),
        (" Ana.O'Neil+x@Example.COM\t", "ana.o'neil+x@example.com"),
        ("a@b", "a@b"),
    ],
)
def test_an_address_is_kept_in_small_letters_without_blanks_around(given: str, read: str) -> None:
    assert read_email(given) == read


@pytest.mark.parametrize(
    "given",
    ["", "@", "ana", "ana@", "@example.com", "a@b@c", "a b@c.d", "änä@example.com", "a@bü.de", "\u0430@b.c",
     "a" * 65 + "@example.com", "a@" + "b" * 190, "a\x00@b.c"],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_not_repeated(given: str) -> None:
    with pytest.raises(Refused) as refused:
        read_email(given)
    assert str(refused.value) in (
        "email: give an e-mail address, as ana@example.com.",
        "email: give at most 500 printable characters.",
    )


def test_a_key_in_place_of_an_address_is_not_repeated() -> None:
    key = "KnownSecretKey0123456789abcdefXY"
    with pytest.raises(Refused) as refused:
        read_email(f"{key}@example.com")
    assert key not in str(refused.value)


@pytest.mark.parametrize("name", ["failure ratio", " end of pause "])
def test_nobody_has_the_name_of_what_the_system_does_by_itself(name: str) -> None:
    with pytest.raises(Refused, match="stands for what the system does by itself"):
        read_user_name(name)
    assert read_user_name(" Ana ") == "Ana"

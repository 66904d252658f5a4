"""Ids that follow from an idempotency key."""

from __future__ import annotations

import re
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.keyed_ids import KEY_FORM, LONGEST_KEY, keyed_id

CLIENTS = st.integers(1, 2**63 - 1)
KEYS = st.from_regex(re.compile(KEY_FORM, re.ASCII), fullmatch=True).filter(
    lambda k: not k.endswith("\n")
)
PLACES = st.integers(0, 999)
CALLS = st.tuples(CLIENTS, KEYS, PLACES)


def test_an_id_stays_what_it_is_from_version_to_version() -> None:
    assert keyed_id(7, "order-4711", 0) == UUID("d0c2c657-621f-5a51-8e93-9fa883abfe41")


@given(CALLS)
def test_the_same_call_has_the_same_ids(call: tuple[int, str, int]) -> None:
    client_id, key, place = call
    assert keyed_id(client_id, key, place) == keyed_id(client_id, str(key), int(place))
    assert keyed_id(client_id, key, place).version == 5


@given(CALLS, CALLS)
def test_another_client_key_or_place_has_another_id(
    one: tuple[int, str, int], other: tuple[int, str, int]
) -> None:
    assert (keyed_id(*one) == keyed_id(*other)) is (one == other)


@given(st.integers(1, 99), st.integers(1, 99), PLACES, PLACES)
def test_digits_of_one_part_are_none_of_the_next(a: int, b: int, c: int, d: int) -> None:
    assert (keyed_id(a, str(b), c) == keyed_id(c, str(b), d)) is ((a, c) == (c, d))
    assert keyed_id(a, f"{b}{c}", d) != keyed_id(int(f"{a}{b}"), str(c), d)


def test_a_key_is_printable_ascii_without_blanks() -> None:
    good = ["a", "order-4711", "!~", "x" * LONGEST_KEY]
    bad = ["", " ", "a b", "é", "a\t", "x" * (LONGEST_KEY + 1)]
    assert [bool(re.search(KEY_FORM, k)) for k in (*good, *bad)] == [True] * 4 + [False] * 6

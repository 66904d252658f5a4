"""Failed tokens: who guesses waits, nobody else does, and what is remembered has a limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wallarm_notify.domain.errors import TooManyFailures
from wallarm_notify.domain.failed_tokens import FailedTokens

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINE, ANOTHERS = "192.0.2.1", "192.0.2.2"


def wait_of(failed: FailedTokens, address: str, now: datetime) -> int | None:
    """Count a failure; return for how long it is refused."""
    try:
        failed.count(address, now)
    except TooManyFailures as error:
        return error.seconds
    return None


def test_the_21st_failure_within_a_minute_is_refused_until_the_minute_ends() -> None:
    failed = FailedTokens()
    waits = [wait_of(failed, MINE, NOON + n * SECOND) for n in range(22)]
    assert waits == [None] * 20 + [40, 39]
    assert wait_of(failed, MINE, NOON + 59.5 * SECOND) == 1
    assert wait_of(failed, MINE, NOON + 60 * SECOND) is None


def test_others_are_not_refused_for_it() -> None:
    failed = FailedTokens(most=1)
    failed.count(MINE, NOON)
    assert wait_of(failed, MINE, NOON) == 60
    assert wait_of(failed, ANOTHERS, NOON) is None


def test_a_clock_that_is_set_back_refuses_nobody_for_longer_than_a_window() -> None:
    failed = FailedTokens(most=1)
    failed.count(MINE, NOON)
    earlier = NOON - timedelta(days=1)
    assert wait_of(failed, MINE, earlier) is None
    assert wait_of(failed, MINE, earlier) == 60


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:0DB8:0:0:ffff::2"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("no address", "no address"),
    ],
)
def test_an_address_counts_in_any_spelling_and_a_site_of_ipv6_as_one(one: str, other: str) -> None:
    failed = FailedTokens(most=1)
    failed.count(one, NOON)
    assert wait_of(failed, other, NOON) == 60


def test_sites_of_ipv6_are_counted_apart() -> None:
    failed = FailedTokens(most=1)
    failed.count("2001:db8::1", NOON)
    assert wait_of(failed, "2001:db8:0:1::1", NOON) is None


def test_beyond_so_many_addresses_those_that_began_first_are_forgotten() -> None:
    failed = FailedTokens(most=1, addresses=3)
    for n in range(4):
        failed.count(f"192.0.2.{n}", NOON + n * SECOND)
    assert len(failed) == 3
    now = NOON + 4 * SECOND
    assert [wait_of(failed, f"192.0.2.{n}", now) for n in (3, 2, 1)] == [59, 58, 57]
    assert wait_of(failed, "192.0.2.0", now) is None
    assert len(failed) == 3


def test_a_long_text_in_place_of_an_address_takes_no_more_room_than_one() -> None:
    failed = FailedTokens(most=1)
    failed.count("x" * 1_000_000, NOON)
    assert wait_of(failed, "x" * 45, NOON) == 60

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.lateness import (
    BOUNDS_MS,
    counted_lateness,
    cycle_of,
    lateness_in,
)
from wallarm_notify.domain.retry import ATTEMPTS, CYCLES

LATE = st.timedeltas(timedelta(seconds=-5), timedelta(hours=2))
NUMBERS = st.integers(1, ATTEMPTS)


@pytest.mark.parametrize(
    ("number", "cycle"),
    [(1, 0), (2, 1), (6, 1), (7, 2), (11, 2), (12, 3), (17, 3)],
)
def test_an_attempt_is_of_the_cycle_whose_wait_comes_before_it(number: int, cycle: int) -> None:
    assert cycle_of(number) == cycle


def test_each_cycle_has_as_many_attempts_as_waits() -> None:
    found = Counter(cycle_of(number) for number in range(1, ATTEMPTS + 1))
    assert found == {0: 1, **{i: len(waits) for i, waits in enumerate(CYCLES, 1)}}


@pytest.mark.parametrize(
    ("late", "within"),
    [
        (timedelta(seconds=-3), 9),
        (timedelta(0), 9),
        (timedelta(milliseconds=100), 9),
        (timedelta(milliseconds=101), 8),
        (timedelta(seconds=1), 6),
        (timedelta(minutes=1), 2),
        (timedelta(minutes=4), 1),
        (timedelta(minutes=4, milliseconds=1), 0),
    ],
)
def test_an_attempt_is_counted_in_each_bound_that_it_keeps(late: timedelta, within: int) -> None:
    first = lateness_in(counted_lateness(1, late))[0]
    assert first.within == (0,) * (len(BOUNDS_MS) - within) + (1,) * within
    assert first.attempts == 1
    assert first.total == max(late, timedelta(0))


@given(st.lists(st.tuples(NUMBERS, LATE)))
def test_all_attempts_are_counted_once_and_in_their_cycle(
    attempts: list[tuple[int, timedelta]],
) -> None:
    counts: Counter[str] = Counter({"state:card:delivered": 7})
    for number, late in attempts:
        counts.update(counted_lateness(number, late))
    found = lateness_in(counts)
    assert [one.cycle for one in found] == [0, 1, 2, 3]
    for one in found:
        own = [
            max(late, timedelta(0)) for number, late in attempts if cycle_of(number) == one.cycle
        ]
        assert one.attempts == len(own)
        assert abs(one.total - sum(own, timedelta())) <= timedelta(milliseconds=1) * len(own)
        milliseconds = [round(late / timedelta(milliseconds=1)) for late in own]
        assert list(one.within) == [sum(ms <= bound for ms in milliseconds) for bound in BOUNDS_MS]

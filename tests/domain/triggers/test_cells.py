"""Cells, windows and crossings, against a model that adds every window up anew."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest
from build import NOON, crossings_worked_out
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.triggers.cells import (
    CELLS,
    LATE_BY,
    Stretch,
    cell_of,
    expiry_of,
    in_stretches,
    is_late,
    quiet_of,
    stretches,
    window_of,
)
from wallarm_notify.domain.triggers.crossing import Crossing, Near, crossings

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)

periods = st.integers(1, 30 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
moments = st.datetimes(datetime(2015, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments, periods)
def test_a_moment_lies_in_the_last_cell_of_its_own_window_and_in_the_first_of_the_60th(
    moment: datetime, period: timedelta
) -> None:
    cell = cell_of(moment, period)
    own, last = window_of(cell, period), window_of(cell + CELLS - 1, period)
    assert own.start <= moment < own.end
    assert last.start <= moment < last.end
    assert not window_of(cell - 1, period).end > moment
    assert not window_of(cell + CELLS, period).start <= moment


@given(moments, periods)
def test_a_cell_begins_with_its_first_microsecond_and_the_one_before_ends_with_the_last_before_it(
    moment: datetime, period: timedelta
) -> None:
    cell = cell_of(moment, period)
    start = window_of(cell - 1, period).end
    assert cell_of(start, period) == cell
    assert cell_of(start - MICROSECOND, period) == cell - 1
    assert type(cell) is int


@given(moments, periods)
def test_a_window_is_as_long_as_the_period_to_the_microsecond(
    moment: datetime, period: timedelta
) -> None:
    window = window_of(cell_of(moment, period), period)
    assert abs(window.end - window.start - period) <= MICROSECOND


@given(periods)
def test_quiet_is_the_period_and_at_least_a_minute_and_no_cell_more(period: timedelta) -> None:
    quiet, wanted = quiet_of(period), max(period, timedelta(minutes=1))
    assert quiet * period >= wanted * CELLS
    assert (quiet - 1) * period < wanted * CELLS


@pytest.mark.parametrize(
    ("seconds", "cells"), [(1, 3600), (7, 515), (59, 62), (60, 60), (61, 60), (86_400, 60)]
)
def test_quiet_in_cells(seconds: int, cells: int) -> None:
    assert quiet_of(timedelta(seconds=seconds)) == cells


@pytest.mark.parametrize(
    ("age", "late"),
    [
        (HOUR + LATE_BY, False),
        (HOUR + LATE_BY + MICROSECOND, True),
        (timedelta(0), False),
        (-timedelta(minutes=5), False),
    ],
)
def test_older_than_the_period_and_a_day_is_late(age: timedelta, *, late: bool) -> None:
    assert is_late(NOON - age, HOUR, NOON) is late


@given(moments, periods)
def test_no_event_that_is_still_counted_needs_an_expired_cell(
    now: datetime, period: timedelta
) -> None:
    oldest = cell_of(now - period - LATE_BY, period)
    reach = max(quiet_of(period), CELLS - 1)
    assert expiry_of(oldest - reach, period) >= now


@pytest.mark.parametrize("period", [SECOND, HOUR, timedelta(days=30)])
def test_a_cell_is_kept_for_two_periods_a_day_and_two_minutes_from_its_end(
    period: timedelta,
) -> None:
    cell = cell_of(NOON, period)
    end = window_of(cell, period).end
    assert expiry_of(cell, period) == end + 2 * period + timedelta(days=1, minutes=2)


@given(st.lists(st.integers(0, 2000), max_size=30), st.integers(0, 90), st.integers(0, 90))
def test_stretches_hold_what_is_around_each_cell_and_never_overlap(
    cells: list[int], before: int, after: int
) -> None:
    found = stretches(cells, before, after)
    held = [c for one in found for c in range(one.low, one.high + 1)]
    assert len(held) == len(set(held))
    assert set(held) == {c for cell in cells for c in range(cell - before, cell + after + 1)}
    assert all(b.low > a.high + 1 for a, b in itertools.pairwise(found))


@pytest.mark.parametrize(
    ("second", "found"),
    [
        pytest.param(20, [Stretch(5, 25)], id="they overlap"),
        pytest.param(21, [Stretch(5, 26)], id="they touch"),
        pytest.param(22, [Stretch(5, 15), Stretch(17, 27)], id="a cell lies between"),
    ],
)
def test_stretches_that_touch_are_one(second: int, found: list[Stretch]) -> None:
    assert stretches([second, 10], 5, 5) == found


def test_what_lies_in_stretches() -> None:
    counts = {1: 5, 3: 7, 9: 1}
    assert in_stretches(counts, [Stretch(0, 3), Stretch(9, 9)]) == counts
    assert in_stretches(counts, [Stretch(2, 8)]) == {3: 7}


@pytest.mark.parametrize(("limit", "at"), [(0, 0), (1, 1), (30, 30)])
def test_one_more_than_the_limit_fires_and_the_limit_does_not(limit: int, at: int) -> None:
    assert crossings([5] * limit, Near(), limit, CELLS) == []
    assert crossings([5] * (limit + 1), Near(), limit, CELLS) == [Crossing(at, 5, limit + 1)]


@pytest.mark.parametrize(("apart", "fires"), [(0, True), (59, True), (60, False)])
def test_a_window_is_60_cells(apart: int, *, fires: bool) -> None:
    assert bool(crossings([0, apart], Near(), 1, CELLS)) is fires


@pytest.mark.parametrize(("apart", "fires"), [(59, False), (60, True), (-59, False), (-60, True)])
def test_quiet_is_kept_to_both_sides_of_a_firing(apart: int, *, fires: bool) -> None:
    near = Near({100: 1, 100 + apart: 1}, [100])
    assert bool(crossings([100 + apart], near, 1, CELLS)) is fires


def test_what_comes_right_after_a_firing_is_quiet_until_a_period_later() -> None:
    first = crossings([0, 0, 0], Near(), 1, CELLS)
    assert first == [Crossing(1, 0, 2)]
    near = Near({0: 3}, [0])
    assert crossings([1, 1, 1, 30, 59], near, 1, CELLS) == []
    near = Near({0: 3, 1: 3, 30: 1, 59: 1}, [0])
    assert crossings([60], near, 1, CELLS) == [Crossing(0, 60, 6)]


def test_a_late_event_makes_the_later_window_fire_that_only_it_was_missing_in() -> None:
    # 30 of the last 31 came at cell 65; the one at cell 10 comes last, and 0 has fired.
    near = Near({0: 31, 65: 30}, [0])
    assert crossings([10], near, 30, CELLS) == [Crossing(0, 65, 31)]


@pytest.mark.parametrize(
    ("apart", "fires"), [(1, True), (58, True), (59, True), (60, False), (61, False)]
)
def test_a_late_event_counts_in_windows_that_end_up_to_59_cells_after_it(
    apart: int, *, fires: bool
) -> None:
    # The three that come last make every window be looked at, not only those that could exceed.
    found = crossings([0, 0, 5000, 5000, 5000], Near({apart: 2}), 2, CELLS)
    assert found == [*([Crossing(0, apart, 3)] if fires else []), Crossing(4, 5000, 3)]


def test_the_earliest_ending_window_that_exceeds_fires() -> None:
    assert crossings([10], Near({20: 1, 40: 1}, []), 1, CELLS) == [Crossing(0, 20, 2)]


@given(
    st.lists(
        st.lists(st.integers(0, 400) | st.integers(0, 70), min_size=1, max_size=25), max_size=12
    ),
    st.integers(0, 6),
    st.sampled_from([60, 62, 100, 240]),
)
def test_batches_fire_as_windows_added_up_one_by_one(
    batches: list[list[int]], limit: int, quiet: int
) -> None:
    counts: dict[int, int] = {}
    fired: list[int] = []
    for batch in batches:
        cells = sorted(batch)
        found = crossings(cells, near_of(counts, fired, cells, quiet), limit, quiet)
        assert found == crossings_worked_out(cells, counts, fired, limit, quiet)
        for cell in cells:
            counts[cell] = counts.get(cell, 0) + 1
        fired += [one.end for one in found]
    assert_nothing_missed(counts, fired, limit, quiet)


def near_of(counts: dict[int, int], fired: list[int], cells: list[int], quiet: int) -> Near:
    """As the database answers: no more than was asked for."""
    around = in_stretches(counts, stretches(cells, CELLS - 1, CELLS - 1))
    reach = stretches(cells, quiet, CELLS + quiet)
    return Near(around, [e for e in fired if any(s.low <= e <= s.high for s in reach)])


def assert_nothing_missed(counts: dict[int, int], fired: list[int], limit: int, quiet: int) -> None:
    """Every window that exceeds has fired or is quiet, and no two firings are too close."""
    ends = sorted(fired)
    assert all(b - a >= quiet for a, b in itertools.pairwise(ends))
    for end in counts:
        total = sum(n for cell, n in counts.items() if end - CELLS < cell <= end)
        if total > limit:
            assert any(abs(end - one) < quiet for one in ends)
        assert end not in ends or total > limit


def test_ten_thousand_events_in_one_cell_fire_once() -> None:
    assert len(crossings([7] * 10_000, Near(), 30, CELLS)) == 1


def test_a_steady_flood_fires_once_a_period() -> None:
    random.seed(1)
    cells = sorted(random.choices(range(600), k=6000))
    ends = [one.end for one in crossings(cells, Near(), 100, CELLS)]
    assert all(b - a == CELLS for a, b in itertools.pairwise(ends))
    assert len(ends) == 10

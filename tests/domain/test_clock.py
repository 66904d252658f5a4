from __future__ import annotations

import pytest

from wallarm_notify.domain.clock import WITHIN, AheadTally


@pytest.mark.parametrize(
    ("number", "ahead", "is_ours"),
    [(0, 0, False), (1, 0, False), (1, 1, True), (2, 1, False), (3, 2, True), (100, 50, False)],
)
def test_our_clock_is_the_wrong_one_where_most_events_are_ahead_of_it(
    number: int, ahead: int, *, is_ours: bool
) -> None:
    tally = AheadTally()
    tally.add(number, ahead, 7.0)
    assert tally.is_database_behind is is_ours


def test_only_the_last_minute_counts() -> None:
    tally = AheadTally()
    for second in range(600):
        tally.add(10, 10, float(second))
    for second in range(600, 600 + int(WITHIN) // 2 + 2):
        tally.add(10, 0, float(second))
    assert not tally.is_database_behind
    assert tally.number == 10 * WITHIN
    tally.add(1, 0, 10_000.0)
    assert (tally.number, tally.ahead) == (1, 0)


def test_many_calls_within_a_second_are_one_number() -> None:
    tally = AheadTally()
    for call in range(10_000):
        tally.add(3, 2, call / 10_000)
    assert (tally.number, tally.ahead) == (30_000, 20_000)
    assert len(tally._steps) == 1


def test_what_is_not_counted_yet_weighs_in_and_stays_uncounted() -> None:
    tally = AheadTally()
    tally.add(4, 1, 0.0)
    assert [tally.is_database_behind_with(2, ahead, 1.0) for ahead in (2, 1)] == [False, False]
    assert tally.is_database_behind_with(4, 4, 1.0)
    assert (tally.number, tally.ahead) == (4, 1)
    assert tally.is_database_behind_with(1, 1, WITHIN)

"""What criteria would have fired."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from build import NOON, an_event_for, criteria_of

from wallarm_notify.domain.event import Arrival
from wallarm_notify.domain.triggers.trial import Looked, limits_around, try_criteria
from wallarm_notify.domain.triggers.trigger import LARGEST_COUNT

if TYPE_CHECKING:
    from wallarm_notify.domain.event import Event


def looked(*events: Event) -> Looked:
    came = [Arrival(one, one.occurred_at) for one in events]
    return Looked(NOON - timedelta(days=1), NOON + timedelta(days=1), True, came)


def attacks(number: int, minute: int, **fields: object) -> list[Event]:
    start = NOON + timedelta(minutes=minute)
    return [
        an_event_for("attacks_exceeded", start + timedelta(seconds=n), **fields)
        for n in range(number)
    ]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, (0, 1, 3, 10)),
        (1, (0, 1, 3, 10)),
        (2, (0, 2, 5, 30)),
        (30, (10, 30, 100, 500)),
        (1234, (300, 1234, 3000, 20000)),
        (LARGEST_COUNT, (LARGEST_COUNT * 3 // 10, LARGEST_COUNT)),
    ],
)
def test_limits_lie_around_the_own_one(count: int, expected: tuple[int, ...]) -> None:
    assert limits_around(count) == expected


def test_every_limit_fires_once_an_interval_and_says_who_it_was() -> None:
    criteria = criteria_of("attacks_exceeded", threshold="2 in 1h")
    events = [
        *attacks(4, 0, ip="203.0.113.7"),
        *attacks(6, 200),
        *attacks(9, 400, ip="198.51.100.1"),
    ]
    found = try_criteria(criteria, looked(*events), (2, 5, 50))
    assert {limit: len(times) for limit, times in found.firings.items()} == {2: 3, 5: 2, 50: 0}
    assert found.firings[5][0] == NOON + timedelta(minutes=200, seconds=5)
    assert [(one.count, one.source) for one in found.last] == [
        (9, "9 from 198.51.100.1"),
        (6, ""),
        (4, "4 from 203.0.113.7"),
    ]
    assert (found.matched, max(level for _, level in found.levels)) == (19, 9)


def test_what_does_not_match_or_came_too_late_is_not_counted() -> None:
    criteria = criteria_of("attacks_exceeded", "attack_type=sqli", threshold="0 in 1h")
    late = an_event_for("attacks_exceeded", NOON, attack_type="sqli")
    came = [Arrival(late, NOON + timedelta(hours=26)), *looked(*attacks(5, 0)).arrivals]
    found = try_criteria(criteria, Looked(NOON, NOON, True, came), (0,))
    assert (found.matched, found.firings) == (1, {0: []})


def test_a_rogue_endpoint_fires_once() -> None:
    events = [
        an_event_for("rogue_api_detected", NOON + timedelta(minutes=n), path=f"/{n % 2}")
        for n in range(6)
    ]
    found = try_criteria(criteria_of("rogue_api_detected"), looked(*events), ())
    assert found.firings == {None: [NOON, NOON + timedelta(minutes=1)]}
    assert "/1" in found.last[0].source
    assert found.levels == [(NOON, 6)]


def test_the_highest_level_of_each_hour_is_found() -> None:
    criteria = criteria_of("attacks_exceeded", threshold="2 in 1m")
    found = try_criteria(criteria, looked(*attacks(3, 5), *attacks(2, 30), *attacks(1, 130)), ())
    starts = [NOON + timedelta(hours=n) for n in range(-1, 4)]
    assert found.highest_by(starts) == [0, 3, 0, 1]
    assert found.highest_by(starts[:2]) == [0]

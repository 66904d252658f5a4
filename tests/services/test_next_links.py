"""Next links gather, so that an outage's messages do not become ever smaller."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from build import NOON, Bell, a_notification
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.services.next_links import GATHER, SOON, NextLinks

if TYPE_CHECKING:
    from wallarm_notify.domain.notification import Notification


class Clock:
    """One that stands still until it is put forward; it began at ``at``."""

    def __init__(self, at: float = 0.0) -> None:
        self._at = at

    def __call__(self) -> float:
        return self._at

    def forward(self, seconds: float) -> None:
        self._at += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def due(number: int, seconds: float) -> Notification:
    return a_notification(
        id=number, state="retrying", attempts_made=3, due_at=NOON + timedelta(seconds=seconds)
    )


@pytest.mark.parametrize("seconds", [-1.0, 0.0, SOON.total_seconds()])
def test_what_is_due_soon_is_rung_for_at_once(clock: Clock, seconds: float) -> None:
    bell = Bell()
    links = NextLinks(bell, clock)
    links.add([due(1, seconds)], NOON)
    assert [m.ids for m in bell.messages] == [(1,)]
    assert links.ring() is None


def test_what_falls_due_together_travels_together_whenever_it_was_recorded(clock: Clock) -> None:
    bell = Bell()
    links = NextLinks(bell, clock)
    for number in range(10):
        links.add([due(number, 60)], NOON + timedelta(seconds=number / 100))
        clock.forward(0.01)
    assert links.ring() == pytest.approx(0.9)
    assert bell.messages == []
    clock.forward(0.9)
    assert links.ring() is None
    (message,) = bell.messages
    assert message.ids == tuple(range(10))
    # It has waited for a second already.
    assert message.countdown == timedelta(seconds=59)


def test_what_has_gathered_can_be_rung_for_at_once_and_only_once(clock: Clock) -> None:
    bell = Bell()
    links = NextLinks(bell, clock)
    links.add([due(1, 3)], NOON)
    assert links.ring(at_once=True) is None
    assert links.ring(at_once=True) is None
    assert [m.ids for m in bell.messages] == [(1,)]


@given(uptime=st.floats(0, 1e8))
def test_it_gathers_for_a_second_however_long_the_machine_has_run(uptime: float) -> None:
    clock, bell = Clock(uptime), Bell()
    links = NextLinks(bell, clock)
    links.add([due(1, 60)], NOON)
    clock.forward(0.9)
    assert links.ring() == pytest.approx(0.1, abs=1e-6)
    clock.forward(0.1)
    assert links.ring() is None
    assert [m.ids for m in bell.messages] == [(1,)]


def test_nothing_is_rung_for_later_than_it_is_due() -> None:
    assert GATHER < SOON

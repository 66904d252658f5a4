"""What gathers after a ring gathers for a second of its own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from build import NOON, Bell, a_notification

from wallarm_notify.domain.notification import Notification, State
from wallarm_notify.services.next_links import NextLinks


class Clock:
    """One that a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def due(number: int, seconds: float) -> Notification:
    """One that is to be sent again so long after noon."""
    return a_notification(
        id=number, state=State.RETRYING, attempts_made=3, due_at=NOON + timedelta(seconds=seconds)
    )


@pytest.mark.parametrize("at_once", [False, True], ids=["after its second", "at once"])
def test_what_comes_after_a_ring_gathers_for_a_second_of_its_own(*, at_once: bool) -> None:
    bell, clock = Bell(), Clock()
    links = NextLinks(bell, clock)
    links.add([due(1, 60)], NOON)
    clock.at += 1
    assert links.ring(at_once=at_once) is None
    assert [m.countdown for m in bell.taken()] == [timedelta(seconds=59)]

    clock.at += 10
    links.add([due(2, 71)], NOON + timedelta(seconds=11))
    assert links.ring() == pytest.approx(1)
    clock.at += 0.5
    links.add([due(3, 71)], NOON + timedelta(seconds=11.5))
    assert links.ring() == pytest.approx(0.5)
    assert bell.taken() == []
    clock.at += 0.5
    assert links.ring() is None
    (message,) = bell.taken()
    assert (message.ids, message.countdown) == ((2, 3), timedelta(seconds=59))


def test_what_was_rung_for_at_once_starts_no_second() -> None:
    bell, clock = Bell(), Clock()
    links = NextLinks(bell, clock)
    links.add([due(1, 1)], NOON)
    clock.at += 10
    links.add([due(2, 71)], NOON + timedelta(seconds=10))
    assert links.ring() == pytest.approx(1)
    assert bell.ids() == [1]

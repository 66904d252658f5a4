from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from celery import Celery

from wallarm_notify.broker import beat_scheduler
from wallarm_notify.broker.beat_scheduler import SteadyScheduler

EVERY = timedelta(seconds=5)
JUMPS = [timedelta(minutes=m) for m in (-60, -10, 10, 60)]


class Machine:
    """Its two clocks, and a beat on it that notes down what it would send."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *others: str) -> None:
        self.day = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.boot = 1000.0
        self.sent: list[float] = []
        monkeypatch.setattr(beat_scheduler, "since_boot", lambda: self.boot)
        monkeypatch.setattr(Celery, "now", lambda _: self.day)
        app = Celery(set_as_current=False)
        app.conf.beat_schedule = {
            name: {"task": name, "schedule": EVERY} for name in ("sweep", *others)
        }
        self.beat: Any = SteadyScheduler(app)
        monkeypatch.setattr(self.beat, "apply_entry", lambda *_, **__: self.sent.append(self.boot))
        monkeypatch.setitem(vars(self.beat), "producer", None)

    def lives(self, seconds: int) -> None:
        """Ticks as beat does, so long."""
        for _ in range(10 * seconds):
            while self.beat.tick() == 0:
                pass
            self.boot += 0.1
            self.day += timedelta(seconds=0.1)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.mark.parametrize("jump", JUMPS, ids=str)
@pytest.mark.parametrize("sent_in_between", [True, False])
def test_the_schedule_goes_on_whichever_way_the_clock_jumps(
    machine: Machine, jump: timedelta, *, sent_in_between: bool
) -> None:
    machine.lives(22)
    assert len(machine.sent) == 4
    if sent_in_between:  # between the look at the clocks and the look at what is due
        machine.beat._follow_clock()
        machine.day += jump
        machine.beat._follow_clock, follow = lambda: None, machine.beat._follow_clock
        machine.beat.tick()
        machine.beat._follow_clock = follow
    else:
        machine.day += jump
    machine.lives(20)
    assert 8 <= len(machine.sent) <= 9
    assert max(b - a for a, b in pairwise(machine.sent)) < 6


def test_what_was_due_while_the_machine_slept_is_sent_when_it_wakes(machine: Machine) -> None:
    machine.lives(7)
    machine.boot += 3600
    machine.day += timedelta(hours=1)
    machine.lives(1)
    assert len(machine.sent) == 2


def test_a_clock_that_is_set_by_little_again_and_again_is_followed(machine: Machine) -> None:
    machine.lives(1)
    for _ in range(100):
        machine.day -= timedelta(seconds=0.4)
        machine.lives(1)
    assert len(machine.sent) >= 18


def test_tasks_of_one_interval_are_never_sent_at_once_but_after_a_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(monkeypatch, "review", "prune")
    for seconds in (61, 62.3, 3600):
        machine.lives(60)
        sent = machine.sent
        assert len(sent) >= 33
        assert min(b - a for a, b in pairwise(sent)) > 1.5
        machine.boot += seconds
        machine.day += timedelta(seconds=seconds)
        while machine.beat.tick() == 0:
            pass
        assert len(sent) >= 36
        sent.clear()

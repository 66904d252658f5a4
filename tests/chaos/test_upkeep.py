"""Beat away, two beats, a worker stopped warm, and a worker whose clock is wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
from build import eventually

from chaos.clocks import libfaketime
from chaos.scenario import LATER_WITHIN, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.report import Report

pytestmark = pytest.mark.timeout(400)

CLOCK_LATE: Final = 90.0
"""Seconds by which a wrong clock may make attempts late, but never early: a minute and runs of SWEEP."""


@pytest.mark.sample
def test_beat_is_away_for_a_while(make_scenario: Callable[..., Scenario], report: Report) -> None:
    scenario = make_scenario()
    worker = scenario.start_armed(("dispatcher.handed", "kill_worker"))
    scenario.emit()
    worker.popen.wait(60)
    scenario.system.start_worker()
    eventually(
        lambda: scenario.system.ledger().received >= scenario.expected.events, 60, "all is in"
    )
    eventually(lambda: scenario.system.queue_length("notifications") == 0, 60, "an empty queue")
    scenario.start_beat()
    scenario.end_well(
        report, "beat away", "dispatcher.handed", "what a dead worker held waited for it"
    )


@pytest.mark.sample
def test_two_beats_at_once(make_scenario: Callable[..., Scenario], report: Report) -> None:
    scenario = make_scenario()
    scenario.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 25}])
    worker = scenario.start_armed(("record.before_commit", "kill_worker"))
    for _ in range(2):
        scenario.start_beat()
    scenario.emit(twice=True)
    worker.popen.wait(60)
    scenario.system.start_worker()
    scenario.end_well(report, "two beats", "record.before_commit", "one run of each task at a time")


def test_a_worker_is_stopped_warm_with_thousands_of_countdowns(
    make_scenario: Callable[..., Scenario], report: Report
) -> None:
    scenario = make_scenario(retry_time_scale=1)
    scenario.system.sandbox.set_faults([{"kind": "status", "status": 503, "seconds": 25}])
    worker = scenario.system.start_worker()
    scenario.start_beat()
    for _ in range(25):
        scenario.emit()
    eventually(lambda: scenario.system.states()["retrying"] >= 1500, 60, "thousands that wait")
    began = time.monotonic()
    assert worker.stop() == 0
    stopping = time.monotonic() - began
    scenario.system.start_worker()
    seconds = scenario.wait_for_all(LATER_WITHIN + 60)
    findings = scenario.findings()
    report.add(
        "worker stopped warm", "countdowns", f"it ended in {stopping:.0f} s", seconds, findings
    )
    assert findings == []


@pytest.mark.parametrize("hours", ["+1h", "-1h"])
def test_a_workers_clock_is_an_hour_off(
    make_scenario: Callable[..., Scenario], report: Report, hours: str
) -> None:
    scenario = make_scenario(retry_time_scale=1)
    scenario.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 90}])
    scenario.system.start_worker(
        LD_PRELOAD=libfaketime(), FAKETIME=hours, FAKETIME_DONT_FAKE_MONOTONIC="1"
    )
    scenario.start_beat()
    scenario.emit()
    seconds = scenario.wait_for_all(CLOCK_LATE + LATER_WITHIN)
    findings = scenario.findings()
    early = [gap for n in scenario.system.notifications() for gap in too_early(scenario, n.id)]
    report.add(f"a worker's clock {hours}", "every step", f"{len(early)} early", seconds, findings)
    assert early == []
    assert findings == []


def too_early(scenario: Scenario, notification_id: int) -> list[float]:
    """Return by how much attempts came sooner than their wait after the answer before."""
    from wallarm_notify.domain.retry import WAITS  # noqa: PLC0415 - one use

    shown = scenario.system.show(notification_id)
    return [
        gap
        for wait, before, after in zip(WAITS, shown.attempts, shown.attempts[1:], strict=False)
        if (
            gap := (after.at - before.at).total_seconds()
            - before.duration_ms / 1000
            - wait.total_seconds()
        )
        < -0.05
    ]

"""Beat away, two beats, a worker stopped warm, and a worker whose clock is wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
from build import eventually

from chaos.clocks import libfaketime
from chaos.scene import LATER_WITHIN, Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.report import Report

pytestmark = pytest.mark.timeout(400)

CLOCK_LATE: Final = 90.0
"""A clock that is wrong may make attempts late by a minute and SWEEP's rounds, never early."""


@pytest.mark.sample
def test_beat_is_away_for_a_while(make_scene: Callable[..., Scene], report: Report) -> None:
    scene = make_scene()
    worker = scene.start_armed(("dispatcher.handed", "kill_worker"))
    scene.emit()
    worker.popen.wait(20)
    scene.system.start_worker()
    eventually(lambda: scene.system.ledger().received >= scene.expected.events, 60, "all is in")
    eventually(lambda: scene.system.queue_length("notifications") == 0, 30, "an empty queue")
    scene.start_beat()
    scene.end_well(
        report, "beat away", "dispatcher.handed", "what a dead worker held waited for it"
    )


@pytest.mark.sample
def test_two_beats_at_once(make_scene: Callable[..., Scene], report: Report) -> None:
    scene = make_scene()
    scene.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 25}])
    worker = scene.start_armed(("record.before_commit", "kill_worker"))
    for _ in range(2):
        scene.start_beat()
    scene.emit(twice=True)
    worker.popen.wait(20)
    scene.system.start_worker()
    scene.end_well(report, "two beats", "record.before_commit", "one run of each errand at a time")


def test_a_worker_is_stopped_warm_with_thousands_of_countdowns(
    make_scene: Callable[..., Scene], report: Report
) -> None:
    scene = make_scene(retry_time_scale=1)
    scene.system.sandbox.set_faults([{"kind": "status", "status": 503, "seconds": 25}])
    worker = scene.system.start_worker()
    scene.start_beat()
    for _ in range(25):
        scene.emit()
    eventually(lambda: scene.system.states()["retrying"] >= 1500, 60, "thousands that wait")
    began = time.monotonic()
    assert worker.stop() == 0
    stopping = time.monotonic() - began
    scene.system.start_worker()
    seconds = scene.wait_for_all(LATER_WITHIN + 60)
    findings = scene.judge()
    report.add(
        "worker stopped warm", "countdowns", f"it ended in {stopping:.0f} s", seconds, findings
    )
    assert findings == []


@pytest.mark.parametrize("hours", ["+1h", "-1h"])
def test_a_workers_clock_is_an_hour_off(
    make_scene: Callable[..., Scene], report: Report, hours: str
) -> None:
    scene = make_scene(retry_time_scale=1)
    scene.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 90}])
    scene.system.start_worker(
        LD_PRELOAD=libfaketime(), FAKETIME=hours, FAKETIME_DONT_FAKE_MONOTONIC="1"
    )
    scene.start_beat()
    scene.emit()
    seconds = scene.wait_for_all(CLOCK_LATE + LATER_WITHIN)
    findings = scene.judge()
    early = [gap for n in scene.system.notifications() for gap in too_early(scene, n.id)]
    report.add(f"a worker's clock {hours}", "every step", f"{len(early)} early", seconds, findings)
    assert early == []
    assert findings == []


def too_early(scene: Scene, notification_id: int) -> list[float]:
    """By how much an attempt came sooner than its wait after the answer before."""
    from wallarm_notify.domain.retry import WAITS  # noqa: PLC0415 - one use

    shown = scene.system.show(notification_id)
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

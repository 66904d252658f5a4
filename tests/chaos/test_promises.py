"""The recovery times that the spec promises, at the settings a fresh installation has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
from e2e.system import eventually

from chaos import outside
from chaos.scene import INGESTED_WITHIN, LATER_WITHIN, Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.outside import World
    from chaos.report import Report

pytestmark = pytest.mark.timeout(500)

AS_INSTALLED: Final = {
    "request_timeout": 15,
    "connect_timeout": 5,
    "lease_seconds": 30,
    "ring_seconds": 15,
    "sweep_seconds": 5,
    "visibility_timeout": 120,
}


@pytest.mark.parametrize(
    ("step", "within"),
    [
        ("ingest.before_commit", INGESTED_WITHIN),
        ("ingest.committed", INGESTED_WITHIN),
        ("claim.committed", LATER_WITHIN),
        ("record.committed", LATER_WITHIN),
    ],
)
def test_what_a_killed_worker_held_is_worked_on_in_time(
    make_scene: Callable[..., Scene], report: Report, step: str, within: float
) -> None:
    scene = make_scene(**AS_INSTALLED)
    scene.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 25}])
    worker = scene.start_armed((step, "kill_worker"))
    scene.start_beat()
    scene.emit()
    worker.popen.wait(30)
    died = time.monotonic()
    scene.system.start_worker()
    if step.startswith("ingest"):
        everything = scene.expected.events
        eventually(lambda: scene.system.ledger().received >= everything, within, "all taken in")
        seconds = time.monotonic() - died
        scene.wait_for_all(LATER_WITHIN)
    else:
        # What else the worker held and had not stored comes back with it: the longer promise.
        scene.wait_for_all(INGESTED_WITHIN)
        seconds = time.monotonic() - died
    findings = scene.judge()
    report.add("`kill -9` of a worker, settings as installed", step, "in time", seconds, findings)
    assert findings == []


def test_what_an_emptied_broker_forgot_is_rung_for_within_a_minute(
    make_scene: Callable[..., Scene], world: World, report: Report
) -> None:
    scene = make_scene(**AS_INSTALLED)
    ingester = scene.system.start_worker("-Q", "events")
    scene.emit()
    everything = scene.expected.events
    eventually(lambda: scene.system.ledger().received >= everything, 60, "all taken in")
    ingester.stop()
    outside.broker_emptied(scene, world)
    scene.system.start_worker()
    scene.start_beat()
    seconds = scene.wait_for_all(LATER_WITHIN)
    findings = scene.judge()
    report.add("broker emptied, settings as installed", "ingest.rung", "in time", seconds, findings)
    assert findings == []

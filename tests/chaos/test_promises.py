"""The recovery times that the spec promises, at the settings a fresh installation has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from build import eventually

from chaos import outside
from chaos.scene import AS_INSTALLED, INGESTED_WITHIN, LATER_WITHIN, Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.outside import World
    from chaos.report import Report

pytestmark = pytest.mark.timeout(500)


@pytest.mark.parametrize("step", ["ingest.before_commit", "ingest.committed"])
def test_the_events_that_a_killed_worker_held_are_stored_in_time(
    make_scene: Callable[..., Scene], report: Report, step: str
) -> None:
    scene = make_scene(**AS_INSTALLED)
    worker = scene.start_armed((step, "kill_worker"))
    scene.start_beat()
    scene.emit()
    worker.popen.wait(30)
    died = time.monotonic()
    scene.system.start_worker()
    everything = scene.expected.events
    eventually(lambda: scene.system.ledger().received >= everything, INGESTED_WITHIN, "all in")
    seconds = time.monotonic() - died
    scene.wait_for_all(LATER_WITHIN)
    findings = scene.judge()
    report.add("`kill -9` of a worker, settings as installed", step, "in time", seconds, findings)
    assert findings == []


@pytest.mark.parametrize("step", ["claim.committed", "record.committed"])
def test_the_notifications_that_a_killed_worker_held_are_sent_in_time(
    make_scene: Callable[..., Scene], report: Report, step: str
) -> None:
    scene = make_scene(**AS_INSTALLED)
    scene.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 25}])
    take_everything_in(scene)
    worker = scene.start_armed((step, "kill_worker"))
    scene.start_beat()
    worker.popen.wait(30)
    scene.system.start_worker()
    scene.end_well(report, "`kill -9` of a worker, settings as installed", step, "in time")


def test_what_an_emptied_broker_forgot_is_published_for_within_a_minute(
    make_scene: Callable[..., Scene], world: World, report: Report
) -> None:
    scene = make_scene(**AS_INSTALLED)
    take_everything_in(scene)
    outside.broker_emptied(scene, world)
    scene.system.start_worker()
    scene.start_beat()
    scene.end_well(report, "broker emptied, settings as installed", "ingest.published", "in time")


def take_everything_in(scene: Scene) -> None:
    """By a worker that only ingests, and stops."""
    ingester = scene.system.start_worker("-Q", "events")
    scene.emit()
    everything = scene.expected.events
    eventually(lambda: scene.system.ledger().received >= everything, 60, "all in")
    ingester.stop()

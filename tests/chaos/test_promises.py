"""The recovery times that the spec guarantees, with the settings of a fresh installation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from build import eventually

from chaos import outside
from chaos.scenario import AS_INSTALLED, INGESTED_WITHIN, LATER_WITHIN, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.outside import Servers
    from chaos.report import Report

pytestmark = pytest.mark.timeout(500)


@pytest.mark.parametrize("step", ["ingest.before_commit", "ingest.committed"])
def test_the_events_that_a_killed_worker_held_are_stored_in_time(
    make_scenario: Callable[..., Scenario], report: Report, step: str
) -> None:
    scenario = make_scenario(**AS_INSTALLED)
    worker = scenario.start_armed((step, "kill_worker"))
    scenario.start_beat()
    scenario.emit()
    worker.popen.wait(60)
    died = time.monotonic()
    scenario.system.start_worker()
    everything = scenario.expected.events
    eventually(lambda: scenario.system.ledger().received >= everything, INGESTED_WITHIN, "all in")
    seconds = time.monotonic() - died
    scenario.wait_for_all(LATER_WITHIN)
    findings = scenario.findings()
    report.add("`kill -9` of a worker, settings as installed", step, "in time", seconds, findings)
    assert findings == []


@pytest.mark.parametrize("step", ["claim.committed", "record.committed"])
def test_the_notifications_that_a_killed_worker_held_are_sent_in_time(
    make_scenario: Callable[..., Scenario], report: Report, step: str
) -> None:
    scenario = make_scenario(**AS_INSTALLED)
    scenario.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 25}])
    take_everything_in(scenario)
    worker = scenario.start_armed((step, "kill_worker"))
    scenario.start_beat()
    worker.popen.wait(60)
    scenario.system.start_worker()
    scenario.end_well(report, "`kill -9` of a worker, settings as installed", step, "in time")


def test_what_an_emptied_broker_lost_is_published_again_within_a_minute(
    make_scenario: Callable[..., Scenario], servers: Servers, report: Report
) -> None:
    scenario = make_scenario(**AS_INSTALLED)
    take_everything_in(scenario)
    outside.broker_emptied(scenario, servers)
    scenario.system.start_worker()
    scenario.start_beat()
    scenario.end_well(
        report, "broker emptied, settings as installed", "ingest.published", "in time"
    )


def take_everything_in(scenario: Scenario) -> None:
    """Take everything in by a worker that only ingests, and stop it."""
    ingester = scenario.system.start_worker("-Q", "events")
    scenario.emit()
    everything = scenario.expected.events
    eventually(lambda: scenario.system.ledger().received >= everything, 60, "all in")
    ingester.stop()

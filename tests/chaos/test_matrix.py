"""Every fault at every step of the way: nothing is lost, nothing pages twice (spec 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from build import eventually

from chaos.armed import POINTS
from chaos.outside import FAULTS, commit_cut, statement_cut
from chaos.scenario import INGESTED_WITHIN, LATER_WITHIN, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.outside import Servers
    from chaos.report import Report

pytestmark = pytest.mark.timeout(400)

SAMPLE: Final = {
    ("kill_child", "ingest.before_commit"),
    ("kill_worker", "ingest.begun"),
    ("kill_worker", "ingest.committed"),
    ("kill_worker", "dispatcher.handed"),
    ("kill_worker", "send.answered"),
    ("kill_child", "record.committed"),
    ("broker killed and restarted", "ingest.committed"),
    ("broker emptied", "ingest.committed"),
    ("broker out of memory", "record.committed"),
    ("database killed and restarted", "record.before_commit"),
    ("connections cut", "claim.before_commit"),
    ("database read-only", "ingest.begun"),
    ("every message doubled", "claim.begun"),
}
"""The part of the matrix that CI runs; `make chaos` runs all of it."""


def cases(faults: tuple[str, ...], steps: tuple[str, ...] = POINTS) -> list[object]:
    return [
        pytest.param(
            fault,
            step,
            id=f"{fault} at {step}",
            marks=[pytest.mark.sample] if (fault, step) in SAMPLE else [],
        )
        for fault in faults
        for step in steps
    ]


BEFORE_COMMIT: Final = ("ingest.begun", "ingest.before_commit")


def bound(step: str) -> float:
    """Return how many seconds it may take (spec 7)."""
    return INGESTED_WITHIN if step in BEFORE_COMMIT else LATER_WITHIN


def fail_at_first(scenario: Scenario) -> None:
    """Refuse the first requests, so that there is a next link of the chain to lose."""
    scenario.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 25}])


@pytest.mark.parametrize(("fault", "step"), cases(("kill_child", "kill_worker")))
def test_a_worker_is_killed(
    make_scenario: Callable[..., Scenario], report: Report, fault: str, step: str
) -> None:
    scenario = make_scenario()
    fail_at_first(scenario)
    worker = scenario.start_armed((step, fault))
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point(step)
    happened = "the child was replaced"
    if fault == "kill_worker":
        worker.popen.wait(60)
        scenario.system.start_worker()
        happened = "another worker took over"
    name = f"`kill -9` of a {fault.removeprefix('kill_')}"
    scenario.end_well(report, name, step, happened, within=bound(step))


INGESTS: Final = "events,celery"
DELIVERS: Final = "notifications,retries,upkeep"


@pytest.mark.parametrize(
    ("step", "armed", "others"),
    [
        ("ingest.committed", INGESTS, DELIVERS),
        pytest.param("ingest.published", INGESTS, DELIVERS, marks=pytest.mark.sample),
        pytest.param("claim.begun", DELIVERS, INGESTS, marks=pytest.mark.sample),
        ("claim.before_commit", DELIVERS, INGESTS),
        ("claim.committed", DELIVERS, INGESTS),
        ("dispatcher.handed", DELIVERS, INGESTS),
    ],
)
def test_a_worker_is_killed_where_events_are_routed_on_one_node_and_delivered_on_another(
    make_scenario: Callable[..., Scenario], report: Report, step: str, armed: str, others: str
) -> None:
    """There first attempts are claimed by message, and not in the transaction that makes them."""
    scenario = make_scenario()
    fail_at_first(scenario)
    worker = scenario.start_armed((step, "kill_worker"), queues=armed)
    scenario.system.start_worker("-Q", others)
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point(step)
    worker.popen.wait(60)
    scenario.system.start_worker("-Q", armed)
    name = "`kill -9` of a worker, nodes apart"
    scenario.end_well(report, name, step, "another worker took over", within=bound(step))


@pytest.mark.parametrize(("fault", "step"), cases(tuple(FAULTS)))
def test_another_part_of_the_system_fails_while_a_worker_is_at_a_step(
    make_scenario: Callable[..., Scenario], servers: Servers, report: Report, fault: str, step: str
) -> None:
    scenario = make_scenario()
    fail_at_first(scenario)
    scenario.start_armed((step, "pause"))
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point(step)
    if fault == "broker emptied":
        # Only the broker has what is not committed yet: the spec guarantees it from the commit on.
        if step in BEFORE_COMMIT:
            scenario.go_on()
        eventually(
            lambda: scenario.system.ledger().received >= scenario.expected.events, 60, "all in"
        )
    happened = FAULTS[fault](scenario, servers)
    scenario.go_on()
    scenario.end_well(report, fault, step, happened, within=bound(step))


@pytest.mark.parametrize(
    ("step", "table"),
    [
        pytest.param("ingest.begun", "events", marks=pytest.mark.sample),
        ("ingest.begun", "notifications"),
        ("claim.begun", "notifications"),
        ("claim.committed", "attempts"),
        ("ingest.begun", "counts"),
    ],
)
def test_a_connection_is_cut_in_the_middle_of_a_statement(
    make_scenario: Callable[..., Scenario], servers: Servers, report: Report, step: str, table: str
) -> None:
    scenario = make_scenario()
    fail_at_first(scenario)
    scenario.start_armed((step, "pause"))
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point(step)
    happened = statement_cut(scenario, servers, table)
    scenario.end_well(report, f"cut mid-statement on {table}", step, happened, within=bound(step))


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("ingest.before_commit", marks=pytest.mark.sample),
        "claim.before_commit",
        "record.before_commit",
    ],
)
def test_a_connection_is_cut_before_the_answer_to_its_commit(
    make_scenario: Callable[..., Scenario], servers: Servers, report: Report, step: str
) -> None:
    scenario = make_scenario()
    fail_at_first(scenario)
    scenario.start_armed((step, "pause"))
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point(step)
    happened = commit_cut(scenario, servers)
    scenario.end_well(report, "commit in doubt", step, happened, within=bound(step))


@pytest.mark.parametrize(
    "step",
    [
        "ingest.before_commit",
        "claim.before_commit",
        "claim.committed",
        "dispatcher.handed",
        pytest.param("send.answered", marks=pytest.mark.sample),
        "record.before_commit",
    ],
)
def test_a_worker_stalls_for_longer_than_its_lease_and_goes_on(
    make_scenario: Callable[..., Scenario], report: Report, step: str
) -> None:
    """In the middle of a transaction too: its locks go with the transaction after 10 s."""
    scenario = make_scenario()
    fail_at_first(scenario)
    scenario.start_armed((step, "pause"))
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point(step)
    scenario.system.start_worker()
    seconds = scenario.wait_for_all(bound(step))
    scenario.go_on()
    # What it comes back with is late, and must change nothing.
    scenario.wait_for_return(step)
    findings = scenario.findings()
    happened = "another worker took over; what the first came back with changed nothing"
    report.add("a worker stalls past its lease", step, happened, seconds, findings)
    assert findings == []

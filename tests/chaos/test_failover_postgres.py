"""The primary is killed and its standby promoted: what a synchronous one has is all; what another lacks is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build import an_event_object, eventually

from chaos.scenario import INGESTED_WITHIN, LATER_WITHIN
from chaos.standby import Pair
from chaos.steps import every_step
from chaos.test_matrix import bound, fail_at_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaos.report import Report
    from chaos.scenario import Scenario

pytestmark = [pytest.mark.failover, pytest.mark.timeout(400)]

REFUSED = [{"kind": "status", "status": 503, "times": 10_000}]


@pytest.fixture
def synchronous() -> Iterator[Pair]:
    with Pair(synchronous=True) as pair:
        yield pair


@pytest.fixture
def asynchronous() -> Iterator[Pair]:
    with Pair(synchronous=False) as pair:
        yield pair


@pytest.mark.parametrize("step", every_step(in_ci="record.before_commit"))
def test_the_primary_is_killed_while_a_worker_is_at_a_step(
    make_scenario: Callable[..., Scenario], synchronous: Pair, report: Report, step: str
) -> None:
    scenario = make_scenario(database_url=synchronous.url)
    fail_at_first(scenario)
    scenario.start_armed((step, "pause"))
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point(step)
    synchronous.fail_over()
    scenario.go_on()
    scenario.end_well(
        report,
        "PostgreSQL: primary killed, synchronous standby promoted",
        step,
        "the standby had all that was committed",
        within=bound(step),
    )


def test_nothing_is_acknowledged_that_a_synchronous_standby_lacks(
    make_scenario: Callable[..., Scenario], synchronous: Pair, report: Report
) -> None:
    """The primary waits for it with each commit, for longer than any time-out of a statement."""
    scenario = make_scenario(database_url=synchronous.url)
    fail_at_first(scenario)
    scenario.start_armed()
    scenario.start_beat()
    synchronous.catch_up()
    with synchronous.held_back():
        scenario.emit()
        eventually(lambda: synchronous.longest_commit() > 12, 60, "a commit that waits")
        synchronous.fail_over()
    scenario.end_well(
        report,
        "PostgreSQL: standby cut off, primary killed, synchronous standby promoted",
        "ingest.before_commit",
        "commits waited for the standby, calls were not acknowledged",
        within=INGESTED_WITHIN,
    )


def test_of_what_an_asynchronous_standby_lacks_stored_events_are_lost(
    make_scenario: Callable[..., Scenario], asynchronous: Pair, report: Report
) -> None:
    """Exactly those. What it has goes on."""
    scenario = make_scenario(database_url=asynchronous.url)
    scenario.system.sandbox.set_faults(REFUSED)
    scenario.start_armed()
    scenario.start_beat()
    scenario.emit()
    stored = scenario.expected.events
    eventually(lambda: scenario.system.ledger().received == stored, 60, "all in")
    asynchronous.catch_up()
    with asynchronous.held_back():
        lost = [an_event_object(1) for _ in range(30)]
        scenario.system.emit(*lost)
        everything = stored + len(lost)
        eventually(lambda: scenario.system.ledger().received == everything, 60, "the rest in")
        # Acknowledged: the broker has them no more.
        eventually(lambda: scenario.system.queue_length("events") == 0, 60, "none waits")
        asynchronous.fail_over()
    scenario.system.sandbox.set_faults([])
    seconds = scenario.wait_for_all(LATER_WITHIN)
    for event in lost:
        scenario.expected.pages(event)
    scenario.expected.received(len(lost))
    findings = scenario.findings()
    report.add(
        "PostgreSQL: primary killed, asynchronous standby promoted",
        "record.published",
        f"{len(lost)} stored events, each with 2 alerts not sent yet, had not been copied; the others went on",
        seconds,
        findings,
    )
    assert sorted(findings) == sorted(
        [
            f"{everything} events were emitted, the ledger received {stored}",
            *(f"lost: {what}" for what in scenario.expected.alerts_of(lost)),
        ]
    )
    assert lacking(scenario, asynchronous) == {event["id"] for event in lost}


def test_attempts_that_an_asynchronous_standby_lacks_are_repeated_and_page_nobody_again(
    make_scenario: Callable[..., Scenario], asynchronous: Pair, report: Report
) -> None:
    scenario = make_scenario(database_url=asynchronous.url)
    scenario.system.sandbox.set_faults(REFUSED)
    scenario.start_armed()
    scenario.start_beat()
    scenario.emit()
    eventually(lambda: scenario.system.ledger().received == scenario.expected.events, 60, "all in")
    asynchronous.catch_up()
    with asynchronous.held_back():
        scenario.system.sandbox.set_faults([])
        scenario.wait_for_all(LATER_WITHIN)
        asynchronous.primary.kill()
        asynchronous.promote()
    forgotten = sum(scenario.system.states()[state] for state in ("pending", "retrying"))
    seconds = scenario.wait_for_all(LATER_WITHIN)
    findings = scenario.findings()
    accepted = [r for r in scenario.system.sandbox.requests(brief=True) if r["status"] == 202]
    report.add(
        "PostgreSQL: primary killed, asynchronous standby promoted",
        "record.committed",
        f"{len(accepted) - scenario.expected.notifications} attempts had not been copied and were repeated",
        seconds,
        findings,
    )
    assert findings == []
    assert forgotten > 0
    assert len(accepted) == scenario.expected.notifications + forgotten
    assert lacking(scenario, asynchronous) == set()


def test_answers_to_what_was_lost_are_not_recorded_for_what_has_its_id_now(
    make_scenario: Callable[..., Scenario], asynchronous: Pair, report: Report
) -> None:
    """The promoted standby gives the ids of lost notifications to others, which are under way meanwhile."""
    scenario = make_scenario(database_url=asynchronous.url, request_timeout=15, lease_seconds=20)
    scenario.start_armed()
    scenario.start_beat()
    asynchronous.catch_up()
    with asynchronous.held_back():
        scenario.system.sandbox.set_faults([{"kind": "slow", "delay": 5, "times": 1_000}])
        lost = [an_event_object(1) for _ in range(60)]
        scenario.system.emit(*lost)
        eventually(lambda: scenario.rows_left()["claimed"] > len(lost), 60, "most were under way")
        asynchronous.fail_over()
    # Refused after the answers to the others have come.
    late = [{"kind": "status", "status": 503, "delay": 8, "times": 2 * len(lost)}]
    scenario.system.sandbox.set_faults(late)
    events = [an_event_object(2) for _ in lost]
    for event in events:
        scenario.expected.pages(event)
    scenario.expected.received(len(events))
    scenario.system.emit(*events)
    eventually(lambda: refused(scenario) > len(events) / 2, 60, "the others were refused")
    scenario.system.sandbox.set_faults([])
    # What was held behind a slow integration's bulkhead is late by up to a minute more.
    seconds = scenario.wait_for_all(2 * LATER_WITHIN)
    # Of what is lost some was sent.
    scenario.expected.changing |= keys_of(scenario, client=1)
    findings = scenario.findings()
    report.add(
        "PostgreSQL: primary killed, asynchronous standby promoted",
        "send.begun",
        f"{len(lost)} stored events had not been copied, whose alerts were under way; the ids of their "
        "notifications were given to others",
        seconds,
        findings,
    )
    assert findings == []
    assert lacking(scenario, asynchronous) == {event["id"] for event in lost}


def refused(scenario: Scenario) -> int:
    """Return how many requests were answered 503."""
    return sum(r["status"] == 503 for r in scenario.system.sandbox.requests(brief=True))


def keys_of(scenario: Scenario, client: int) -> set[str]:
    """Return the keys of a client's integrations, which were made in the order of the clients."""
    numbers = sorted(scenario.keys)[2 * client - 2 : 2 * client]
    return {scenario.keys[number].reveal() for number in numbers}


def lacking(scenario: Scenario, pair: Pair) -> set[str]:
    """Return the ids of the events that the former primary has and the promoted standby does not."""
    for process in scenario.system.processes:
        process.kill()  # to them the former primary, once it runs, is one that takes changes
    pair.primary.start()
    return pair.ids_of(pair.primary) - pair.ids_of(pair.standby)

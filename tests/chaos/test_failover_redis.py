"""The master of a Redis behind Sentinel is killed: what a replica has goes on, and what none has is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from build import an_event_object, eventually
from sentinels import MASTER_NAME, PASSWORD, SENTINEL_PASSWORD, Sentinels

from chaos.scenario import INGESTED_WITHIN
from chaos.steps import every_step
from chaos.test_matrix import bound, fail_at_first
from wallarm_notify.producer import Producer
from wallarm_notify.redis_options import RedisSetup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from chaos.report import Report
    from chaos.scenario import Scenario

pytestmark = [pytest.mark.failover, pytest.mark.timeout(400)]

WAITING: Final = RedisSetup(MASTER_NAME, sentinel_password=SENTINEL_PASSWORD, wait_replicas=1)
NOT_WAITING: Final = RedisSetup(MASTER_NAME, sentinel_password=SENTINEL_PASSWORD)


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    folder = tmp_path / "servers"
    folder.mkdir()
    with Sentinels(folder) as running:
        yield running


@pytest.mark.parametrize("step", every_step(in_ci="ingest.committed"))
def test_the_master_is_killed_while_a_worker_is_at_a_step(
    make_scenario: Callable[..., Scenario], sentinels: Sentinels, report: Report, step: str
) -> None:
    scenario = make_scenario(**sentinels.settings_of_system, broker_wait_replicas=1)
    fail_at_first(scenario)
    scenario.start_armed((step, "pause"))
    scenario.start_beat()
    with Producer(sentinels.url, redis=WAITING) as producer:
        scenario.emit(send=producer.emit)
    scenario.wait_for_point(step)
    former = sentinels.master()
    sentinels.kill(former)
    sentinels.await_other_master(former)
    scenario.go_on()
    scenario.end_well(
        report,
        "Redis behind Sentinel: master killed",
        step,
        "a replica took over; publishes had waited for one",
        within=bound(step),
    )


def test_of_what_no_replica_had_only_events_that_were_not_stored_are_lost(
    make_scenario: Callable[..., Scenario], sentinels: Sentinels, report: Report
) -> None:
    """Their publishes did not wait. What was stored is published again, though its messages are lost as well."""
    scenario = make_scenario(**sentinels.settings_of_system)
    # Until the master is killed, so that all of it waits for a retry then.
    scenario.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 10_000}])
    worker = scenario.start_armed()
    beat = scenario.start_beat()
    former = sentinels.master()
    with Producer(sentinels.url, redis=NOT_WAITING) as producer:
        cut_off_replicas(sentinels, former)
        scenario.emit(send=producer.emit)
        eventually(
            lambda: scenario.system.ledger().received == scenario.expected.events, 60, "all in"
        )
        for process in (worker, beat):
            process.kill()
        lost = [an_event_object(1) for _ in range(30)]
        assert len(producer.emit_many(lost)) == len(lost)
    sentinels.kill(former)
    let_replicas_in(sentinels, former)
    sentinels.await_other_master(former)
    assert scenario.system.states()["delivered"] == 0
    scenario.system.sandbox.set_faults([])
    scenario.start_armed()
    scenario.start_beat()
    seconds = scenario.wait_for_all(INGESTED_WITHIN)
    stored = scenario.expected.events
    for event in lost:
        scenario.expected.pages(event)
    scenario.expected.received(len(lost))
    findings = scenario.findings()
    report.add(
        "Redis behind Sentinel: master killed, nothing copied",
        "ingest.begun",
        f"{len(lost)} events, each with 2 alerts, had been confirmed and not stored; what was stored went on",
        seconds,
        findings,
    )
    assert sorted(findings) == sorted(
        [
            f"{stored + len(lost)} events were emitted, the ledger received {stored}",
            *(f"lost: {what}" for what in scenario.expected.alerts_of(lost)),
        ]
    )


def cut_off_replicas(sentinels: Sentinels, master: int) -> None:
    """Keep the replicas from following ``master``, which takes writes all the same.

    A replica that is stopped would read afterwards what lies in its socket.
    """
    sentinels.client(master).config_set("min-replicas-to-write", 0)
    for port in sentinels.ports:
        if port != master:
            replica: Any = sentinels.client(port)
            replica.config_set("masterauth", "wrong")
            replica.client_kill_filter(_type="master")
    eventually(
        lambda: not any(map(sentinels.is_replica, sentinels.ports)), 60, "no replica follows"
    )


def let_replicas_in(sentinels: Sentinels, former: int) -> None:
    """Let the replicas follow whichever master there will be."""
    for port in sentinels.ports:
        if port != former:
            sentinels.client(port).config_set("masterauth", PASSWORD)

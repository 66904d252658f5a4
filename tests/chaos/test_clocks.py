"""Clocks that jump: beat's, Redis's and PostgreSQL's, by ten minutes or an hour, back or ahead.

For a worker's clock see test_upkeep.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
from build import an_event_object, eventually

from chaos.clocks import PostgresClock, postgres_by_a_clock, redis_clock_jumps, set_clock
from chaos.scenario import CLIENTS, LATER_WITHIN, Scenario
from wallarm_notify.domain.rate_limit import WINDOW
from wallarm_notify.store import migrations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaos.report import Report

pytestmark = pytest.mark.timeout(600)

RATE_LIMIT: Final = 20
"""Grants of a key in a minute. A killed worker had most of them, so that others wait for the next ones."""

JUMPS: Final = [
    pytest.param(-600, id="10 min back"),
    pytest.param(-3600, id="1 h back"),
    pytest.param(600, id="10 min ahead"),
    pytest.param(3600, id="1 h ahead"),
]


@pytest.fixture(scope="module")
def clock() -> Iterator[PostgresClock]:
    with postgres_by_a_clock() as made:
        yield made


@pytest.fixture
def database_url(clock: PostgresClock) -> Iterator[str]:
    """A database whose server's clock is right, for now."""
    clock.set(0)
    url = clock.postgres.create_database(f"clock_{uuid4().hex}")
    migrations.upgrade(url)
    yield url
    clock.set(0)


@pytest.mark.parametrize("seconds", JUMPS)
def test_beats_clock_jumps(
    make_scenario: Callable[..., Scenario], report: Report, seconds: int
) -> None:
    scenario = make_scenario()
    beat = scenario.start_beat_by_a_clock()
    clock = scenario.beats_clock

    def sent(task: str) -> int:
        return beat.text().count(f"Sending due task {task}")

    eventually(lambda: sent("sweep") >= 3, 20, "beat sweeps")
    set_clock(clock, seconds)
    before = {task: sent(task) for task in ("sweep", "prune")}
    # SWEEP is due each second here, PRUNE each 5 s: as often as ever, no more and no less.
    eventually(lambda: sent("prune") >= before["prune"] + 2, 15, "beat prunes")
    assert 3 <= sent("sweep") - before["sweep"] <= 15
    # Set right again it goes on too.
    set_clock(clock, 0)
    before = {task: sent(task) for task in ("sweep", "prune")}
    eventually(lambda: sent("prune") >= before["prune"] + 2, 15, "beat prunes")
    assert 3 <= sent("sweep") - before["sweep"] <= 15
    report.add(f"beat's clock {seconds:+} s", "schedule", "sweep and prune went on", 0, [])


@pytest.mark.parametrize("seconds", JUMPS)
def test_redis_clock_jumps(
    make_scenario: Callable[..., Scenario], report: Report, seconds: int
) -> None:
    scenario = make_scenario()
    scenario.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 20}])
    worker = scenario.start_armed(("ingest.begun", "kill_worker"))
    scenario.emit()
    worker.popen.wait(60)
    # Before the dead one's are away for long enough, and while others wait in this one till they are due.
    redis_clock_jumps(scenario, seconds)
    scenario.system.start_worker()
    redis_clock_jumps(scenario, seconds)
    scenario.start_beat()
    scenario.end_well(
        report, f"Redis's clock {seconds:+} s", "ingest.begun", "a dead worker's came back"
    )


@pytest.mark.parametrize("seconds", JUMPS)
def test_postgresqls_clock_jumps(
    make_scenario: Callable[..., Scenario], clock: PostgresClock, report: Report, seconds: int
) -> None:
    scenario = make_scenario(retry_time_scale=1, rate_limit_per_minute=RATE_LIMIT)
    scenario.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 12}])
    worker = scenario.start_armed(("dispatcher.handed", "kill_worker"), concurrency=1)
    scenario.start_beat()
    scenario.emit()
    worker.popen.wait(60)
    scenario.system.start_worker()
    # A dead worker has the others, and keys have no grants left.
    eventually(
        lambda: scenario.system.states()["retrying"] >= 3, 30, "some wait for another attempt"
    )
    clock.set(seconds)
    began = time.monotonic()
    # A key gets its grants once a minute, by any clock.
    scenario.wait_for_all(WINDOW + LATER_WITHIN)
    took = time.monotonic() - began
    assert scenario.findings() == []

    # What happens now, by everybody's clock but the database's.
    scenario.system.sandbox.set_faults()
    now = datetime.now(UTC).isoformat()
    events = [an_event_object(CLIENTS[n % len(CLIENTS)], occurred_at=now) for n in range(6)]
    scenario.system.emit(*events)
    for event in events:
        scenario.expected.pages(event)
    if seconds < 0:
        eventually(
            lambda: scenario.look(scenario.system.ledger).ahead == len(events),
            20,
            "all are kept apart",
        )
    scenario.expected.received(len(events))
    clock.set(0)
    scenario.end_well(
        report,
        f"PostgreSQL's clock {seconds:+} s, and right again",
        "every step",
        f"all had ended {took:.0f} s after it; what came then, after it was right",
        within=LATER_WITHIN + (WINDOW if seconds > 0 else 0),
    )
    ledger = scenario.system.ledger()
    assert (ledger.ahead, ledger.rejected) == (0, 0)

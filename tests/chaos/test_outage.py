"""Back-pressure: PagerDuty is down for everybody, and two hundred thousand notifications wait for it.

On demand: `make chaos-outage`, 20 minutes and more. The first two cycles are written into the
database as they would have been recorded; the third is lived through.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import psutil  # type: ignore[import-untyped]  # publishes no types
import pytest
import sqlalchemy as sa
from build import a_key, an_event_object, eventually
from celery import Celery

from chaos.report import Measured, Outage
from chaos.scenario import AS_INSTALLED, Scenario
from wallarm_notify.broker.redis_transport import NotingChannel
from wallarm_notify.domain.retry import CYCLES, WAITS
from wallarm_notify.services import sweep
from wallarm_notify.services.sweep import sweep as run_sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.devstack.processes import Process

pytestmark = [pytest.mark.outage, pytest.mark.timeout(0)]

CLIENTS: Final = range(101, 201)
INTEGRATIONS: Final = 10
"""Integrations of each client, and so notifications of each event."""

BEFORE: Final = len(CYCLES[0]) + len(CYCLES[1]) + 1
"""Attempts made when the first two cycles have failed."""

LOOK_EVERY: Final = 5.0
SETTLED: Final = 0.5
"""The part of the outage after which memory must not grow: each notification was sent once more by then."""

SLACK: Final = 1.25
HEALED_WITHIN: Final = 1800.0


def test_an_outage_of_everything_is_sat_out_in_flat_memory_and_then_everything_is_delivered(
    make_scenario: Callable[..., Scenario],
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = int(pytestconfig.getoption("--waiting"))
    outage = float(pytestconfig.getoption("--minutes")) * 60
    scenario = make_scenario(**AS_INSTALLED, retry_time_scale=1)
    take_in(scenario, number)
    show_progress(
        f"{number} notifications are stored; the first two cycles of each are written down"
    )
    scenario.system.sandbox.set_faults([{"kind": "status", "status": 503}])
    fail_two_cycles(scenario)
    workers = [
        scenario.system.start_worker("-Q", "events,celery,notifications,upkeep"),
        scenario.system.start_worker("-Q", "retries"),
    ]
    publish_everything(scenario, monkeypatch)
    scenario.start_beat()
    show_progress("the third cycle begins, and PagerDuty is down")
    began = time.monotonic()
    looks = watch(scenario, workers, began, lambda: time.monotonic() - began > outage)
    scenario.system.sandbox.set_faults([])
    healed = time.monotonic()
    show_progress("PagerDuty is well again")
    looks += watch(scenario, workers, began, lambda: is_over(scenario, healed))
    took = time.monotonic() - healed
    late = lateness(scenario)
    show_progress(f"everything had ended {took:.0f} s after; lateness {late}")
    findings = [
        *scenario.findings(),
        *(["attempts began too early"] if late["earliest"] < -0.05 else []),
        *grown(looks, "workers_mb", outage),
        *grown(looks, "redis_mb", outage),
    ]
    Outage(number, outage / 60, took, late, looks, findings).write(
        pytestconfig.getoption("--reliability")
    )
    assert findings == []


def take_in(scenario: Scenario, number: int) -> None:
    """Take in as many events as make ``number`` notifications, by a worker that only ingests."""
    for client in CLIENTS:
        for _ in range(INTEGRATIONS):
            key = a_key()
            scenario.expected.subscribes(client, scenario.system.integration(key, client), key)
    ingester = scenario.system.start_worker("-Q", "events")
    events = [an_event_object(CLIENTS[n % len(CLIENTS)]) for n in range(number // INTEGRATIONS)]
    with Celery(broker=scenario.system.broker_url) as producer:
        for start in range(0, len(events), 100):
            some = events[start : start + 100]
            producer.send_task("events.ingest", kwargs={"events": some}, queue="events")
    for event in events:
        scenario.expected.pages(event)
    scenario.expected.received(len(events))
    eventually(lambda: scenario.system.ledger().received >= scenario.expected.events, 900, "all in")
    ingester.stop()
    with scenario.system.ask_broker() as redis:
        redis.flushall()


def fail_two_cycles(scenario: Scenario) -> None:
    """Store what two failed cycles record; the next attempts are due over the coming minute."""
    offsets = [0.0]
    for wait in WAITS[: BEFORE - 1]:
        offsets.append(offsets[-1] + wait.total_seconds())
    engine = sa.create_engine(scenario.system.settings.database(), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in TWO_CYCLES:
            connection.execute(
                sa.text(statement),
                {"made": BEFORE, "offsets": offsets, "wait": WAITS[BEFORE - 1].total_seconds()},
            )


TWO_CYCLES: Final = (
    """CREATE TEMPORARY TABLE waiting ON COMMIT DROP AS
       SELECT n.id, n.integration_id, i.generation,
              now() + interval '90 s' + interval '60 s' * row_number() OVER (ORDER BY n.id)
                  / count(*) OVER () AS due_at
       FROM notifications n JOIN integrations i ON i.id = n.integration_id
       WHERE n.finished_at IS NULL""",
    """INSERT INTO attempts (notification_id, fence, integration_id, generation, run, number, at,
                             duration_ms, status_code, error, response)
       SELECT id, k, integration_id, generation, 1, k,
              due_at - make_interval(secs => :wait) - make_interval(
                  secs => (CAST(:offsets AS double precision[]))[:made]
                        - (CAST(:offsets AS double precision[]))[k]),
              0, 503, 'http_5xx', ''
       FROM waiting, generate_series(1, :made) k""",
    """INSERT INTO health_minutes (integration_id, generation, minute, attempts, failed, network,
                                   server, throttled, client, other, excusable_first_at,
                                   excusable_last_at)
       SELECT integration_id, generation, date_trunc('minute', at), count(*), count(*), 0,
              count(*), 0, 0, 0, min(at), max(at)
       FROM attempts GROUP BY 1, 2, 3""",
    """UPDATE notifications n
       SET state = 'retrying', attempts_made = :made, fence = :made, due_at = w.due_at,
           recheck_at = w.due_at - interval '180 s', lease_until = NULL
       FROM waiting w WHERE w.id = n.id""",
)


def publish_everything(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run SWEEP once over all that waits: in its usual steps it would take minutes."""
    with monkeypatch.context() as patch:
        patch.setattr(sweep, "ROUNDS", 10**6)
        patch.setattr(sweep, "LONG_QUEUE", 10**9)
        published = run_sweep(scenario.system.wiring.context)
    show_progress(published.words)


def watch(
    scenario: Scenario, workers: list[Process], began: float, is_done: Callable[[], bool]
) -> list[Measured]:
    """Measure every few seconds until ``is_done``."""
    looks: list[Measured] = []
    while not is_done():
        looks.append(look(scenario, workers, time.monotonic() - began))
        if len(looks) % 6 == 1:
            show_progress(str(looks[-1]))
        time.sleep(LOOK_EVERY)
    return looks


def look(scenario: Scenario, workers: list[Process], seconds: float) -> Measured:
    resident = sum(memory_of(worker) for worker in workers)
    with scenario.system.ask_broker() as redis:
        used = redis.info("memory")["used_memory"]
        queued = sum(redis.llen(queue) for queue in ("notifications", "retries"))
        messages = queued + redis.hlen(NotingChannel.unacked_key)
    rows = ask(
        scenario,
        """SELECT (SELECT count(*) FROM attempts) AS attempts,
                  (SELECT count(*) FROM notifications WHERE state = 'delivered') AS delivered""",
    )
    return Measured(
        seconds, resident / 1e6, used / 1e6, messages, rows[0]["attempts"], rows[0]["delivered"]
    )


def memory_of(worker: Process) -> int:
    """Return the memory of a worker and its children in bytes, without children that just end."""
    parent = psutil.Process(worker.popen.pid)
    resident = 0
    for process in [parent, *parent.children()]:
        with suppress(psutil.NoSuchProcess):
            resident += process.memory_info().rss
    return resident


def ask(scenario: Scenario, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    engine = sa.create_engine(scenario.system.settings.database(), poolclass=sa.NullPool)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(statement), parameters).mappings()]


def is_over(scenario: Scenario, healed: float) -> bool:
    left = ask(scenario, "SELECT count(*) AS n FROM notifications WHERE finished_at IS NULL")[0][
        "n"
    ]
    assert time.monotonic() - healed < HEALED_WITHIN, f"{left} notifications are still open"
    return int(left) == 0


def lateness(scenario: Scenario) -> dict[str, float]:
    """Return how many seconds after their time the attempts of the third cycle began."""
    rows = ask(
        scenario,
        """SELECT min(late) AS earliest,
                  percentile_cont(0.5) WITHIN GROUP (ORDER BY late) AS p50,
                  percentile_cont(0.99) WITHIN GROUP (ORDER BY late) AS p99, max(late) AS latest
           FROM (SELECT number, extract(epoch FROM at - lag(at) OVER last)
                        - lag(duration_ms) OVER last / 1000.0
                        - (CAST(:waits AS double precision[]))[number - 1] AS late
                 FROM attempts WINDOW last AS (PARTITION BY notification_id ORDER BY fence)) a
           WHERE number > :made""",
        waits=[wait.total_seconds() for wait in WAITS],
        made=BEFORE,
    )
    return {name: round(float(value), 2) for name, value in rows[0].items()}


def grown(looks: list[Measured], what: str, outage: float) -> list[str]:
    """Return a finding where memory grew by more than a quarter after everything had been sent once more."""
    within = [getattr(one, what) for one in looks if outage * SETTLED <= one.seconds <= outage]
    settled = max(within[: len(within) // 5 + 1])
    return (
        [f"{what} went from {settled:.0f} to {max(within):.0f}"]
        if max(within) > settled * SLACK
        else []
    )


def show_progress(words: str) -> None:
    print(words, flush=True)  # noqa: T201 - a long work says where it is

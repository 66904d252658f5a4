"""A call that workers die of: the others are stored, and it is set aside whole (engine 4)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from build import a_key, an_event_object, eventually
from celery import Celery
from sqlalchemy import text

from e2e.system import ROOT, System
from wallarm_notify.devstack.rabbitmq import RabbitMQ
from wallarm_notify.store.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.faults

DEADLY = ("-I", "e2e.deadly")
TESTS = str(ROOT / "tests")
QUICK: dict[str, Any] = {
    "visibility_timeout": 4,
    "connect_timeout": 1,
    "request_timeout": 2,
    "lease_seconds": 8,
    "grace_seconds": 1,
    "sweep_seconds": 1,
}
"""Settings by which others soon take over what a dead worker had."""


def set_aside(system: System) -> int:
    return system.ledger().set_aside


def sql(system: System, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement; return its rows."""
    engine = make_engine(system.settings.database())
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


@contextmanager
def nothing_is_stored(system: System) -> Iterator[None]:
    """Lock the table of events, so that whoever stores one waits."""
    engine = make_engine(system.settings.database())
    with engine.begin() as holder:
        holder.execute(text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        yield


def until_it_is_set_aside(system: System, *arguments: str, within: float) -> int:
    """Start a worker whenever there is none; return how many died."""
    died, worker = -1, None
    deadline = time.monotonic() + within
    while not set_aside(system):
        assert time.monotonic() < deadline, "nothing was set aside"
        if worker is None or worker.popen.poll() is not None:
            died += 1
            worker = system.begin_worker(*DEADLY, *arguments, PYTHONPATH=TESTS)
        time.sleep(0.05)
    return died


def only_one_call_is_set_aside(system: System, title: str, *arguments: str, most: int) -> None:
    """Emit 20 calls, one that kills, and 20 calls, as if a container had no memory left (spec 7)."""
    key = a_key()
    system.integration(key)
    for n in range(41):
        system.emit(an_event_object(title=title if n == 20 else f"Issue {n}"))
    died = until_it_is_set_aside(system, *arguments, within=90)
    assert died <= most
    # What the dead had claimed and not sent.
    system.start_beat()
    system.wait_for_states(60, delivered=40)
    assert len(system.sandbox.alerts(key.reveal())) == 40
    ledger = system.ledger()
    assert (ledger.received, ledger.set_aside, ledger.findings) == (40, 1, [])
    assert sum(process.text().count("message.set_aside") for process in system.processes) == 1


def tried_again(system: System) -> None:
    """Let the next run of SWEEP try the call again, as if an hour had passed."""
    sql(system, "UPDATE quarantine SET retry_at = now() WHERE set_aside_at IS NOT NULL")


@pytest.mark.parametrize("title", ["deadly to read", "deadly to store"])
def test_a_call_that_kills_whole_workers_keeps_no_other_from_being_stored(
    make_system: Callable[..., System], title: str
) -> None:
    system = make_system(**QUICK)
    only_one_call_is_set_aside(system, title, most=4)


@pytest.mark.parametrize("title", ["deadly to its process", "too large"])
def test_a_call_that_kills_only_its_process_is_set_aside_too(
    make_system: Callable[..., System], title: str
) -> None:
    system = make_system(**{**QUICK, "visibility_timeout": 120})
    only_one_call_is_set_aside(system, title, most=0)


def test_a_call_that_is_set_aside_is_tried_again_and_stored_once_it_can_be(
    make_system: Callable[..., System],
) -> None:
    system = make_system(**{**QUICK, "visibility_timeout": 120})
    only_one_call_is_set_aside(system, "deadly to its process", most=0)
    before = sql(system, "SELECT retry_at FROM quarantine")
    tried_again(system)
    eventually(
        lambda: system.processes[0].text().count("message.set_aside") == 2,
        60,
        "it is set aside again after one more death",
    )
    assert sql(system, "SELECT retry_at FROM quarantine") > before
    assert sql(system, "SELECT count(*) FROM quarantine") == [(1,)]
    system.processes[0].stop()
    system.start_worker()
    tried_again(system)
    system.wait_for_states(60, delivered=41)
    eventually(lambda: set_aside(system) == 0, 60, "it is known no more")
    assert sql(system, "SELECT count(*) FROM quarantine") == [(0,)]
    assert system.ledger().findings == []


DIED_OF = "SELECT deaths FROM quarantine WHERE deaths > 0"


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_a_worker_that_is_asked_to_stop_counts_as_no_death(
    make_system: Callable[..., System], pool: str
) -> None:
    """TERM, then KILL for a worker that still waits, as containers are replaced, ten times."""
    system = make_system(visibility_timeout=1)
    system.integration(a_key())
    system.emit(an_event_object(title="endless"))
    for _ in range(5):
        worker = system.start_worker(*DEADLY, "-P", pool, PYTHONPATH=TESTS)
        worker.wait_for("endless has begun")
        worker.popen.terminate()
        worker.wait_for("Warm shutdown", 60)
        # It writes that before it has noted it in the database.
        eventually(lambda: not sql(system, DIED_OF), 60, "it is no death")
        worker.kill()
    system.start_worker()
    system.wait_for_states(60, delivered=1)
    assert set_aside(system) == 0


@pytest.mark.parametrize(
    "limits",
    [
        ("--time-limit", "2"),
        ("--soft-time-limit", "2"),
        ("--soft-time-limit", "1", "--time-limit", "3"),
    ],
)
def test_no_time_limit_ends_a_call_that_waits(
    make_system: Callable[..., System], limits: tuple[str, ...]
) -> None:
    system = make_system()
    system.integration(a_key())
    worker = system.start_worker(*limits)
    # A limit may end the process between the commit and the message; then SWEEP publishes.
    system.start_beat()
    with nothing_is_stored(system):
        system.emit(an_event_object(), an_event_object())
        eventually(lambda: worker.text().count("time limit") >= 2, 60, "limits have passed")
    system.wait_for_states(60, delivered=2)
    ledger = system.ledger()
    assert (ledger.received, ledger.set_aside, ledger.findings) == (2, 0, [])


@pytest.mark.parametrize("how", ["revoke", "terminate", "time_limit"])
def test_no_call_can_be_ended_by_remote_control(
    make_system: Callable[..., System], how: str
) -> None:
    system = make_system()
    system.integration(a_key())
    worker = system.start_worker()
    with Celery(broker=system.broker_url) as app, nothing_is_stored(system):
        if how == "time_limit":
            eventually(
                lambda: app.control.time_limit("events.ingest", hard=1, soft=1, reply=True),
                60,
                "the worker took the limits",
            )
        task = app.send_task(
            "events.ingest", kwargs={"events": [an_event_object()]}, queue="events"
        ).id
        eventually(lambda: "ingest.waits" in worker.text(), 60, "it waits, beyond any limit")
        if how != "time_limit":
            eventually(
                lambda: app.control.revoke(task, terminate=how == "terminate", reply=True),
                60,
                "the worker was asked to end it",
            )
    system.wait_for_states(60, delivered=1)
    assert system.ledger().findings == []


@pytest.mark.servers
@pytest.mark.parametrize("queue", ["classic", "quorum"])
@pytest.mark.parametrize("title", ["deadly to read", "deadly to store"])
def test_on_rabbitmq_too_no_other_call_is_kept_from_being_stored(
    make_system: Callable[..., System], title: str, queue: str
) -> None:
    settings: dict[str, Any] = {"events_queue_type": queue, **QUICK}
    with RabbitMQ() as server:
        system = make_system(broker_url=server.url, **settings)
        only_one_call_is_set_aside(system, title, most=6)

"""Stopping a program: it ends what is under way, logs no error, and exits with status 0."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # publishes no types
import pytest
from build import a_key, an_event_object, eventually
from celery import Celery

from wallarm_notify.broker.redis_transport import NotingChannel
from wallarm_notify.producer import Producer
from wallarm_notify.store.engine import make_engine

if TYPE_CHECKING:
    from e2e.system import System
    from wallarm_notify.devstack.processes import Process

pytestmark = pytest.mark.faults

ASKED = [signal.SIGINT, signal.SIGTERM]


def ask(process: Process, number: signal.Signals) -> tuple[int, str]:
    """Send a signal to the whole process group, as a terminal, ``timeout`` and systemd do.

    Return the exit status and the output.
    """
    os.killpg(process.popen.pid, number)
    return process.popen.wait(60), process.text()


@pytest.mark.parametrize("number", ASKED)
def test_a_worker_ends_what_is_under_way(system: System, number: signal.Signals) -> None:
    system.integration(a_key())
    system.sandbox.set_faults([{"kind": "slow", "delay": 2}])
    worker = system.start_worker()
    system.emit(an_event_object())
    eventually(system.sandbox.requests, 60, "a request under way")
    status, output = ask(worker, number)
    assert (status, "Traceback" in output, "exited with" in output) == (0, False, False), output
    assert system.states() == {"delivered": 1}


@pytest.mark.parametrize("number", ASKED)
@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
def test_with_any_pool_all_that_is_under_way_is_recorded_and_nothing_is_sent_twice(
    system: System, pool: str, number: signal.Signals
) -> None:
    """Answers come after the worker is asked to stop; what it does not record would be sent again."""
    for _ in range(5):
        system.integration(a_key())
    system.sandbox.set_faults([{"kind": "slow", "delay": 3}])
    worker = system.start_worker("-P", pool)
    system.emit(*(an_event_object() for _ in range(4)))
    eventually(lambda: len(system.sandbox.requests()) >= 10, 60, "requests under way")
    status, output = ask(worker, number)
    assert (status, "Traceback" in output) == (0, False), output
    sent = len(system.sandbox.requests())
    with make_engine(system.settings.database()).connect() as connection:
        attempts = connection.exec_driver_sql(
            "SELECT notification_id, count(*) FROM attempts GROUP BY notification_id"
        ).fetchall()
    assert [count for _, count in attempts] == [1] * sent
    assert system.states()["delivered"] == sent
    # The rest is taken up by the next worker at once, as the one that stopped holds none of it.
    system.sandbox.set_faults([])
    system.start_worker("-P", pool)
    system.start_beat()
    system.wait_for_states(60, delivered=20)
    assert len(system.sandbox.requests()) == 20


@pytest.mark.parametrize("round_", range(3))
def test_what_a_worker_stored_in_a_backlog_is_handed_to_no_other(
    system: System, round_: int
) -> None:
    del round_  # a task is on its way to a process at many a moment, not at each
    with Producer(system.broker_url, batch_size=1) as producer:
        producer.emit_many(an_event_object(type="rule.created", rule_id=1) for _ in range(1_500))
    worker = system.start_worker()
    eventually(lambda: system.ledger().received > 0, 60, "it stores")
    status, _ = ask(worker, signal.SIGTERM)
    assert status == 0
    with system.ask_broker() as client:
        waiting = client.llen("events") + client.hlen(NotingChannel.unacked_key)
    assert waiting + system.ledger().received == 1_500


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_a_worker_without_processes_ends_too(system: System, pool: str) -> None:
    worker = system.start_worker("-P", pool)
    status, output = ask(worker, signal.SIGTERM)
    assert (status, "Traceback" in output) == (0, False), output


@pytest.mark.parametrize("number", ASKED)
@pytest.mark.parametrize("words", ["upkeep.sweep", "Connected to", " ready."])
def test_a_worker_that_just_begins_ends_without_a_fault(
    system: System, number: signal.Signals, words: str
) -> None:
    worker = system.begin_worker()
    worker.wait_for(words)
    status, output = ask(worker, number)
    assert (status, "Traceback" in output) == (0, False), output


@pytest.mark.parametrize("number", ASKED)
def test_beat_ends_at_once(system: System, number: signal.Signals) -> None:
    beat = system.start_beat()
    beat.wait_for("beat: Starting")
    status, output = ask(beat, number)
    assert (status, "Traceback" in output) == (0, False), output


@pytest.mark.parametrize("is_busy", [True, False])
def test_a_process_that_its_worker_ends_is_ended(system: System, *, is_busy: bool) -> None:
    """TERM is the parent's to send: it does where a child's time is up, or there are too many.

    What is under way is recorded first.
    """
    system.integration(a_key())
    system.sandbox.set_faults([{"kind": "slow", "delay": 2}])
    worker = system.start_worker()
    if is_busy:
        system.emit(an_event_object())
        eventually(system.sandbox.requests, 60, "a request under way")
    children = psutil.Process(worker.popen.pid).children()
    assert len(children) == 2
    with Celery(broker=system.broker_url) as operator:
        # What is broadcast before the worker listens is lost.
        eventually(lambda: operator.control.ping(timeout=1), 60, "the worker listens")
        operator.control.pool_shrink(1)
    eventually(lambda: sum(not is_over(child) for child in children) == 1, 60, "one has ended")
    os.kill(worker.popen.pid, signal.SIGQUIT)
    assert worker.popen.wait(60) == 0
    assert all(map(is_over, children))


def is_over(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True

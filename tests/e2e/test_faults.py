"""Nothing is lost and nothing pages twice when parts of the system die."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from build import a_key, an_event_object, eventually
from celery import Celery
from chaos.killable import KillablePostgres

from wallarm_notify.domain.page import Slice
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.store.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System

pytestmark = pytest.mark.faults


def test_a_duplicate_message_sends_nothing(system: System) -> None:
    key = a_key()
    system.integration(key)
    system.start_worker()
    event = an_event_object()
    system.emit(event)
    system.emit(event, event)
    system.wait_for_states(60, delivered=1)
    (shown,) = system.notifications()
    with Celery(broker=system.broker_url) as producer:
        for _ in range(5):
            producer.send_task(
                "notifications.deliver", kwargs={"ids": [shown.id]}, queue="notifications"
            )
    worker = system.processes[0]
    eventually(lambda: worker.text().count("nothing to send of 1") >= 5, 60, "five idle tasks")
    assert len(system.sandbox.requests()) == 1
    assert len(system.show(shown.id).attempts) == 1
    assert system.ledger().findings == []


def test_a_later_message_that_comes_twice_goes_on_once(
    make_system: Callable[..., System], database_url: str
) -> None:
    system = make_system()
    system.integration()
    system.sandbox.set_faults([{"kind": "status", "status": 429, "retry_after": 600}])
    worker = system.start_worker()
    system.emit(an_event_object())
    system.wait_for_states(60, retrying=1)
    worker.stop()
    (shown,) = system.notifications()
    with make_engine(database_url).connect() as connection:
        link = connection.exec_driver_sql("SELECT link FROM notifications").scalar_one()
    with system.ask_broker() as client:
        client.flushdb()
    worker = system.start_worker()
    message = {"ids": [shown.id], "links": [link]}
    with Celery(broker=system.broker_url) as producer:
        for _ in range(3):
            producer.send_task("notifications.deliver", kwargs=message, queue="retries")
    eventually(lambda: worker.text().count("nothing to send of 1") >= 3, 60, "three idle tasks")

    def in_the_broker() -> int:
        with system.ask_broker() as client:
            return int(client.llen("retries")) + int(client.hlen("wallarm_notify.unacked"))

    eventually(lambda: in_the_broker() == 1, 60, "one message that waits")


def test_killing_the_worker_mid_batch_loses_nothing_and_pages_once(
    make_system: Callable[..., System],
) -> None:
    system = make_system(
        request_timeout=2,
        connect_timeout=1,
        lease_seconds=7,
        grace_seconds=2,
        sweep_seconds=1,
        visibility_timeout=5,
        retry_time_scale=0.01,
    )
    keys = [a_key(str(n)) for n in range(5)]
    for key in keys:
        system.integration(key)
    # Answers slow enough that the kill comes between them, and some are lost on the way back.
    system.sandbox.set_faults([{"kind": "slow", "delay": 0.4}])
    worker = system.start_worker()
    system.emit(*(an_event_object() for _ in range(40)))
    eventually(lambda: len(system.sandbox.requests(brief=True)) > 20, 60, "a batch under way")
    worker.kill()
    assert system.states()["delivered"] < 200
    system.sandbox.set_faults([])
    system.start_worker()
    system.start_beat()
    system.wait_for_states(60, delivered=200)
    alerts = system.sandbox.alerts()
    assert len(alerts) == 200
    assert {a["notifications"] for a in alerts} == {1}
    assert system.ledger().findings == []


def test_emptying_the_broker_after_ingest_loses_nothing(
    make_system: Callable[..., System],
) -> None:
    system = make_system(grace_seconds=3, sweep_seconds=1)
    key = a_key()
    system.integration(key)
    # Ingest only: what it enqueues for delivery is thrown away with the rest of the broker.
    ingester = system.start_worker("-Q", "events")
    system.emit(*(an_event_object() for _ in range(250)))
    eventually(lambda: len(system.notifications()) == 250, 60, "250 notifications")
    ingester.stop()
    with system.ask_broker() as broker:
        broker.flushall()
    system.start_worker()
    system.start_beat()
    eventually(lambda: system.states()["delivered"] >= 100, 60, "a first hundred")
    assert len(system.sandbox.alerts()) == len({a["dedup_key"] for a in system.sandbox.alerts()})
    # A hundred a minute is the pace; what waits for its turn is not lost, and that is enough to know.
    assert system.states()["pending"] + system.states()["delivered"] == 250
    assert system.ledger().findings == []


def test_a_broker_without_memory_loses_nothing_it_confirmed_and_ends_no_worker(
    make_system: Callable[..., System],
) -> None:
    system = make_system(grace_seconds=2, sweep_seconds=1, retry_time_scale=0.002)
    system.integration(a_key())
    worker = system.start_worker()
    os.kill(worker.popen.pid, signal.SIGSTOP)
    for _ in range(10):
        system.emit(an_event_object())
    with system.ask_broker() as broker:
        broker.config_set("maxmemory-policy", "noeviction")
        broker.config_set("maxmemory", "1")
        try:
            os.kill(worker.popen.pid, signal.SIGCONT)
            eventually(lambda: system.ledger().received == 10, 60, "all were taken in")
        finally:
            broker.config_set("maxmemory", "0")
    system.start_beat()
    system.wait_for_states(60, delivered=10)
    assert worker.popen.poll() is None
    assert len(system.sandbox.alerts()) == 10
    assert system.ledger().findings == []


def test_ingest_waits_for_the_database_and_acknowledges_nothing_before_its_commit(
    make_system: Callable[..., System],
) -> None:
    from wallarm_notify.store.migrations import upgrade  # noqa: PLC0415 - one use

    with KillablePostgres(settings={"fsync": "off"}) as server:
        upgrade(server.url)
        system = make_system(database_url=server.url, retry_time_scale=0.01, sweep_seconds=1)
        system.integration(a_key())
        system.start_worker()
        system.start_beat()
        server.kill()
        system.emit(*(an_event_object() for _ in range(10)))
        worker = system.processes[0]
        worker.wait_for("ingest.waits_for_database")
        assert system.sandbox.requests() == []
        server.start()
        system.wait_for_states(60, delivered=10)
        assert len(system.sandbox.alerts()) == 10
        assert system.ledger().findings == []
        system.close()


def test_concurrent_batches_with_the_same_events_take_each_in_once(system: System) -> None:
    for n in range(3):
        system.integration(a_key(str(n)))
    system.start_worker(concurrency=4)
    events = [an_event_object() for _ in range(30)]
    for _ in range(6):
        system.emit(*events)
        system.emit(*reversed(events))
    system.wait_for_states(60, delivered=90)
    eventually(lambda: system.queue_length("events") == 0, 60, "an empty queue")
    assert system.ledger().received == 30
    assert {a["triggers"] for a in system.sandbox.alerts()} == {1}
    assert system.ledger().findings == []


def test_a_message_that_no_task_can_be_made_of_is_kept(system: System) -> None:
    system.start_worker()
    with Celery(broker=system.broker_url) as producer, producer.connection_for_write() as conn:
        publisher = conn.Producer(serializer="raw")
        for body, content_type in (
            (b"\xff\xfe not json", "application/json"),
            (b"cos\nsystem", "application/x-python-serialize"),
            (b'{"plain": "json"}', "application/json"),
        ):
            publisher.publish(
                body,
                routing_key="events",
                content_type=content_type,
                content_encoding="utf-8",
                headers={"task": "events.ingest", "id": "1", "lang": "py"}
                if b"plain" not in body
                else {},
            )
        producer.send_task("events.unknown", kwargs={}, queue="events")
        producer.send_task("events.ingest", args=["not a list"], queue="events")
    eventually(
        lambda: system.wiring.store.transact(lambda tx: tx.undecodable_count(EVERY_CLIENT)) == 4,
        60,
        "four kept messages",
    )
    eventually(lambda: system.ledger().rejected == 1, 60, "the call rejected")
    (kept,) = system.wiring.store.transact(
        lambda tx: tx.rejections(EVERY_CLIENT, Slice(None, 10))
    ).items
    assert "not a list" in kept.text
    assert system.processes[0].popen.poll() is None
    assert system.ledger().findings == []

"""Events of tasks are sent together, in time, and never at the cost of what they are about."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from build import eventually
from celery import Celery

from wallarm_notify.broker import task_events
from wallarm_notify.broker.call_events import report_calls
from wallarm_notify.broker.task_events import GATHERED_FOR, TaskEvents
from wallarm_notify.broker.watched_request import are_watched
from wallarm_notify.domain.delivery_report import DeliveryTask, Report, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterator


def a_report(number: int, state: TaskState = TaskState.RETRIED) -> Report:
    return Report(DeliveryTask(f"task-{number}", "worker@host", time.monotonic()), state, "words")


class Listener:
    """What a monitor hears: each message is a list of events."""

    def __init__(self, celery: Celery) -> None:
        self.messages: list[list[dict[str, Any]]] = []
        self._connection = celery.connection_for_read()
        receiver = celery.events.Receiver(self._connection)
        self._consumer = self._connection.Consumer(
            [receiver.queue], callbacks=[self._hear], no_ack=True, accept=["json"]
        )
        self._consumer.consume()
        self.hears(0)  # it subscribes when it is first asked

    def _hear(self, body: Any, message: object) -> None:
        del message
        self.messages.append(body)

    def hears(self, number: int) -> bool:
        """Return whether so many events were heard."""
        with suppress(TimeoutError):
            self._connection.drain_events(timeout=0.1)
        return sum(map(len, self.messages)) >= number

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def celery(broker: str) -> Iterator[Celery]:
    with Celery(broker=broker, set_as_current=False) as app:
        yield app


@pytest.fixture
def listener(celery: Celery) -> Iterator[Listener]:
    listener = Listener(celery)
    yield listener
    listener.close()


@pytest.fixture
def no_broker() -> Celery:
    app = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.broker_transport_options = {"max_retries": 0, "socket_connect_timeout": 1}
    return app


def test_reports_of_a_while_are_one_message_under_their_tasks_ids(
    celery: Celery, listener: Listener
) -> None:
    events, began = TaskEvents(celery), time.monotonic()
    for number, state in enumerate(TaskState):
        events.report(a_report(number, state))
    eventually(lambda: listener.hears(3), 60, "three events")
    assert time.monotonic() - began >= GATHERED_FOR / 2
    (heard,) = listener.messages
    assert [(e["uuid"], e["type"]) for e in heard] == [
        ("task-0", "task-succeeded"),
        ("task-1", "task-retried"),
        ("task-2", "task-failed"),
    ]
    assert {(e["hostname"], e["result"]) for e in heard} == {("worker@host", "words")}
    assert [e.get("exception") for e in heard] == [None, "words", "words"]


def test_a_process_that_ends_sends_what_waits_at_once(celery: Celery, listener: Listener) -> None:
    events = TaskEvents(celery)
    events.report(a_report(1))
    events.drain(5)
    assert listener.hears(1)


def test_without_a_broker_reports_are_dropped_and_logged_once(
    no_broker: Celery, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_events, "GATHERED_FOR", 0.01)
    events = TaskEvents(no_broker)
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            began = time.monotonic()
            events.report(a_report(number))
            assert time.monotonic() - began < 0.5
            eventually(lambda: not events._waiting and not events._is_sending, 60, "it gave up")
    assert [r.message for r in caplog.records if r.name == task_events.__name__] == [
        "task_events.not_sent"
    ]


def test_no_more_reports_wait_than_memory_allows(
    no_broker: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_events, "GATHERED_FOR", 60)
    events = TaskEvents(no_broker)
    for number in range(task_events._MOST + 10):
        events.report(a_report(number))
    assert len(events._waiting) == task_events._MOST


@pytest.mark.parametrize(
    ("eventer", "watched"),
    [
        (None, False),
        (SimpleNamespace(enabled=False, groups=set()), False),
        (SimpleNamespace(enabled=True, groups={"worker"}), False),
        (SimpleNamespace(enabled=True, groups={"worker", "task"}), True),
        (SimpleNamespace(enabled=True, groups=set()), True),
    ],
)
def test_tasks_are_watched_where_the_worker_sends_their_events(
    eventer: object, *, watched: bool
) -> None:
    assert are_watched(eventer) is watched


def test_each_call_of_a_batch_is_reported_under_its_own_id_in_one_message(
    celery: Celery, listener: Listener
) -> None:
    request = SimpleNamespace(id="batch", time_start=time.time() - 1)
    with celery.connection_for_write() as connection:
        eventer = celery.events.Dispatcher(connection, hostname="worker@host")
        report_calls(eventer, request, [("one", 1), ('"; two', 7)])
    eventually(lambda: listener.hears(2), 60, "two events")
    (heard,) = listener.messages
    assert [(e["uuid"], e["kwargs"]) for e in heard] == [("one", "1 event"), ('"; two', "7 events")]
    assert {(e["name"], e["type"], e["parent_id"]) for e in heard} == {
        ("events.ingest", "task-succeeded", "batch")
    }
    assert json.loads(json.dumps(heard)) == heard


def test_a_batch_is_taken_in_though_its_calls_cannot_be_reported() -> None:
    eventer = Mock(enabled=True, groups=set(), hostname="worker@host")
    eventer.clock.forward.return_value = 1
    eventer.producer.publish.side_effect = ConnectionResetError
    report_calls(eventer, SimpleNamespace(id="batch", time_start=None), [("one", 1)])
    eventer.producer.publish.assert_called_once()

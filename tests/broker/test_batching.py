"""Calls that came together make one batch; each is acknowledged, or comes back, for itself."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection, Consumer, Queue

from wallarm_notify.broker.batching import MOST, Batcher, BatchMessage
from wallarm_notify.broker.quarantine import mark_returned
from wallarm_notify.broker.redis_transport import NotingChannel, WorkerConnection
from wallarm_notify.task_names import DELIVER, INGEST, INGEST_CALLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

UNACKED = NotingChannel.unacked_key


class Worker:
    """Takes what lies in ``events``; what the batcher sends on is in ``sent``."""

    def __init__(self, url: str) -> None:
        self.connection = WorkerConnection(url, transport_options={"batched_queues": ["events"]})
        self.soon: list[Callable[[], None]] = []
        self.sent: list[Any] = []
        self.others: list[Any] = []
        self.processes = 9
        self.batcher = Batcher(
            self.soon.append, self.sent.append, self._drain, lambda: self.processes
        )
        queues = [Queue("events", routing_key="events")]
        consumer = Consumer(self.connection.channel(), queues, on_message=self._on_message)
        consumer.qos(prefetch_count=2)
        consumer.consume()

    def _drain(self, more: Callable[[], bool]) -> None:
        """Redis sends all at once."""

    def _on_message(self, message: Any) -> None:
        if not self.batcher.add(message):
            self.others.append(message)

    def go_round(self) -> None:
        """As a worker's event loop does: what is to happen soon, then what has come."""
        deadline = time.monotonic() + 5
        while not (self.soon or self.others) and time.monotonic() < deadline:
            with suppress(TimeoutError):
                self.connection.drain_events(timeout=0.1)
        soon, self.soon[:] = list(self.soon), []
        for call in soon:
            call()


@pytest.fixture
def worker(broker: str) -> Iterator[Worker]:
    worker = Worker(broker)
    yield worker
    worker.connection.close()


def put(worker: Worker, body: Any, task: str = INGEST, **headers: Any) -> None:
    with Connection(worker.connection.as_uri(include_password=True)) as connection:
        headers = {"task": task, "id": "an id"} | headers
        connection.Producer().publish(body, routing_key="events", headers=headers)


def a_call(*events: Any, **embed: Any) -> list[Any]:
    return [[], {"events": list(events)}, {"callbacks": None, "chain": None} | embed]


def calls_of(message: Any) -> list[Any]:
    body = json.loads(message.body)
    assert (body[0], list(body[1]), body[2]) == ([], ["calls", "origins"], {})
    assert len(body[1]["origins"]) == len(body[1]["calls"])
    return list(body[1]["calls"])


def test_what_came_together_is_one_call_of_all(worker: Worker) -> None:
    odd = [[[{"id": "ü"}]], {}, {}]
    for body in (a_call("a"), odd, a_call("b", "c")):
        put(worker, body)
    worker.go_round()
    (batch,) = worker.sent
    assert batch.headers["task"] == INGEST_CALLS
    assert calls_of(batch) == [a_call("a"), odd, a_call("b", "c")]
    assert batch.headers["kwargsrepr"] == "4 events of 3 messages"
    assert batch.payload == json.loads(batch.body)


def test_a_batch_knows_of_each_call_its_task_how_many_events_it_brings_and_who_sent_it(
    worker: Worker,
) -> None:
    put(worker, a_call("a"), id="one", origin='gen1@"a"')
    put(worker, a_call("b", "c"), id="two")
    worker.go_round()
    (batch,) = worker.sent
    assert batch.calls == [("one", 1), ("two", 2)]
    assert json.loads(batch.body)[1]["origins"] == ['gen1@"a"', None]


def test_one_message_stays_what_it_is(worker: Worker) -> None:
    put(worker, a_call("a"))
    worker.go_round()
    (message,) = worker.sent
    assert not isinstance(message, BatchMessage)
    assert message.payload == a_call("a")


def test_the_next_ones_are_a_batch_of_their_own(worker: Worker) -> None:
    put(worker, a_call("a"))
    put(worker, a_call("b"))
    worker.go_round()
    put(worker, a_call("c"))
    worker.go_round()
    assert [type(one) is BatchMessage for one in worker.sent] == [True, False]


def test_all_are_acknowledged_with_it_and_take_one_place_until_then(
    worker: Worker, redis: Redis
) -> None:
    for n in range(50):
        put(worker, a_call(n))
    worker.go_round()
    (batch,) = worker.sent
    assert redis.hlen(UNACKED) == 50
    assert batch.channel.qos.can_consume_max_estimate() == 1
    batch.ack()
    assert batch.acknowledged
    assert redis.hlen(UNACKED) == redis.llen("events") == 0
    assert batch.channel.qos.can_consume_max_estimate() == 2


@pytest.mark.parametrize("back", ["reject", "requeue"])
def test_what_comes_back_comes_in_its_order(worker: Worker, redis: Redis, back: str) -> None:
    for n in range(3):
        put(worker, a_call(n))
    worker.go_round()
    (batch,) = worker.sent
    if back == "reject":
        batch.reject(requeue=True)
    else:
        batch.requeue()
    assert (redis.llen("events"), redis.hlen(UNACKED)) == (3, 0)
    put(worker, a_call("new"))
    worker.go_round()
    assert calls_of(worker.sent[1]) == [a_call(n) for n in (0, 1, 2, "new")]


def test_what_a_process_died_with_is_known_to_have_come_back(worker: Worker, redis: Redis) -> None:
    for n in range(3):
        put(worker, a_call(n))
    worker.go_round()
    (batch,) = worker.sent
    mark_returned(batch)
    batch.reject(requeue=True)
    worker.go_round()
    (again,) = worker.sent[1:]
    assert [again.channel.qos.has_returned(tag) for tag in again.tags] == [True] * 3
    again.ack()
    assert not redis.exists(NotingChannel.returned_key)


def test_what_cannot_be_put_together_travels_alone(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("wallarm_notify.broker.batching.BatchMessage", too_much)
    put(worker, a_call("a"))
    put(worker, a_call("b"))
    worker.go_round()
    assert [message.payload for message in worker.sent] == [a_call("a"), a_call("b")]


def test_what_is_thrown_away_is_gone(worker: Worker, redis: Redis) -> None:
    for n in range(3):
        put(worker, a_call(n))
    worker.go_round()
    worker.sent[0].reject()
    assert redis.llen("events") == redis.hlen(UNACKED) == 0


def test_so_many_events_and_no_more_travel_together(worker: Worker) -> None:
    for size in (1, MOST - 1, 1, MOST + 1, 1):
        put(worker, a_call(*range(size)))
    worker.go_round()
    words = [one.headers.get("kwargsrepr") for one in worker.sent]
    assert words == [f"{MOST} events of 2 messages", None, None, None]
    assert sum(len(one.payload[1]["events"]) for one in worker.sent[1:]) == MOST + 3


def test_another_task_travels_alone(worker: Worker) -> None:
    put(worker, a_call("a"), task=DELIVER)
    put(worker, a_call("b"))
    worker.go_round()
    assert [message.payload for message in worker.others] == [a_call("a")]
    assert [message.payload for message in worker.sent] == [a_call("b")]


def test_no_more_batches_are_under_way_than_there_are_processes(worker: Worker) -> None:
    worker.processes = 1
    put(worker, a_call("a"))
    worker.go_round()
    (first,) = worker.sent
    put(worker, a_call("b"))
    put(worker, a_call("c"))
    worker.go_round()
    assert worker.sent == [first]
    assert worker.batcher.has_some()
    first.channel.qos.settled = worker.batcher.look
    first.ack()
    worker.go_round()
    assert not worker.batcher.has_some()
    assert calls_of(worker.sent[1]) == [a_call("b"), a_call("c")]

"""What came back from a worker that died is begun alone, and set aside when three died of it (engine 4)."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import RememberingPublisher, some_settings
from celery import Celery
from kombu import Consumer, Queue

from wallarm_notify.broker.publisher import CeleryPublisher
from wallarm_notify.broker.quarantine import RETURNED, Quarantine, is_returned, mark_returned
from wallarm_notify.broker.redis_transport import NotingChannel, WorkerConnection
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.set_aside import DEATHS, TriedCall, next_of
from wallarm_notify.services.context import Context
from wallarm_notify.services.set_aside import try_again
from wallarm_notify.store import Store
from wallarm_notify.store.connection import Unpooled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis


log = logging.getLogger(__name__)


class WatchedStore(Store):
    """One that counts how often it is ``asked``, and may be away."""

    is_away = False
    asked = 0

    def transact(self, work: Any) -> Any:
        self.asked += 1
        if self.is_away:
            raise Unavailable("it is away")
        return super().transact(work)


class Worker:
    """The part of a worker that a quarantine is in: what it begins is in ``begun``, until the test ends it."""

    def __init__(self, broker_url: str, database_url: str) -> None:
        self.store = Store(Unpooled(database_url))
        self.watched = WatchedStore(Unpooled(database_url))
        self.connection = WorkerConnection(
            broker_url, transport_options={"socket_timeout": 0.5, "batched_queues": ["events"]}
        )
        self.channel = self.connection.channel()
        self.begun: list[Any] = []
        self.later: list[Callable[[], None]] = []
        self.now = 0.0
        self.quarantine = self.new()
        consumer = Consumer(self.channel, [Queue("events")], on_message=self._on_message)
        consumer.qos(prefetch_count=1000)
        consumer.consume()

    def new(self) -> Quarantine:
        return Quarantine(
            self.watched, self._send, lambda _, call: self.later.append(call), lambda: self.now
        )

    def _send(self, message: Any, alone: bool) -> None:
        del alone
        self.quarantine.began(message)
        self.begun.append(message)

    def _on_message(self, message: Any) -> None:
        if not self.quarantine.hold(message, is_returned=is_returned(message)):
            self._send(message, False)

    def take(self) -> None:
        """Takes what has come, and looks what there is to do."""
        self.connection_rests()
        self.look()

    def connection_rests(self) -> None:
        """All that lies there has been handed over."""
        with suppress(TimeoutError):
            while True:
                self.connection.drain_events(timeout=0.1)

    def look(self) -> None:
        """As the timer does, once."""
        later, self.later[:] = list(self.later), []
        for call in later:
            call()

    def bodies(self) -> list[str]:
        return [str(message.payload) for message in self.begun]

    def deaths(self) -> list[int]:
        rows = self.store.transact(lambda tx: tx._rows("SELECT deaths FROM quarantine ORDER BY id"))
        return [row["deaths"] for row in rows]

    def ledger(self) -> int:
        return self.store.transact(lambda tx: tx.standing()).set_aside


@pytest.fixture
def worker(broker: str, database_url: str) -> Iterator[Worker]:
    worker = Worker(broker, database_url)
    yield worker
    worker.connection.close()


def put(worker: Worker, *bodies: str, **headers: Any) -> None:
    with worker.connection.clone() as connection:
        producer = connection.Producer()
        for body in bodies:
            producer.publish(body, routing_key="events", headers=headers, content_type="text/plain")


def dies(worker: Worker, *others: Any) -> None:
    """The process dies with what it was at; the parent hands it back, marked."""
    for message in [*worker.begun, *others]:
        mark_returned(message)
        ended = vars(message).pop("ended", None)
        message.reject(requeue=True)
        if ended is not None:
            ended(handed_back=True, died=True)
    worker.begun.clear()
    worker.later.clear()
    worker.quarantine = worker.new()


def hands_back(worker: Worker) -> None:
    for message in worker.begun:
        message.reject(requeue=True)
        vars(message).pop("ended", lambda **_: None)(handed_back=True)
    worker.begun.clear()


def stores(worker: Worker) -> None:
    for message in worker.begun:
        message.ack()
        vars(message).pop("ended", lambda **_: None)(handed_back=False)
    worker.begun.clear()


def test_what_no_worker_died_of_is_begun_at_once_and_together(worker: Worker) -> None:
    put(worker, "a", "b", "c")
    worker.take()
    assert worker.bodies() == ["a", "b", "c"]
    assert (worker.watched.asked, worker.later) == (0, [])


def test_what_came_back_is_begun_one_by_one_and_what_comes_later_after_it(worker: Worker) -> None:
    put(worker, "a", "b", "c")
    worker.take()
    dies(worker)
    put(worker, "new")
    seen = []
    for _ in range(4):
        worker.take()
        worker.look()
        seen.append(worker.bodies())
        stores(worker)
    assert seen == [["a"], ["b"], ["c"], ["new"]]
    worker.look()
    assert (worker.deaths(), worker.later) == ([], [])


def test_nothing_is_begun_alone_while_something_else_is_under_way(worker: Worker) -> None:
    put(worker, "a")
    worker.take()
    dies(worker)
    put(worker, "before")
    worker.connection_rests()
    assert worker.bodies() == []
    worker.look()
    put(worker, "after")
    worker.take()
    worker.look()
    assert worker.bodies() == ["a"]
    stores(worker)
    worker.look()
    assert worker.bodies() == ["before", "after"]


def test_a_call_that_was_alone_at_three_deaths_is_set_aside_whole(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    put(worker, "x" * 200_000, task="events.ingest", odd="\0\ud83d")
    for deaths in range(DEATHS + 1):
        worker.take()
        assert len(worker.begun) == 1
        assert worker.deaths() == ([deaths] if deaths else [])
        dies(worker)
    assert worker.ledger() == 0
    worker.take()
    assert (worker.begun, worker.ledger()) == ([], 1)
    assert "message.set_aside" in caplog.text
    calls = tried_again(worker)
    assert [(call.body, json.loads(call.headers)["odd"]) for call in calls] == [
        (b"x" * 200_000, "\0\ud83d")
    ]
    assert tried_again(worker, now=False) == []


def tried_again(worker: Worker, *, now: bool = True) -> list[TriedCall]:
    """What is enqueued again when an hour has passed (``now``), or has not."""
    if now:
        worker.store.transact(lambda tx: tx._do("UPDATE quarantine SET retry_at = now()"))
    publisher = RememberingPublisher()
    assert try_again(Context(worker.store, publisher, some_settings())) == len(publisher.calls)
    return publisher.calls


@pytest.mark.parametrize("dies_again", [True, False])
def test_what_is_tried_again_is_begun_once_alone(worker: Worker, dies_again: bool) -> None:
    put(worker, "a")
    for _ in range(DEATHS + 1):
        worker.take()
        dies(worker)
    worker.take()
    (call,) = tried_again(worker)
    worker.connection.Producer().publish(
        call.body,
        routing_key="events",
        content_type=call.content_type,
        content_encoding=call.content_encoding,
        headers={RETURNED: True},
    )
    worker.take()
    assert worker.bodies() == ["a"]
    if dies_again:
        dies(worker)
        worker.take()
        assert worker.begun == []
    else:
        stores(worker)
    assert worker.ledger() == int(dies_again)


def test_what_is_set_aside_stays_where_it_is_refused_when_it_is_tried_again(worker: Worker) -> None:
    put(worker, "a")
    for _ in range(DEATHS + 1):
        worker.take()
        dies(worker)
    worker.take()
    assert worker.ledger() == 1
    put(worker, "a", **{RETURNED: True})
    worker.take()
    (message,) = worker.begun
    # As a message that no task can be made of: 64 kB of it are kept elsewhere.
    message.ack()
    worker.look()
    assert (worker.ledger(), worker.deaths()) == (1, [DEATHS - 1])


def test_hand_backs_are_no_deaths_however_many(worker: Worker) -> None:
    put(worker, "a")
    worker.take()
    dies(worker)
    for _ in range(10):
        worker.take()
        assert worker.bodies() == ["a"]
        hands_back(worker)
        worker.look()
    assert worker.deaths() == []


@pytest.mark.parametrize("how", ["the worker stops", "the connection is lost"])
def test_whoever_was_asked_to_stop_or_lost_the_broker_dies_of_nothing(
    worker: Worker, how: str
) -> None:
    del how
    put(worker, "a")
    worker.take()
    dies(worker)
    for _ in range(10):
        worker.take()
        worker.quarantine.close()
        (message,) = worker.begun
        del message.ended
        dies(worker)
    assert worker.deaths() == []


def test_a_database_that_is_away_keeps_nothing_from_being_begun_and_is_not_asked_all_the_time(
    worker: Worker,
) -> None:
    put(worker, *"abcdef")
    worker.take()
    dies(worker)
    worker.watched.is_away, worker.watched.asked = True, 0
    for _ in range(6):
        worker.take()
        worker.look()
        assert len(worker.begun) == 1
        hands_back(worker)
        worker.look()
    assert worker.watched.asked == 1
    worker.watched.is_away, worker.now = False, 60.0
    assert worker.deaths() == []


def test_what_could_not_be_struck_out_is_when_the_database_is_back(worker: Worker) -> None:
    put(worker, "a", "b")
    worker.take()
    dies(worker)
    worker.take()
    worker.look()
    worker.watched.is_away = True
    stores(worker)
    assert worker.deaths() == [1]
    worker.watched.is_away, worker.now = False, 60.0
    worker.look()
    worker.look()
    stores(worker)
    assert worker.deaths() == []


def test_what_kills_comes_after_what_does_not(worker: Worker) -> None:
    put(worker, "good", "deadly", "better")
    worker.take()
    dies(worker)
    worker.take()
    stores(worker)
    worker.look()
    assert worker.bodies() == ["deadly"]
    held = [message for _, message in worker.quarantine._returned]
    dies(worker, *held)
    seen = []
    for _ in range(2):
        worker.take()
        worker.look()
        seen += worker.bodies()
        stores(worker)
    assert seen == ["better", "deadly"]


@pytest.mark.parametrize(
    ("deaths", "place"),
    [({}, 0), ({b"a": 1}, 1), ({b"a": 1, b"b": 1}, 2), ({b"a": 2, b"b": 1, b"c": 1}, 1)],
)
def test_the_first_of_those_with_the_fewest_deaths_is_next(
    deaths: dict[bytes, int], place: int
) -> None:
    assert next_of([(b"a", None), (b"b", None), (b"c", None)], deaths) == place


def test_redis_remembers_what_a_dead_worker_had_until_it_is_done(
    worker: Worker, redis: Redis
) -> None:
    put(worker, "a", "b")
    worker.take()
    assert [is_returned(message) for message in worker.begun] == [False, False]
    channel: Any = worker.channel
    channel.qos.visibility_timeout = -1
    channel.qos.restore_visible()
    worker.begun.clear()
    worker.quarantine = worker.new()
    worker.take()
    worker.look()
    assert [is_returned(message) for message in worker.begun] == [True]
    assert redis.scard(NotingChannel.returned_key) == 2
    assert 0 < redis.pttl(NotingChannel.returned_key) <= 48 * 60 * 60 * 1000
    stores(worker)
    worker.look()
    stores(worker)
    assert not redis.exists(NotingChannel.returned_key)


def test_what_is_handed_back_alive_has_not_come_back(worker: Worker) -> None:
    put(worker, "a")
    worker.take()
    hands_back(worker)
    worker.take()
    assert [is_returned(message) for message in worker.begun] == [False]


def test_a_broker_that_does_not_hear_of_an_end_keeps_nothing_from_being_begun(
    worker: Worker, redis: Redis
) -> None:
    put(worker, "before")
    worker.take()
    redis.client_pause(1500)
    (message,) = worker.begun
    channel: Any = worker.channel
    message.ack_log_error(log, channel.connection_errors)
    assert not message.acknowledged
    worker.begun.clear()
    redis.ping()
    put(worker, "a", **{RETURNED: True})
    put(worker, "b")
    worker.take()
    assert worker.bodies() == ["a"]
    stores(worker)
    worker.look()
    assert worker.bodies() == ["b"]


@pytest.fixture
def no_memory(redis: Redis) -> Iterator[Callable[[], object]]:
    """Makes Redis refuse what needs memory, until the test is over."""
    yield lambda: redis.config_set("maxmemory", "1")
    redis.config_set("maxmemory", "0")


def test_a_redis_without_memory_notes_what_came_back(
    worker: Worker, no_memory: Callable[[], object]
) -> None:
    put(worker, "a")
    worker.take()
    no_memory()
    dies(worker)
    worker.take()
    assert [is_returned(message) for message in worker.begun] == [True]
    stores(worker)


def test_who_cannot_mark_what_came_back_may_still_hand_it_back(
    worker: Worker, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    put(worker, "a")
    worker.take()
    redis.client_pause(1500)
    mark_returned(worker.begun[0])
    assert "quarantine.not_marked" in caplog.text
    redis.ping()


def test_a_worker_that_stops_begins_nothing_more(worker: Worker) -> None:
    put(worker, "a", "b", **{RETURNED: True})
    worker.take()
    stores(worker)
    worker.quarantine.close()
    worker.look()
    assert (worker.begun, worker.later, worker.deaths()) == ([], [], [])


def test_what_could_not_be_written_into_the_database_is_written_by_the_next_connection(
    worker: Worker,
) -> None:
    put(worker, "a", "b", **{RETURNED: True})
    worker.take()
    worker.watched.is_away = True
    unstruck = worker.quarantine.close()
    assert worker.deaths() == [1]
    worker.watched.is_away = False
    worker.begun.clear()
    worker.quarantine = Quarantine(worker.watched, worker._send, lambda *_: None, unstruck=unstruck)
    worker.quarantine.close()
    assert worker.deaths() == []


@pytest.mark.parametrize("field", ["content-type", "content-encoding"])
def test_whatever_a_call_says_of_itself_it_can_be_set_aside(
    worker: Worker, redis: Redis, field: str
) -> None:
    put(worker, "a")
    raw = redis.lindex("events", 0) or ""
    redis.delete("events")
    redis.lpush("events", json.dumps(json.loads(raw) | {field: "\ud83d"}))
    for _ in range(DEATHS + 1):
        worker.take()
        assert len(worker.begun) == 1
        dies(worker)
    worker.take()
    assert (worker.begun, worker.ledger()) == ([], 1)


CALL = TriedCall(b"digest", None, None, "{}", b"[[], {}, {}]")


def test_a_broker_that_takes_no_call_does_not_stop_who_tries_the_next(
    broker: str, no_memory: Callable[[], object]
) -> None:
    with Celery(broker=broker) as app:
        app.conf.task_queues = [Queue("events")]
        assert CeleryPublisher(app).enqueue(CALL)
        no_memory()
        assert not CeleryPublisher(app).enqueue(CALL)


def test_pruning_forgets_what_came_back_long_ago_and_nothing_that_is_set_aside(
    worker: Worker,
) -> None:
    put(worker, "set aside")
    for _ in range(DEATHS + 1):
        worker.take()
        dies(worker)
    worker.take()
    put(worker, "gone since")
    worker.take()
    dies(worker)
    worker.take()
    assert worker.deaths() == [DEATHS - 1, 1]

    def long_after(tx: Any) -> None:
        tx._do("UPDATE quarantine SET noted_at = now() - interval '91 days'")
        tx.prune_quarantine(timedelta(days=90))

    worker.store.transact(long_after)
    assert worker.deaths() == [DEATHS - 1]

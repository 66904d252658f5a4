"""How a worker takes messages out of Redis: none is nobody's, none is kept from others for ever."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from build import kill_connections
from kombu import Connection, Consumer, Queue
from kombu.transport import redis as transport
from redis.exceptions import ResponseError

from wallarm_notify.broker.redis_transport import NotingChannel, WorkerConnection

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from redis import Redis

QUEUES = ("events", "retries")
UNACKED = NotingChannel.unacked_key
INDEX = NotingChannel.unacked_index_key


@pytest.fixture
def worker(broker: str) -> Iterator[Worker]:
    worker = Worker(broker)
    yield worker
    worker.connection.close()


@pytest.fixture
def batching(broker: str) -> Iterator[Worker]:
    """A worker that batches events."""
    worker = Worker(broker, batched=["events"])
    yield worker
    worker.connection.close()


class Worker:
    """A consumer with room for so many messages; ``got`` are their bodies in the order they came."""

    def __init__(
        self, url: str, room: int = 3, seconds: int = 60, batched: Collection[str] = ()
    ) -> None:
        options = {"visibility_timeout": seconds, "batched_queues": batched}
        self.connection = WorkerConnection(url, transport_options=options)
        self.got: list[Any] = []
        self.messages: list[Any] = []
        consumer = Consumer(
            self.connection.channel(),
            [Queue(name, routing_key=name) for name in QUEUES],
            on_message=self._take,
        )
        consumer.qos(prefetch_count=room)
        consumer.consume()

    def _take(self, message: Any) -> None:
        self.got.append(message.payload)
        self.messages.append(message)

    def drain(self, messages: int, within: float = 5) -> None:
        deadline = time.monotonic() + within
        while len(self.got) < messages and time.monotonic() < deadline:
            self.look()

    def look(self, seconds: float = 0.1) -> None:
        with suppress(TimeoutError):
            self.connection.drain_events(timeout=seconds)


def put(worker: Worker, body: Any, queue: str = "events", priority: int = 0) -> None:
    with Connection(worker.connection.as_uri(include_password=True)) as connection:
        connection.Producer().publish(body, routing_key=queue, priority=priority)


def test_it_takes_as_many_as_it_has_room_for_and_redis_knows_at_once(
    worker: Worker, redis: Redis
) -> None:
    for number in range(5):
        put(worker, number)
    worker.drain(3)
    worker.look()
    assert worker.got == [0, 1, 2]
    assert (redis.llen("events"), redis.hlen(UNACKED)) == (2, 3)
    worker.messages[0].ack()
    worker.drain(4)
    assert worker.got == [0, 1, 2, 3]
    assert (redis.llen("events"), redis.hlen(UNACKED)) == (1, 3)


def test_it_takes_from_each_queue_in_turn_and_the_urgent_first(worker: Worker) -> None:
    for number in range(4):
        put(worker, f"event {number}")
    put(worker, "a retry", "retries")
    # On Redis 0 is the highest.
    put(worker, "later", priority=9)
    worker.drain(3)
    assert sorted(worker.got) == ["a retry", "event 0", "event 1"]
    for message in worker.messages:
        message.ack()
    worker.drain(6)
    assert worker.got[3:] == ["event 2", "event 3", "later"]


def test_of_a_batched_queue_it_takes_all_there_is_as_one(batching: Worker, redis: Redis) -> None:
    for number in range(7):
        put(batching, number)
    for number in range(4):
        put(batching, f"retry {number}", "retries")
    batching.drain(9)
    assert batching.got[:8] == [0, 1, 2, 3, 4, 5, 6, "retry 0"]
    assert batching.got[8] == "retry 1"
    assert (redis.llen("events"), redis.llen("retries"), redis.hlen(UNACKED)) == (0, 2, 9)


@pytest.mark.parametrize(
    ("size", "taken"),
    [
        pytest.param(10, 100, id="no more than 100"),
        pytest.param(1_000_000, 3, id="of large ones each counts"),
    ],
)
def test_what_it_takes_as_one_has_a_limit(
    batching: Worker, redis: Redis, size: int, taken: int
) -> None:
    for _ in range(taken + 2):
        put(batching, "x" * size)
    batching.drain(taken)
    batching.look()
    assert (len(batching.got), redis.llen("events")) == (taken, 2)


def test_what_is_batched_takes_no_room_until_it_is_done(batching: Worker) -> None:
    for number in range(5):
        put(batching, number)
    batching.drain(5)
    qos = batching.messages[0].channel.qos
    assert (qos.can_consume(), qos.can_consume_max_estimate()) == (False, 0)
    for message in batching.messages[1:]:
        qos.mark_batched(message.delivery_tag)
    assert (qos.can_consume(), qos.can_consume_max_estimate()) == (True, 2)
    batching.messages[1].ack()
    batching.messages[2].requeue()
    assert qos.can_consume_max_estimate() == 2
    qos.ack_all([batching.messages[0].delivery_tag])
    assert qos.can_consume_max_estimate() == 3
    qos.mark_batched(batching.messages[0].delivery_tag)
    assert qos.can_consume_max_estimate() == 3


def test_several_are_acknowledged_in_one_step(worker: Worker, redis: Redis) -> None:
    for number in range(3):
        put(worker, number)
    worker.drain(3)
    before = redis.info("stats")["total_commands_processed"]
    worker.messages[0].channel.qos.ack_all([m.delivery_tag for m in worker.messages])
    # MULTI, ZREM, HDEL, EXEC, and the INFO that asks.
    assert redis.info("stats")["total_commands_processed"] - before <= 5
    assert redis.hlen(UNACKED) == redis.zcard(NotingChannel.unacked_index_key) == 0


def test_a_message_frees_its_room_even_if_redis_could_not_be_reached(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        put(worker, number)
    worker.drain(3)
    qos = worker.messages[0].channel.qos
    assert not qos.can_consume()

    def away(*_: Any, **__: Any) -> Any:
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(NotingChannel, "conn_or_acquire", away)
        with pytest.raises(TimeoutError):
            worker.messages[0].ack()
        with pytest.raises(TimeoutError):
            qos.reject_all([worker.messages[1].delivery_tag], requeue=True)
    assert qos.can_consume_max_estimate() == 2


def test_without_a_limit_there_is_always_room(worker: Worker) -> None:
    put(worker, 1)
    worker.drain(1)
    qos = worker.messages[0].channel.qos
    qos.prefetch_count = 0
    assert (qos.can_consume(), qos.can_consume_max_estimate()) == (True, None)


def test_what_it_has_not_done_when_it_closes_is_next_in_its_order(
    worker: Worker, redis: Redis
) -> None:
    for number in range(4):
        put(worker, number)
    worker.drain(3)
    worker.messages[1].ack()
    worker.connection.close()
    assert redis.hlen(UNACKED) == redis.zcard(NotingChannel.unacked_index_key) == 0
    successor = Worker(worker.connection.as_uri(include_password=True), room=5)
    successor.drain(3)
    assert successor.got == [0, 2, 3]
    successor.connection.close()


def test_what_is_sent_back_waits_behind_the_others(worker: Worker) -> None:
    for number in range(4):
        put(worker, number)
    worker.drain(3)
    worker.messages[0].requeue()
    worker.drain(4)
    for message in worker.messages[1:]:
        message.ack()
    worker.drain(5)
    assert worker.got == [0, 1, 2, 3, 0]


def test_what_a_dead_worker_had_comes_back_after_the_visibility_timeout_and_not_before(
    worker: Worker, redis: Redis
) -> None:
    put(worker, "an event")
    worker.drain(1)
    url = worker.connection.as_uri(include_password=True)
    patient, hasty = Worker(url, seconds=60), Worker(url, seconds=1)
    patient.look()
    patient.look()
    assert (patient.got, redis.hlen(UNACKED)) == ([], 1)
    hasty.drain(1)
    assert hasty.got == ["an event"]
    for one in (patient, hasty):
        one.connection.close()


def redis_clock_jumps(redis: Redis, seconds: float) -> None:
    """As far as what is noted down can tell: set back, what was taken lies ahead."""
    for tag, score in scores(redis).items():
        redis.zadd(INDEX, {tag: score - seconds})


def scores(redis: Redis) -> dict[bytes, float]:
    """When each was taken, by Redis's clock."""
    found: Any = redis.zrange(INDEX, 0, -1, withscores=True)
    return dict(found)


@pytest.mark.parametrize("seconds", [-3600, -600, -5])
def test_what_a_dead_worker_had_comes_back_though_redis_clock_went_back(
    worker: Worker, redis: Redis, seconds: int
) -> None:
    put(worker, "an event")
    worker.drain(1)
    redis_clock_jumps(redis, seconds)
    began = time.monotonic()
    other = Worker(worker.connection.as_uri(include_password=True), seconds=2)
    other.drain(1, within=10)
    assert other.got == ["an event"]
    # As if it had been taken when the clock went back, and not at once: its worker may be alive.
    assert time.monotonic() - began > 0.9
    other.connection.close()


@pytest.mark.parametrize("seconds", [-3600, -600])
def test_what_a_live_worker_has_is_handed_out_to_nobody_when_redis_clock_goes_back(
    worker: Worker, redis: Redis, seconds: int
) -> None:
    put(worker, "an event")
    worker.drain(1)
    (taken,) = scores(redis).values()
    redis_clock_jumps(redis, seconds)
    other = Worker(worker.connection.as_uri(include_password=True), seconds=60)
    other.look()
    other.look()
    assert other.got == []
    (counted,) = scores(redis).values()
    assert -1 <= counted - taken < 5
    worker.messages[0].ack()
    assert redis.hlen(UNACKED) == redis.zcard(INDEX) == 0
    other.connection.close()


def test_nothing_that_was_just_taken_lies_ahead(worker: Worker, redis: Redis) -> None:
    for number in range(3):
        put(worker, number)
    worker.drain(3)
    before = scores(redis)
    other = Worker(worker.connection.as_uri(include_password=True))
    other.look()
    other.look()
    assert scores(redis) == before
    other.connection.close()


def test_the_clock_of_a_worker_does_not_matter(
    worker: Worker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(worker, "an event")
    worker.drain(1)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    monkeypatch.setattr(transport, "time", lambda: real() + 3600)
    other = Worker(worker.connection.as_uri(include_password=True))
    other.look()
    other.look()
    assert (other.got, redis.hlen(UNACKED)) == ([], 1)
    other.connection.close()


def test_it_hears_at_once_of_what_comes_into_queues_that_it_found_empty(worker: Worker) -> None:
    worker.look()
    worker.look()
    put(worker, "an event")
    # Not called, it would hear of nothing until this timed out.
    worker.connection.drain_events(timeout=0.5)
    worker.look()
    assert worker.got == ["an event"]


def test_without_being_called_it_looks_again_of_itself(
    worker: Worker, redis: Redis, broker_url: str
) -> None:
    redis.acl_setuser(
        "deaf",
        enabled=True,
        passwords=["+word"],
        keys=["*"],
        channels=["*"],
        categories=["+@all"],
        commands=["-client|tracking"],
    )
    where = urlsplit(broker_url)
    login = where._replace(netloc=f"deaf:word@{where.hostname}:{where.port}")
    deaf = Worker(login.geturl())
    deaf.look()
    put(worker, "an event")
    deaf.drain(1)
    assert deaf.got == ["an event"]
    deaf.connection.close()
    redis.acl_deluser("deaf")


def test_a_call_while_it_has_no_room_costs_no_connection(worker: Worker, redis: Redis) -> None:
    worker.look()
    for number in range(3):
        put(worker, number)
    worker.drain(3)
    before = redis.info("stats")["total_connections_received"]
    with Connection(worker.connection.as_uri(include_password=True)) as connection:
        producer = connection.Producer()
        for number in range(20):
            producer.publish(number, routing_key="retries")
            worker.look(0.01)
    # The producer's own.
    assert redis.info("stats")["total_connections_received"] - before <= 2
    worker.messages[0].ack()
    worker.drain(4)
    assert len(worker.got) == 4


def test_when_one_message_breaks_the_worker_the_rest_is_handed_back(
    worker: Worker, redis: Redis
) -> None:
    for number in range(3):
        put(worker, number)

    def breaks(message: Any) -> None:
        del message
        raise RuntimeError("broken")

    callbacks: Any = worker.connection.transport
    callbacks._callbacks.update(dict.fromkeys(QUEUES, breaks))
    with pytest.raises(RuntimeError):
        worker.drain(1)
    assert (redis.llen("events"), redis.hlen(UNACKED)) == (2, 1)


def test_whoever_is_done_late_ends_a_message_for_all_who_were_handed_it(
    worker: Worker, redis: Redis
) -> None:
    put(worker, "an event")
    worker.drain(1)
    hasty = Worker(worker.connection.as_uri(include_password=True), seconds=1)
    hasty.drain(1)
    assert redis.hlen(UNACKED) == 1
    worker.messages[0].ack()
    assert redis.hlen(UNACKED) == redis.zcard(NotingChannel.unacked_index_key) == 0
    hasty.messages[0].ack()
    hasty.connection.close()


def test_what_its_list_does_not_take_back_stays_noted_down(worker: Worker, redis: Redis) -> None:
    put(worker, "an event")
    put(worker, "a retry", "retries")
    worker.drain(2)
    redis.set("events", "no list")
    for message in worker.messages:
        message.requeue()
    # The others go on.
    worker.drain(3)
    assert worker.got[2] == "a retry"
    assert redis.hlen(UNACKED) == 2
    redis.delete("events")
    hasty = Worker(worker.connection.as_uri(include_password=True), seconds=1)
    hasty.drain(2)
    assert sorted(hasty.got) == ["a retry", "an event"]
    hasty.connection.close()


def test_what_redis_does_not_note_down_stays_in_its_list(worker: Worker, redis: Redis) -> None:
    put(worker, "an event")
    redis.set(NotingChannel.unacked_index_key, "no index")
    with pytest.raises(ResponseError):
        worker.look()
    assert redis.llen("events") == 1


def test_a_connection_that_is_lost_while_there_is_no_room_is_made_anew(
    worker: Worker, redis: Redis
) -> None:
    for number in range(4):
        put(worker, number)
    worker.drain(3)
    kill_connections(redis)
    worker.look()
    worker.messages[0].ack()
    worker.drain(4)
    assert worker.got == [0, 1, 2, 3]


def test_who_acknowledges_nothing_has_nothing_noted_down(worker: Worker, redis: Redis) -> None:
    got: list[Any] = []
    consumer = Consumer(
        worker.connection.channel(),
        [Queue("replies", routing_key="replies")],
        on_message=lambda message: got.append(message.payload),
        no_ack=True,
    )
    consumer.consume()
    put(worker, "a reply", "replies")
    for _ in range(3):
        worker.look()
    assert (got, redis.hlen(UNACKED)) == (["a reply"], 0)


def test_a_redis_without_memory_gives_and_takes_back_and_a_worker_may_begin(
    worker: Worker, redis: Redis
) -> None:
    for number in range(4):
        put(worker, number)
    redis.config_set("maxmemory", "1")
    try:
        worker.drain(3)
        assert redis.hlen(UNACKED) == 3
        worker.messages[0].requeue()
        worker.messages[1].ack()
        worker.connection.close()
        successor = Worker(worker.connection.as_uri(include_password=True))
        successor.drain(3)
    finally:
        redis.config_set("maxmemory", "0")
    assert successor.got == [2, 3, 0]
    successor.connection.close()


def test_what_comes_after_its_consumer_is_cancelled_is_handed_back(
    worker: Worker, redis: Redis
) -> None:
    channel: Any = worker.connection.channel()
    consumer = Consumer(channel, [Queue("others", routing_key="others")], on_message=print)
    consumer.consume()
    put(worker, "an event", "others")
    channel.client.ping()
    transport: Any = worker.connection.transport
    transport.cycle._register_BRPOP(channel)
    consumer.cancel()
    worker.connection.close()
    assert (redis.llen("others"), redis.hlen(UNACKED)) == (1, 0)


def test_messages_that_are_alike_to_the_byte_are_one_to_whoever_holds_them(
    worker: Worker, redis: Redis
) -> None:
    """A client of Celery tells each by its id and tag; who writes neither says the same again."""
    put(worker, "an event")
    (raw,) = redis.lrange("events", 0, -1)
    redis.lpush("events", raw)
    worker.drain(2)
    assert redis.hlen(UNACKED) == 1
    worker.messages[0].ack()
    assert redis.hlen(UNACKED) == 0

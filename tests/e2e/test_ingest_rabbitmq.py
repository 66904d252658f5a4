"""Events on RabbitMQ: batches of single calls, on classic and quorum queues, lose nothing whatever the broker does."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from build import a_key, an_event_object, eventually
from celery import Celery
from kombu import Connection

from wallarm_notify.devstack.rabbitmq import RabbitMQ
from wallarm_notify.events_channel import PublisherConfirms
from wallarm_notify.producer import NotSent, Producer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.system import System

pytestmark = pytest.mark.servers

ON_ANY_TYPE: Final = pytest.mark.parametrize("queue_type", ["classic", "quorum"])


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMQ]:
    with RabbitMQ() as server:
        yield server


@pytest.fixture
def url(rabbitmq: RabbitMQ) -> str:
    """The URL of a RabbitMQ without queues."""
    for word in ("stop_app", "force_reset", "start_app"):
        rabbitmq.control(word)
    return rabbitmq.url


def a_system(make_system: Callable[..., System], url: str, queue_type: str) -> System:
    settings = {"retry_time_scale": 1, "rate_limit_per_minute": 0}
    system = make_system(broker_url=url, events_queue_type=queue_type, **settings)
    system.integration(a_key())
    return system


def stored(system: System, number: int) -> Callable[[], bool]:
    return lambda: system.ledger().received == number


def has_at_least(system: System, number: int) -> Callable[[], bool]:
    return lambda: system.ledger().received >= number


def events(number: int) -> list[dict[str, Any]]:
    """Return events that nobody subscribes to."""
    return [an_event_object(type="rule.created", rule_id=1) for _ in range(number)]


@ON_ANY_TYPE
def test_single_calls_are_stored_in_batches(
    make_system: Callable[..., System], url: str, queue_type: Any
) -> None:
    system = a_system(make_system, url, queue_type)
    with Producer(url, batch_size=1, queue_type=queue_type) as producer:
        sent = producer.emit_many(events(500))
    assert len(set(sent)) == 500
    worker = system.start_worker(concurrency=2)
    eventually(stored(system, 500), 60, "all were stored")
    assert system.ledger().findings == []
    # Calls are taken as they come, and most come together.
    assert worker.text().count("events.ingest_calls") <= 50


@ON_ANY_TYPE
def test_events_pass_while_many_retries_wait_in_the_worker(
    make_system: Callable[..., System], url: str, queue_type: Any
) -> None:
    system = a_system(make_system, url, queue_type)
    # The second attempts come ten minutes after the first ones.
    system.sandbox.set_faults([{"kind": "status", "status": 429, "retry_after": 600}])
    system.start_worker(concurrency=2)
    with Producer(url, batch_size=1, queue_type=queue_type) as producer:
        producer.emit_many(an_event_object() for _ in range(60))
        eventually(lambda: system.states() == {"retrying": 60}, 60, "they wait")
        producer.emit_many(events(300))
        eventually(stored(system, 360), 60, "the others were stored")
        assert system.states() == {"retrying": 60}


def test_each_queue_is_consumed_once_by_the_worker_that_is_to_consume_it(
    make_system: Callable[..., System], rabbitmq: RabbitMQ, url: str
) -> None:
    system = a_system(make_system, url, "classic")
    system.start_worker("-Q", "notifications,upkeep")
    system.start_worker("-Q", "events,retries")
    consumed = rabbitmq.control("list_consumers", "--quiet", "queue_name", "prefetch_count")
    pairs = [line.split("\t") for line in consumed.splitlines()]
    prefetch = dict(pairs)
    assert len(pairs) == len(prefetch)
    assert prefetch["events"] == "300"
    assert {"notifications", "upkeep", "retries"} < prefetch.keys()
    system.emit(an_event_object())
    system.wait_for_states(60, delivered=1)


@ON_ANY_TYPE
def test_connections_are_cut_again_and_again(
    make_system: Callable[..., System], rabbitmq: RabbitMQ, url: str, queue_type: Any
) -> None:
    system = a_system(make_system, url, queue_type)
    worker = system.start_worker(concurrency=2)
    with Producer(url, batch_size=1, queue_type=queue_type) as producer:
        for n in range(1, 5):
            producer.emit_many(events(200))
            rabbitmq.control("close_all_connections", "a test")
            eventually(has_at_least(system, n * 100), 60, "it went on")
    eventually(stored(system, 800), 60, "all were stored")
    assert worker.popen.poll() is None
    ledger = system.ledger()
    assert (ledger.set_aside, ledger.undecodable, ledger.findings) == (0, 0, [])


@ON_ANY_TYPE
def test_a_stop_in_a_backlog_loses_nothing_and_sets_nothing_aside(
    make_system: Callable[..., System], rabbitmq: RabbitMQ, url: str, queue_type: Any
) -> None:
    system = a_system(make_system, url, queue_type)
    with Producer(url, batch_size=1, queue_type=queue_type) as producer:
        producer.emit_many(events(1_500))
    for number in (1, 600):
        worker = system.start_worker(concurrency=2)
        eventually(has_at_least(system, number), 60, "it stores")
        assert worker.stop() == 0
        # What its processes had taken is stored and acknowledged, the rest was handed back.
        left = 1_500 - system.ledger().received
        eventually(partial(has_messages, rabbitmq, "events", left), 60, f"{left} left")
    system.start_worker(concurrency=2)
    eventually(stored(system, 1_500), 60, "all were stored")
    ledger = system.ledger()
    assert (ledger.set_aside, ledger.undecodable, ledger.findings) == (0, 0, [])


@ON_ANY_TYPE
def test_a_deleted_queue_is_made_again_by_worker_and_producer(
    make_system: Callable[..., System], rabbitmq: RabbitMQ, url: str, queue_type: Any
) -> None:
    system = a_system(make_system, url, queue_type)
    with Producer(url, queue_type=queue_type) as producer:
        producer.emit(an_event_object())
        rabbitmq.control("delete_queue", "events")
        # This connection has declared it, and RabbitMQ would drop the message without a word.
        producer.emit(an_event_object())
        worker = system.start_worker(concurrency=1)
        eventually(stored(system, 1), 60, "the second was stored")
        rabbitmq.control("delete_queue", "events")
        eventually(lambda: has_queue(rabbitmq, "events"), 60, "the worker declared it again")
        producer.emit(an_event_object())
    eventually(stored(system, 2), 60, "the third was stored")
    assert worker.popen.poll() is None


def test_queues_of_deliveries_that_were_deleted_are_made_again(
    make_system: Callable[..., System], rabbitmq: RabbitMQ, url: str
) -> None:
    system = a_system(make_system, url, "classic")
    worker = system.start_worker(concurrency=1)
    system.start_beat()
    for queue in ("retries", "notifications", "upkeep"):
        rabbitmq.control("delete_queue", queue)
    system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 1}])
    system.emit(an_event_object())
    system.wait_for_states(120, delivered=1)
    assert worker.popen.poll() is None


@ON_ANY_TYPE
def test_a_queue_of_the_other_type_is_used_and_named(
    make_system: Callable[..., System], url: str, queue_type: Any
) -> None:
    other: Any = "quorum" if queue_type == "classic" else "classic"
    with Producer(url, queue_type=other) as producer:
        producer.emit(an_event_object())
    system = a_system(make_system, url, queue_type)
    worker = system.start_worker(concurrency=1)
    assert "broker.other_queue_type" in worker.text()
    with Producer(url, queue_type=queue_type) as producer:
        producer.emit(an_event_object())
    eventually(stored(system, 2), 60, "both were stored")


@ON_ANY_TYPE
def test_only_what_a_full_queue_took_counts_as_sent(
    rabbitmq: RabbitMQ, url: str, queue_type: Any
) -> None:
    full = json.dumps({"max-length": 40, "overflow": "reject-publish"})
    rabbitmq.control("set_policy", "full", "events", full)
    with Producer(url, batch_size=1, queue_type=queue_type) as producer:
        many = refusal(lambda: producer.emit_many(events(150)))
        assert {*many.sent}.isdisjoint(e["id"] for e in many.events)
        there = ids_in(url)
        assert {str(i) for i in many.sent} <= there
        one_call = refusal(lambda: producer.emit(*events(90)))
    assert len(one_call.events) + len(one_call.sent) == 90


def test_what_came_before_an_error_of_the_callers_iterable_is_confirmed(url: str) -> None:
    given = events(30)

    def until_it_fails() -> Iterator[dict[str, Any]]:
        yield from given
        raise LookupError("the caller's own")

    with Producer(url, batch_size=1) as producer, pytest.raises(LookupError):
        producer.emit_many(until_it_fails())
    assert ids_in(url) == {event["id"] for event in given}


def test_an_iterable_that_emits_itself_and_loses_the_connection_loses_nothing(
    rabbitmq: RabbitMQ, url: str
) -> None:
    given, within = events(20), events(1)

    def with_a_cut(producer: Producer) -> Iterator[dict[str, Any]]:
        yield from given[:10]
        rabbitmq.control("close_all_connections", "a test")
        producer.emit(*within)
        yield from given[10:]

    with Producer(url, batch_size=1) as producer:
        sent = producer.emit_many(with_a_cut(producer))
    assert [str(one) for one in sent] == [event["id"] for event in given]
    assert ids_in(url) == {event["id"] for event in [*given, *within]}


def test_an_emit_that_was_interrupted_confirms_no_other(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with Producer(url) as producer:
        producer.emit(an_event_object())
        with monkeypatch.context() as patched:
            patched.setattr(PublisherConfirms, "note", interrupted)
            with pytest.raises(KeyboardInterrupt):
                producer.emit(an_event_object())
        assert len(producer.emit(an_event_object())) == 1
    assert len(ids_in(url)) == 3


def test_an_app_that_waits_for_each_confirm_can_be_used(url: str) -> None:
    app = Celery(broker=url, set_as_current=False)
    app.conf.broker_transport_options = {"confirm_publish": True}
    with Producer(app) as producer:
        (sent,) = producer.emit(an_event_object())
    assert ids_in(url) == {str(sent)}


@pytest.mark.parametrize("odd", ["time", "text"])
def test_an_envelope_that_cannot_be_read_ends_no_worker(
    make_system: Callable[..., System], url: str, odd: str
) -> None:
    system = a_system(make_system, url, "classic")
    worker = system.start_worker(concurrency=1)
    with Connection(url) as connection:
        channel: Any = connection.default_channel
        message = channel.prepare_message(b"[]", headers={"x": 1}, content_type="text/plain")
        written = {"time": far_time, "text": no_text}[odd]
        message._serialize_properties = lambda: written(
            type(message)._serialize_properties(message)
        )
        channel.basic_publish(message, routing_key="events")
    with Producer(url) as producer:
        producer.emit(an_event_object())
    eventually(stored(system, 1), 60, "the event was stored")
    eventually(lambda: system.ledger().undecodable == 1, 60, "the other is kept")
    assert worker.popen.poll() is None


def far_time(properties: bytes) -> bytes:
    """Return ``properties`` with a time in milliseconds for the header x, as some clients write it."""
    number = b"\x01xI\x00\x00\x00\x01"
    assert number in properties
    longer = properties.replace(number, b"\x01xT\x00\x00\x01\x99\x00\x00\x00\x00")
    return longer.replace(b"\x00\x00\x00\x07\x01x", b"\x00\x00\x00\x0b\x01x")


def no_text(properties: bytes) -> bytes:
    """Return ``properties`` with a content type that is not UTF-8."""
    return properties.replace(b"text/plain", b"text/\xff\xfe\xfd\xfc\xfb")


def test_an_event_that_no_queue_can_take_is_not_sent(rabbitmq: RabbitMQ, url: str) -> None:
    with Producer(url) as producer:
        producer.emit(an_event_object())
        rabbitmq.control("delete_queue", "events")
        rabbitmq.control("set_permissions", "guest", "^nothing$", ".*", ".*")
        with pytest.raises(NotSent) as raised:
            producer.emit(an_event_object())
    assert raised.value.sent == ()


def has_queue(rabbitmq: RabbitMQ, name: str) -> bool:
    return name in rabbitmq.control("list_queues", "--quiet", "name").split()


def has_messages(rabbitmq: RabbitMQ, name: str, number: int) -> bool:
    listed = rabbitmq.control("list_queues", "--quiet", "name", "messages")
    return f"{name}\t{number}" in listed.splitlines()


def refusal(emit: Callable[[], object]) -> NotSent:
    """Emit until the full queue refuses, and return what was raised.

    The limit of a quorum queue is soft: publishers learn late that it is reached, so
    that a quick one may place a whole call above it.
    """
    for _ in range(50):
        try:
            emit()
        except NotSent as refused:
            return refused
    pytest.fail("a queue limited to 40 messages took 50 calls")


def ids_in(url: str) -> set[str]:
    """Return the ids of the events in the queue, and take them."""
    ids = set()
    with Connection(url) as connection:
        channel: Any = connection.default_channel
        while (message := channel.basic_get("events", no_ack=True)) is not None:
            ids |= {event["id"] for event in json.loads(message.body)[1]["events"]}
    return ids

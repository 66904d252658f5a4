"""The producer client, against a real broker."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import redis
from build import kill_connections
from celery import Celery
from kombu import Connection

from wallarm_notify.domain.errors import Refused, Unavailable
from wallarm_notify.producer import InvalidEvent, NotSent, Producer
from wallarm_notify.schemas.read import read_call

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = "7b0c6a52-0001-4000-8000-00000000000a"


def an_event(**fields: Any) -> dict[str, Any]:
    return {"type": "rule.created", "client_id": 1, "rule_id": 7, **fields}


@pytest.fixture
def producer(broker: str) -> Iterator[Producer]:
    with Producer(broker) as one:
        yield one


class Message:
    """A message as a worker in any language finds it."""

    def __init__(self, found: Any) -> None:
        self.headers = found.headers
        self.properties = found.properties
        self.delivery = found.delivery_info
        self.content_type = found.content_type
        self.size = len(found.body)
        self.args, self.kwargs, _ = json.loads(found.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.kwargs["events"]
        return found


def messages(broker: str) -> list[Message]:
    """Everything in the queue ``events``, taken out."""
    found = []
    with Connection(broker) as connection:
        queue = connection.SimpleQueue("events")
        with suppress(queue.Empty):
            while True:
                message = queue.get_nowait()
                found.append(Message(message))
                message.ack()
        queue.close()
    return found


def test_an_event_arrives_as_the_contract_has_it(broker: str, producer: Producer) -> None:
    event = an_event(id=ID, occurred_at="2026-03-01T10:00:00Z", more=["é"])

    assert producer.emit(event) == [UUID(ID)]

    [message] = messages(broker)
    assert message.headers["task"] == "events.ingest"
    assert message.content_type == "application/json"
    assert message.properties["delivery_mode"] == 2
    assert message.args == []
    assert message.kwargs == {"events": [event]}


def test_people_read_how_many_events_of_whom(broker: str, producer: Producer) -> None:
    producer.emit(*(an_event(client_id=client) for client in (7, 1, 7)))
    producer.emit(an_event())
    producer.emit(*(an_event(client_id=client) for client in range(1, 9)))

    headers = [message.headers for message in messages(broker)]
    assert [each["kwargsrepr"] for each in headers] == [
        "3 events of clients 1, 7",
        "1 event of client 1",
        "8 events of clients 1, 2, 3, 4, 5 and 3 more",
    ]
    assert {each["argsrepr"] for each in headers} == {"()"}


def test_an_event_is_given_an_id_and_a_time_and_stays_the_callers_own(
    broker: str, producer: Producer
) -> None:
    event = an_event(id=None)

    ids = producer.emit(event, an_event())

    [message] = messages(broker)
    [first, second], rejections = read_call([], message.kwargs)
    assert rejections == []
    assert [first.id, second.id] == ids
    assert first.id != second.id
    assert event == an_event(id=None)


def test_python_values_travel_as_json(broker: str, producer: Producer) -> None:
    producer.emit(an_event(id=UUID(ID), changes={1: (2, 3)}))

    [message] = messages(broker)
    assert message.events[0]["id"] == ID
    assert message.events[0]["changes"] == {"1": [2, 3]}


def test_many_events_travel_by_the_hundred(broker: str, producer: Producer) -> None:
    ids = producer.emit_many(an_event(rule_id=number) for number in range(250))

    found = messages(broker)
    assert [len(message.events) for message in found] == [100, 100, 50]
    assert [event["rule_id"] for message in found for event in message.events] == [*range(250)]
    assert [str(each) for each in ids] == [e["id"] for message in found for e in message.events]


def test_the_size_of_a_batch_is_a_choice(broker: str) -> None:
    with Producer(broker, batch_size=1000) as producer:
        producer.emit_many(an_event() for _ in range(1001))

    assert [len(message.events) for message in messages(broker)] == [1000, 1]


@pytest.mark.parametrize("size", [0, 1001])
def test_a_batch_has_1_to_1000_events(size: int) -> None:
    with pytest.raises(Refused, match="from 1 to 1000"):
        Producer("redis://127.0.0.1:1/0", batch_size=size)


def test_large_events_are_spread_so_that_a_message_stays_under_4_mb(
    broker: str, producer: Producer
) -> None:
    producer.emit_many(an_event(note="x" * 250_000) for _ in range(25))

    found = messages(broker)
    assert [len(message.events) for message in found] == [9, 9, 7]
    assert max(message.size for message in found) * 4 / 3 < 4_000_000


@pytest.mark.parametrize("character", ["ж", "中", "😀"])
def test_a_text_in_any_language_takes_its_bytes_of_utf_8(
    broker: str, producer: Producer, character: str
) -> None:
    note = character * (240_000 // len(character.encode()))
    producer.emit_many(an_event(note=note) for _ in range(25))

    found = messages(broker)
    assert [len(message.events) for message in found] == [10, 10, 5]
    assert max(message.size for message in found) * 4 / 3 < 4_000_000
    assert {event["note"] for message in found for event in message.events} == {note}


def test_a_message_is_as_large_as_its_events(broker: str, producer: Producer) -> None:
    producer.emit_many(an_event(note=[1] * 120_000) for _ in range(11))

    first, second = messages(broker)
    assert (len(first.events), len(second.events)) == (10, 1)
    assert first.size < 2_500_000
    assert first.size == pytest.approx(10 * second.size, rel=0.01)


def test_what_is_too_large_is_reported_in_bytes_of_utf_8(broker: str, producer: Producer) -> None:
    with pytest.raises(InvalidEvent, match=r"The event has 26\d{4} bytes; permitted are 256000"):
        producer.emit(an_event(note="ж" * 130_000))


def test_what_an_attacker_wrote_is_sent_as_it_will_be_kept(broker: str, producer: Producer) -> None:
    producer.emit(an_event(name="a\0b\ud83d", rule_id=7.0, changes={"\udfff": "\ud83d\ude00"}))

    [event] = messages(broker)[0].events
    assert (event["name"], event["changes"]) == ("a\ufffdb\ufffd", {"\ufffd": "😀"})
    assert (event["rule_id"], type(event["rule_id"])) == (7, int)


def test_nothing_is_sent_for_nothing(broker: str, producer: Producer) -> None:
    assert producer.emit() == []
    assert producer.emit_many([]) == []
    assert messages(broker) == []


def test_emit_sends_nothing_if_one_event_is_wrong(broker: str, producer: Producer) -> None:
    with pytest.raises(InvalidEvent) as caught:
        producer.emit(an_event(), {"type": "rule.created", "client_id": 1}, an_event())

    assert str(caught.value) == "event 2: rule_id is required."
    assert caught.value.number == 2
    assert caught.value.rejection.client_id == 1
    assert caught.value.sent == ()
    assert messages(broker) == []


def test_a_queue_type_that_rabbitmq_does_not_have_is_refused() -> None:
    wrong: Any = "Quorum"
    with pytest.raises(Refused, match="classic or quorum, not 'Quorum'"):
        Producer("amqp://127.0.0.1:1//", queue_type=wrong)


def test_emit_many_says_what_was_sent_before_a_wrong_event(broker: str) -> None:
    events = [*(an_event() for _ in range(5)), an_event(client_id=0)]

    with Producer(broker, batch_size=2) as producer, pytest.raises(InvalidEvent) as caught:
        producer.emit_many(events)

    found = [event["id"] for message in messages(broker) for event in message.events]
    assert [str(each) for each in caught.value.sent] == found
    assert len(found) == 4


@pytest.mark.parametrize("kind", ["datetime", "uuid", "unheard of"])
def test_celerys_own_marks_are_refused_since_they_would_spoil_the_message(
    broker: str, producer: Producer, kind: str
) -> None:
    mark = {"__type__": kind, "__value__": "2026-03-01"}

    with pytest.raises(InvalidEvent, match="Celery's own mark"):
        producer.emit(an_event(changes=mark))

    producer.emit(an_event(changes={**mark, "and": "more"}))
    assert len(messages(broker)) == 1


def test_a_services_own_app_can_be_used(broker: str) -> None:
    app = Celery("shop", broker=broker, set_as_current=False)
    app.conf.task_routes = {"events.*": {"queue": "elsewhere"}}
    app.conf.task_serializer = "yaml"

    with Producer(app) as producer:
        producer.emit(an_event())

    assert len(messages(broker)) == 1


def test_the_url_given_wins_over_celerys_environment(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")

    with Producer(broker) as producer:
        producer.emit(an_event())

    assert len(messages(broker)) == 1


def test_the_next_of_several_brokers_is_tried(broker: str) -> None:
    with Producer(f"redis://127.0.0.1:1/0;{broker}") as producer:
        producer.emit(an_event())

    assert len(messages(broker)) == 1


def test_threads_have_connections_of_their_own(broker: str, producer: Producer) -> None:
    def work() -> None:
        producer.emit_many(an_event() for _ in range(150))
        producer.close()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(len(message.events) for message in messages(broker)) == 600


def test_a_closed_producer_connects_anew(broker: str, producer: Producer) -> None:
    producer.emit(an_event())
    producer.close()
    producer.emit(an_event())

    assert len(messages(broker)) == 2


def test_a_dropped_connection_is_made_anew(broker: str, producer: Producer) -> None:
    producer.emit(an_event())
    with redis.Redis.from_url(broker) as client:
        kill_connections(client)
    producer.emit(an_event())

    assert len(messages(broker)) == 2


def test_a_publish_that_the_broker_refuses_is_an_error(broker: str, producer: Producer) -> None:
    with redis.Redis.from_url(broker) as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(NotSent, match=r"OOM|maxmemory|OutOfMemory") as caught:
                producer.emit(an_event())
        finally:
            client.config_set("maxmemory", 0)

    again = producer.emit(*caught.value.events)

    [message] = messages(broker)
    assert caught.value.sent == ()
    assert [str(each) for each in again] == [message.events[0]["id"]]
    assert message.events == list(caught.value.events)


PASSWORD = "very-secret"


def unanswered(stack: ExitStack) -> int:
    """Port of a server that accepts and says nothing."""
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    port: int = server.getsockname()[1]
    return port


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
@pytest.mark.parametrize("is_silent", [True, False])
def test_a_broker_that_is_down_is_one_clear_sentence_within_10_seconds(
    scheme: str, is_silent: bool
) -> None:
    with ExitStack() as stack:
        port = unanswered(stack) if is_silent else 1
        producer = Producer(f"{scheme}://user:{PASSWORD}@127.0.0.1:{port}/0")
        began = monotonic()
        with pytest.raises(Unavailable) as caught:
            producer.emit(an_event(id=ID))
        producer.close()

    assert monotonic() - began < 10
    text = str(caught.value)
    assert text.startswith(f"the broker {scheme}://127.0.0.1:{port} did not take a message of 1 ev")
    assert "\n" not in text
    assert PASSWORD not in text
    assert isinstance(caught.value, NotSent)
    assert [event["id"] for event in caught.value.events] == [ID]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:6379",
        "gopher://127.0.0.1",
        f"redis://:{PASSWORD}/x@127.0.0.1:6379/0",
        f"redis://user:12/{PASSWORD}@127.0.0.1:6379/0",
        f"redis://:{PASSWORD}#x@127.0.0.1:6379/0",
        f"redis://:{PASSWORD}@127.0.0.1:port/0",
        f"redis://127.0.0.1/0?password={PASSWORD}",
        f"redis+socket:///run/redis.sock?password={PASSWORD}",
        f"redis://127.0.0.1/0?nobody={PASSWORD}",
    ],
)
def test_what_is_no_url_is_refused_at_once_and_not_repeated(url: str) -> None:
    with pytest.raises(Refused, match=r"^broker: it (is not a broker URL|has )") as caught:
        Producer(url)

    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{PASSWORD}/x@127.0.0.1:6379/0",
        f"redis://127.0.0.1:6379/0?password={PASSWORD}",
        f"{PASSWORD}://127.0.0.1",
    ],
)
def test_an_apps_broker_that_cannot_be_read_is_not_repeated_either(url: str) -> None:
    app = Celery("shop", broker=url, set_as_current=False)
    with Producer(app) as producer, pytest.raises(Refused, match="the app's broker URL") as caught:
        producer.emit(an_event())
    assert PASSWORD not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_apps_socket_is_named_without_its_password() -> None:
    app = Celery(
        "shop", broker=f"redis+socket://:{PASSWORD}@/nowhere/redis.sock", set_as_current=False
    )
    with Producer(app) as producer, pytest.raises(NotSent) as caught:
        producer.emit(an_event())
    assert "the broker redis+socket:///nowhere/redis.sock did not take" in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_forked_child_has_a_connection_of_its_own(broker: str) -> None:
    # In a process of its own: this one has threads.
    code = """
import os, sys
from wallarm_notify.producer import Producer
event = {"type": "rule.created", "client_id": 1, "rule_id": 7}
producer = Producer(sys.argv[1])
producer.emit(event)
child = os.fork()
producer.emit_many([event] * 300)
if child:
    _, status = os.waitpid(child, 0)
    producer.emit(event)
    sys.exit(os.waitstatus_to_exitcode(status))
"""
    subprocess.run([sys.executable, "-c", code, broker], check=True, timeout=60)

    assert sum(len(message.events) for message in messages(broker)) == 602

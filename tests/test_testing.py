"""The producer for services' tests accepts, refuses and returns what the real one does, and remembers what was sent."""

from __future__ import annotations

import inspect
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from build import an_event_object
from kombu import Connection

from wallarm_notify.domain.errors import Refused
from wallarm_notify.event_types import RuleCreated
from wallarm_notify.producer import InvalidEvent, NotSent, Producer
from wallarm_notify.testing import FakeProducer

if TYPE_CHECKING:
    from collections.abc import Iterator


def arrived(broker: str) -> list[list[dict[str, Any]]]:
    """The messages that are in the queue ``events``, taken out."""
    found = []
    with (
        Connection(broker) as connection,
        connection.SimpleQueue("events") as queue,
        suppress(queue.Empty),
    ):
        while True:
            message = queue.get_nowait()
            found.append(message.payload[1]["events"])
            message.ack()
    return found


@pytest.fixture
def real(broker: str) -> Iterator[Producer]:
    with Producer(broker, batch_size=2) as producer:
        yield producer


def outcome_of(producer: Producer, events: list[Any], *, many: bool) -> tuple[str, Any]:
    """What comes of emitting ``events``: the ids, or the error with all that it says."""
    try:
        return "ids", producer.emit_many(events) if many else producer.emit(*events)
    except InvalidEvent as error:
        return str(error), (error.number, error.rejection, error.sent)
    except Exception as error:  # noqa: BLE001 - whatever the real one raises
        return type(error).__name__, None


@pytest.mark.parametrize("many", [False, True], ids=["emit", "emit_many"])
def test_the_fake_one_does_what_the_real_one_does(
    real: Producer, broker: str, *, many: bool
) -> None:
    fake = FakeProducer(batch_size=2)
    good = [an_event_object(title="ä 💥", port=80.0) for _ in range(5)]
    wrong = [
        an_event_object(risk="fatal"),
        an_event_object(client_id=0),
        {},
        an_event_object(id="x"),
    ]
    lists: list[list[Any]] = [[], good, [RuleCreated(client_id=1, rule_id=7)]]
    for events in [*lists, *([*good, one] for one in wrong)]:
        got, wanted = (outcome_of(one, events, many=many) for one in (fake, real))
        if not any(isinstance(e, dict) and "id" not in e for e in events):
            assert got == wanted
        assert got[0] == wanted[0]
        assert fake.messages == arrived(broker)
        fake.clear()


ODD: list[Any] = [
    {"id": "no UUID"},
    {"changes": {"at": ("a", "tuple")}},
    {"name": b"bytes"},
    {"name": float("nan")},
    {"changes": {"of": object()}},
    {"name": "x" * 300_000},
    {"rule_id": 7.0},
    {"changes": {"__type__": "uuid", "__value__": 1}},
    {"name": "half a pair: \ud800, and NUL: \0"},
    {"occurred_at": "2014-01-01T00:00:00Z"},
    {1: "a number as a key"},
]


@pytest.mark.parametrize("odd", [an_event_object(type="rule.created", rule_id=1) | o for o in ODD])
def test_odd_events_come_to_the_same(real: Producer, broker: str, odd: Any) -> None:
    fake = FakeProducer(batch_size=2)
    assert outcome_of(fake, [odd], many=False) == outcome_of(real, [odd], many=False)
    assert fake.messages == arrived(broker)


def test_it_takes_the_arguments_of_the_real_one_and_refuses_what_that_refuses() -> None:
    of_real = inspect.signature(Producer.__init__).parameters
    of_fake = inspect.signature(FakeProducer.__init__).parameters
    assert list(of_fake) == list(of_real)
    assert {n: p.annotation for n, p in of_fake.items()} == {
        n: p.annotation for n, p in of_real.items()
    }
    wrongs: list[dict[str, Any]] = [
        {"batch_size": 0},
        {"broker": "redis://:p#w@x"},
        {"queue_type": "other"},
    ]
    for wrong in wrongs:
        with pytest.raises(Refused) as of_the_fake:
            FakeProducer(**wrong)
        with pytest.raises(Refused) as of_the_real:
            Producer(**{"broker": "redis://x"} | wrong)
        assert str(of_the_fake.value) == str(of_the_real.value)


def test_a_broker_that_is_away_is_played_without_waiting() -> None:
    fake = FakeProducer(batch_size=1)
    fake.broker_is_away = True
    began = monotonic()
    with pytest.raises(NotSent) as raised:
        fake.emit({"type": "rule.created", "client_id": 1, "rule_id": 7})
    assert monotonic() - began < 2
    (event,) = raised.value.events
    assert (raised.value.sent, fake.events) == ((), [])
    fake.broker_is_away = False
    assert fake.emit(event) == [UUID(event["id"])]


def test_what_a_caller_changes_afterwards_changes_nothing_that_was_emitted() -> None:
    fake, event = FakeProducer(), an_event_object(actor={"name": "ana"})
    fake.emit(event)
    event["actor"]["name"] = "eve"
    assert fake.events[0]["actor"] == {"name": "ana"}

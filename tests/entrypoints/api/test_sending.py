"""Events are sent over HTTP: all of a call or none, confirmed by a real broker, and once however often it is made."""

from __future__ import annotations

import json
import logging
import socket
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest
import redis
import requests
from build import an_event, eventually, kill_connections
from kombu import Connection

from entrypoints.api.http_api import served
from entrypoints.command_line import KEY
from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.keyed_ids import keyed_id
from wallarm_notify.entrypoints.api import app
from wallarm_notify.entrypoints.api.faults import Overload
from wallarm_notify.entrypoints.api.sending import BrokerWaits
from wallarm_notify.producer import NotSent
from wallarm_notify.schemas.read import read_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine

EVENTS = "/notify/v1/events"
AT = "2026-03-01T10:00:00Z"


def rule(**fields: Any) -> dict[str, Any]:
    return {"type": "rule.created", "client_id": 1, "rule_id": 7, **fields}


def sent(api: HttpApi, *events: dict[str, Any], key: str | None = None) -> list[str]:
    """The ids of events that are sent."""
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = api.ask("POST", EVENTS, {"events": events}, role=Role.PRODUCER, headers=headers)
    assert answer.status_code == 202, answer.text
    ids: list[str] = answer.json()["ids"]
    return ids


def refused(api: HttpApi, *events: Any, key: str | None = None) -> dict[str, str]:
    """What is wrong with each field of events that are not sent."""
    headers = {} if key is None else {"Idempotency-Key": key}
    found = api.problem(
        *(400, "POST", EVENTS, {"events": events}), role=Role.PRODUCER, headers=headers
    )
    return {one["field"]: one["detail"] for one in found.get("errors", [])}


def queued(broker: str) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The headers and the events of each message in the queue, taken out."""
    found = []
    with Connection(broker) as connection:
        queue = connection.SimpleQueue("events")
        with suppress(queue.Empty):
            while True:
                message = queue.get_nowait()
                found.append((message.headers, json.loads(message.body or "")[1]["events"]))
                message.ack()
        queue.close()
    return found


def test_events_of_any_client_arrive_as_the_contract_has_them_and_ids_come_in_order(
    api: HttpApi, broker: str
) -> None:
    own = str(uuid4())
    ids = sent(api, rule(id=own, occurred_at=AT, note=None), rule(client_id=2))
    [(headers, events)] = queued(broker)
    assert headers["task"] == "events.ingest"
    assert events[0] == rule(id=own, occurred_at=AT, note=None)
    assert ids == [own, events[1]["id"]]
    read, rejections = read_call([], {"events": events})
    assert ([event.client_id for event in read], rejections) == ([1, 2], [])


def test_a_thousand_events_are_one_message_and_one_more_is_refused(
    api: HttpApi, broker: str
) -> None:
    assert len(set(sent(api, *(rule(rule_id=n) for n in range(1000))))) == 1000
    [(_, events)] = queued(broker)
    assert [event["rule_id"] for event in events] == list(range(1000))
    assert list(refused(api, *[rule()] * 1001)) == ["events"]
    assert list(refused(api)) == ["events"]


def test_large_events_are_spread_over_messages_that_are_confirmed_together(
    api: HttpApi, broker: str
) -> None:
    ids = sent(api, *(rule(name="x" * 250_000) for _ in range(30)))
    found = queued(broker)
    assert len(found) == 4
    assert [event["id"] for _, events in found for event in events] == ids


def test_what_is_larger_than_10_mb_is_refused(api: HttpApi, broker: str) -> None:
    body = {"events": [rule(name="x" * 250_000) for _ in range(41)]}
    api.problem(413, "POST", EVENTS, body, role=Role.PRODUCER)
    assert queued(broker) == []


def test_each_event_keeps_whose_token_sent_it_and_no_secret(api: HttpApi, broker: str) -> None:
    sent(api, rule())
    [(headers, _)] = queued(broker)
    assert headers["origin"].startswith("token 1 (")
    assert api.token(Role.PRODUCER)[:5] not in headers["origin"]


# The same call again.


def test_with_a_key_a_call_that_is_made_again_has_the_same_events(
    api: HttpApi, line: CommandLine, broker: str
) -> None:
    call = [rule(occurred_at=AT), rule(client_id=2, occurred_at=AT), rule(occurred_at=AT)]
    first, second = (sent(api, *call, key="order-4711") for _ in range(2))
    assert first == second
    assert [UUID(one) for one in first] == [
        keyed_id(client, "order-4711", n) for n, client in enumerate((1, 2, 1))
    ]
    bodies = [
        [event.body_hash for event in read_call([], {"events": events})[0]]
        for _, events in queued(broker)
    ]
    assert bodies[0] == bodies[1]
    assert not set(first) & set(sent(api, *call, key="order-4712"))


def test_with_a_key_a_client_written_in_another_way_is_the_same_one(api: HttpApi) -> None:
    assert sent(api, rule(occurred_at=AT), key="k") == sent(
        api, rule(client_id=1.0, occurred_at=AT), key="k"
    )


def test_an_id_of_ones_own_stands_beside_a_key(api: HttpApi) -> None:
    own = str(uuid4())
    assert sent(api, rule(id=own, occurred_at=AT), key="k") == [own]


def test_with_a_key_each_event_needs_its_time(api: HttpApi, broker: str) -> None:
    found = refused(api, rule(occurred_at=AT), rule(), rule(occurred_at=None), key="k")
    assert found == {
        "events.1.occurred_at": "is required.",
        "events.2.occurred_at": "is required.",
    }
    assert queued(broker) == []


@pytest.mark.parametrize("key", ["a b", "x" * 256, ""])
def test_a_key_that_is_none_is_refused_by_name(api: HttpApi, key: str) -> None:
    assert list(refused(api, rule(occurred_at=AT), key=key)) == ["Idempotency-Key"]


# What is wrong.


def test_one_wrong_event_and_none_is_sent(api: HttpApi, broker: str) -> None:
    found = refused(
        api,
        rule(),
        {"type": "rule.created", "client_id": 1},
        rule(rule_id=[KEY], client_id=KEY),
        {"type": KEY},
        {},
        rule(actor={"name": 7}),
        rule(occurred_at="2999-01-01T00:00:00Z"),
        rule(name="x" * 256_001),
        rule(changes={"__type__": "uuid", "__value__": KEY}),
    )
    assert {
        name: words for name, words in found.items() if name[:8] in ("events.1", "events.5")
    } == {
        "events.1.rule_id": "is required.",
        "events.5.actor.name": "must be a text.",
    }
    assert {"events.2.client_id", "events.3.type", "events.4.type"} <= set(found)
    assert found["events.6.occurred_at"] == "is more than 24 hours ahead."
    assert "permitted are 256000" in found["events.7"]
    assert "Celery's own mark" in found["events.8"]
    assert "events.0" not in str(list(found))
    assert queued(broker) == []


WRONG: Final = (
    b"null",
    b"7",
    b"[]",
    b"{}",
    b"",
    b"{",
    b'{"events": null}',
    b'{"events": {}}',
    b'{"events": []}',
    b'{"events": [7, null]}',
    b'{"events": [{}], "more": 1}',
    b'{"events": [{"client_id": 1}]}',
    b'{"events": [' + b"[" * 40 + b"]" * 40 + b"]}",
)


def test_what_is_wrong_is_answered_as_by_a_call_that_the_framework_serves(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers() -> list[tuple[int, str, str | None]]:
        found: list[tuple[int, str, str | None]] = []
        with served(line) as api:
            token = {"X-WallarmApi-Token": api.token(Role.PRODUCER)}
            as_json = {**token, "Content-Type": "application/json"}
            asked = [
                (as_json | key, body) for body in WRONG for key in ({}, {"Idempotency-Key": "a b"})
            ]
            asked += [(token, b"{}"), (token | {"Content-Type": "text/plain"}, b"{}"), ({}, b"{}")]
            for headers, body in asked:
                answer = requests.post(api.url + EVENTS, body, headers=headers, timeout=30)
                kind = answer.headers["Content-Type"]
                found.append((answer.status_code, kind, answer.text))
            refused = api.ask("DELETE", EVENTS)
            found.append((refused.status_code, refused.headers["Allow"], refused.text))
        return found

    directly = answers()
    monkeypatch.setattr(app, "DirectCalls", lambda inner, **_: inner)
    assert answers() == directly
    assert {status for status, *_ in directly} == {400, 401, 405, 415}


def test_a_call_is_logged_by_its_path_and_its_token(
    api: HttpApi, caplog: pytest.LogCaptureFixture
) -> None:
    def lines() -> list[logging.LogRecord]:
        # Not those of who asks whether it is there yet, which are of another level, and may come late.
        answered = [one for one in caplog.records if one.getMessage() == "api.answered"]
        return [one for one in answered if one.levelno == logging.INFO]

    sent(api, rule())
    [line] = eventually(lines)  # it is written behind the answer
    noted = (line.method, line.call, line.status, line.token)  # type: ignore[attr-defined]
    assert noted == ("POST", EVENTS, 202, 1)


def test_two_events_of_one_id_with_other_bodies_are_refused(api: HttpApi, broker: str) -> None:
    own = str(uuid4())
    one = rule(id=own, occurred_at=AT)
    assert list(refused(api, one, {**one, "rule_id": 8})) == ["events.1.id"]
    assert sent(api, one, one) == [own, own]


def test_of_many_faults_the_first_hundred_are_named(api: HttpApi) -> None:
    assert len(refused(api, *[{"type": "rule.created"}] * 300)) == 100


# The broker is away.


def test_a_broker_that_refuses_is_a_503_that_says_what_it_has_and_a_retry_goes_through(
    api: HttpApi, broker: str
) -> None:
    own = str(uuid4())
    with redis.Redis.from_url(broker) as client:
        client.config_set("maxmemory", 1)
        try:
            answer = api.ask(
                "POST", EVENTS, {"events": [rule(id=own), rule(note=KEY)]}, role=Role.PRODUCER
            )
        finally:
            client.config_set("maxmemory", 0)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (503, "urn:wallarm-notify:problem:unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert (problem["ids"][0], problem["sent"]) == (own, [])
    assert problem["detail"].startswith("The broker did not confirm 2 of 2 events")
    # Until then it is not tried again.
    again = api.problem(503, "POST", EVENTS, {"events": [rule()]}, role=Role.PRODUCER)
    assert "ids" not in again


def test_a_connection_that_broke_is_made_anew(api: HttpApi, broker: str) -> None:
    sent(api, rule())
    with redis.Redis.from_url(broker) as client:
        kill_connections(client)
    sent(api, rule())
    assert len(queued(broker)) == 2


@pytest.fixture
def silent() -> Iterator[str]:
    """A broker that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_a_broker_that_says_nothing_is_a_503_within_10_seconds(
    line: CommandLine, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_BROKER_URL", silent)
    with served(line) as api:
        api.token(Role.PRODUCER)
        began = monotonic()
        api.problem(503, "POST", EVENTS, {"events": [rule()]}, role=Role.PRODUCER)
        assert monotonic() - began < 12


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_while_the_broker_hangs_half_of_the_threads_wait_for_it_and_no_more() -> None:
    clock = Clock()
    waits = BrokerWaits(4, clock)
    with waits.one_more(), waits.one_more():
        with waits.one_more():  # it answers: nobody has waited for long
            pass
        clock.now = 1.5
        with pytest.raises(Overload), waits.one_more():
            pass
    with waits.one_more():
        pass


def test_after_a_failure_nobody_waits_for_the_broker_for_a_while() -> None:
    clock = Clock()
    waits = BrokerWaits(4, clock)
    with pytest.raises(NotSent), waits.one_more():
        raise NotSent("it is away", [], [an_event().body])
    with pytest.raises(Overload), waits.one_more():
        pass
    clock.now = 2.1
    with waits.one_more():
        pass

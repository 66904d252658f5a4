"""Messages of Celery clients in other languages, which are taken in wherever they put them (spec 2)."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from build import a_key, an_event_object, eventually
from celery import Celery
from kombu import Connection, Queue
from sqlalchemy import text

from wallarm_notify.broker.unread import unread_lists
from wallarm_notify.devstack.rabbitmq import RabbitMQ
from wallarm_notify.store.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System


def protocol_2(event: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return the headers and the body of a call."""
    headers = {"task": "events.ingest", "id": str(uuid4())}
    return headers, json.dumps([[], {"events": [event]}, {}]).encode()


def protocol_1(event: dict[str, Any]) -> bytes:
    """Return the body, which has all of the call."""
    return json.dumps(
        {
            "id": str(uuid4()),
            "task": "events.ingest",
            "args": [],
            "kwargs": {"events": [event]},
            "retries": 0,
            "eta": None,
            "expires": None,
        }
    ).encode()


def on_redis(body: bytes, headers: Any, encoding: Any = "utf-8", **more: Any) -> str:
    """Return what such a client puts into the list; ``more`` are fields of the envelope."""
    tag = str(uuid4())
    return json.dumps(
        {
            "body": b64encode(body).decode(),
            "content-type": "application/json",
            "content-encoding": encoding,
            "headers": headers,
            "properties": {
                "body_encoding": "base64",
                "correlation_id": tag,
                "reply_to": str(uuid4()),
                "delivery_mode": 2,
                "delivery_info": {"priority": 0, "routing_key": "celery", "exchange": "celery"},
                "delivery_tag": tag,
            },
            **more,
        }
    )


def javascript(event: dict[str, Any]) -> str:
    headers, body = protocol_2(event)
    more = {"lang": "js", "root_id": headers["id"], "eta": "", "expires": "", "timelimit": None}
    return on_redis(body, {**headers, **more, "argsrepr": "", "kwargsrepr": "", "retries": 0})


def rust(event: dict[str, Any]) -> str:
    headers, body = protocol_2(event)
    more = {"lang": "rust", "shadow": None, "timelimit": [None, None], "origin": "1@host"}
    return on_redis(body, {**headers, **more, "group": None, "parent_id": None})


ON_REDIS: dict[str, Callable[[dict[str, Any]], str]] = {
    "celery.node, protocol 2": javascript,
    "celery.node, protocol 1": lambda e: on_redis(protocol_1(e), {}),
    "gocelery": lambda e: on_redis(protocol_1(e), None),
    "rusty-celery": rust,
    "celery-php": lambda e: on_redis(protocol_1(e), [], "binary"),
    "an unknown encoding": lambda e: on_redis(protocol_1(e), {}, "x-none"),
    "no encoding": lambda e: on_redis(protocol_1(e), {}, None),
    "UTF8": lambda e: on_redis(protocol_1(e), {}, "UTF8"),
    "no content type": lambda e: on_redis(protocol_1(e), {}, **{"content-type": None}),
    "a content type with its characters": lambda e: on_redis(
        protocol_1(e), {}, **{"content-type": "application/json; charset=utf-8"}
    ),
    "text/json": lambda e: on_redis(protocol_1(e), {}, **{"content-type": "text/json"}),
    "capitals": lambda e: on_redis(protocol_1(e), {}, **{"content-type": "Application/JSON"}),
    "octets": lambda e: on_redis(protocol_1(e), {}, **{"content-type": "application/octet-stream"}),
    "Elixir, no properties": lambda e: on_redis(
        protocol_2(e)[1], protocol_2(e)[0], properties={"body_encoding": "base64"}
    ),
    "a body that is no base64": lambda e: json.dumps(
        {"body": protocol_1(e).decode(), "content-type": "application/json", "properties": {}}
    ),
}


def test_on_redis_calls_are_taken_however_their_clients_write_them(
    make_system: Callable[..., System],
) -> None:
    system = make_system()
    clients = {client: n for n, client in enumerate(ON_REDIS, 1)}
    with system.ask_broker() as broker:
        for client, number in clients.items():
            broker.lpush("celery", ON_REDIS[client](an_event_object(number, title="Ünïcode")))
    system.start_worker()

    def not_taken() -> set[str]:
        engine = make_engine(system.settings.database())
        with engine.connect() as connection:
            stored = set(connection.execute(text("SELECT client_id FROM events")).scalars())
        return {client for client, number in clients.items() if number not in stored}

    eventually(lambda: not not_taken(), 60, "all were taken")
    ledger = system.ledger()
    assert (ledger.received, ledger.rejected, ledger.findings) == (len(clients), 0, [])


def test_on_redis_lists_that_no_worker_reads_are_taken_in_and_logged(
    make_system: Callable[..., System],
) -> None:
    system = make_system(sweep_seconds=1)
    system.integration(a_key())
    lists = [name for name, _ in unread_lists()]
    with system.ask_broker() as broker:
        for name in lists:
            broker.lpush(name, javascript(an_event_object()))
        broker.set("events:1:note", "somebody else's")
        worker = system.start_worker()
        system.start_beat()
        system.wait_for_states(60, delivered=len(lists))
        assert not broker.exists(*lists)
        assert broker.get("events:1:note") == b"somebody else's"
    eventually(lambda: worker.text().count("queue.unread") == len(lists), 60, "each list is logged")
    assert system.ledger().findings == []


@pytest.mark.servers
def test_on_rabbitmq_calls_are_taken_however_their_clients_write_them(
    make_system: Callable[..., System],
) -> None:
    with RabbitMQ() as server:
        system = make_system(broker_url=server.url)
        system.integration(a_key())
        worker = system.start_worker()
        types = ["application/json", "application/json; charset=utf-8", "text/json", "", "x/y"]
        encodings = ["utf-8", "UTF-8", "binary", "", "x-none"]
        with Connection(server.url) as connection:
            channel: Any = connection.channel()
            for content_type in types:
                for encoding in encodings:
                    for headers, body in (
                        protocol_2(an_event_object()),
                        ({}, protocol_1(an_event_object())),
                    ):
                        properties = {"content_type": content_type, "content_encoding": encoding}
                        message = channel.prepare_message(
                            body, headers=headers, properties={}, **properties
                        )
                        channel.basic_publish(message, "", "events", mandatory=True)
        system.wait_for_states(60, delivered=2 * len(types) * len(encodings))
        assert worker.popen.poll() is None
        assert system.ledger().findings == []


@pytest.mark.servers
def test_on_rabbitmq_a_queue_with_messages_and_without_a_consumer_is_logged(
    make_system: Callable[..., System],
) -> None:
    with RabbitMQ() as server:
        system = make_system(broker_url=server.url, sweep_seconds=1)
        with Celery(broker=server.url) as app, app.connection_for_write() as connection:
            Queue("retries").bind(connection.default_channel).declare()
            app.send_task("notifications.deliver", kwargs={"ids": [1]}, queue="retries")
        worker = system.start_worker("-Q", "events,celery,notifications,upkeep")
        system.start_beat()
        worker.wait_for("queue.unread")

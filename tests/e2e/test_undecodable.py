"""Messages that cannot be read: the worker keeps each and goes on."""

from __future__ import annotations

import base64
import bz2
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from build import a_key, an_event_object, eventually
from celery import Celery
from chaos.killable import KillablePostgres
from odd_events import ODD, REJECTED, TAKEN, body_of, with_odd

from e2e.system import ROOT, System
from wallarm_notify.broker.redis_transport import NotingChannel
from wallarm_notify.domain.actor import operator
from wallarm_notify.domain.page import Slice
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.schemas.call_text import read_message_text
from wallarm_notify.schemas.json_text import text_of
from wallarm_notify.services.resubmit_message import UNDECODABLE, message_body, resubmit_message
from wallarm_notify.store.migrations import upgrade

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.devstack.processes import Process
    from wallarm_notify.domain.views import ShownRejection

NO_ARGUMENTS: list[Any] = [[], {}, {}]


def push(
    system: System,
    body: Any,
    headers: Any = None,
    content_type: str | None = "application/json",
    **headers_too: Any,
) -> None:
    """Put a message into the queue of events, as an unusual client would."""
    if headers is None:
        headers = {"task": "events.ingest", "id": str(uuid4()), "lang": "go", **headers_too}
    raw = body if isinstance(body, str) else json.dumps(body)
    properties = {
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "events"},
        "delivery_tag": str(uuid4()),
        "priority": 0,
        "body_encoding": None,
    }
    message = {
        "body": raw,
        "content-encoding": "utf-8",
        "content-type": content_type,
        "headers": headers,
        "properties": properties,
    }
    with system.ask_broker() as broker:
        broker.lpush("events", json.dumps(message))


def push_bytes(system: System, body: bytes, task_id: str | None = None) -> None:
    """Put a message with a body of any bytes into the queue of events."""
    message = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": "events.ingest", "id": task_id or str(uuid4()), "lang": "c"},
        "properties": {
            "body_encoding": "base64",
            "delivery_tag": "a",
            "delivery_info": {"exchange": "", "routing_key": "events"},
        },
    }
    with system.ask_broker() as broker:
        broker.lpush("events", json.dumps(message))


def rejected(system: System) -> list[ShownRejection]:
    return system.wiring.store.transact(
        lambda tx: tx.rejections(EVERY_CLIENT, Slice(None, 1000))
    ).items


def kept(system: System) -> int:
    return system.wiring.store.transact(lambda tx: tx.undecodable_count(EVERY_CLIENT))


MALFORMED: list[tuple[Any, dict[str, Any]]] = [
    (5, {}),
    (None, {}),
    ("x", {}),
    ([], {}),
    ([1], {}),
    ([[], {}], {}),
    ({}, {}),
    ([5, {}, {}], {}),
    ([[], [1], {}], {}),
    ([[], {}, "embed"], {}),
    (NO_ARGUMENTS, {"content_type": "application/x-python-serialize"}),
    (NO_ARGUMENTS, {"content_type": "application/X-YAML; charset=utf-8"}),
    (NO_ARGUMENTS, {"content_type": "application/x-msgpack"}),
    (NO_ARGUMENTS, {"task": ["events.ingest"]}),
    (NO_ARGUMENTS, {"id": ["a"]}),
    (NO_ARGUMENTS, {"headers": [1]}),
    (NO_ARGUMENTS, {"headers": "x"}),
    (NO_ARGUMENTS, {"id": "x\n2026-01-01T00:00:00+0000 ERROR forged"}),
    (NO_ARGUMENTS, {"task": "celery.starmap"}),
    (NO_ARGUMENTS, {"task": "events.ingest_calls"}),
    (NO_ARGUMENTS, {"task": "notifications.deliver"}),
    (NO_ARGUMENTS, {"compression": "bzip2"}),
    (NO_ARGUMENTS, {"task": "events.unknown"}),
    (NO_ARGUMENTS, {"headers": {"task": "events.unknown"}}),
    ({"task": "nope"}, {"headers": {}}),
    ({"task": ["x"]}, {"headers": {}}),
    ({"plain": "json"}, {"headers": {}}),
    ('"\ud800 not json', {}),
    ("[[], {" + '"a": {' * 9000, {}),
    ('[[], {"events": [{"title": "]}, {}]', {}),
]

FORMLESS = [
    b"5",
    b"{}",
    b'{"body": [1], "properties": {"body_encoding": "rot13"}}',
    b"no JSON",
    b"",
    b"\xff\x00 nor text",
    b"[" * 5000,
    b'{"__type__": "decimal", "__value__": "abc"}',
    b'{"headers": {"__type__": "uuid", "__value__": "x"}}',
    b'{"body": {"__type__": "bytes", "__value__": 5}}',
    b'{"__type__": [], "__value__": 0}',
]
"""Bytes that are no message of any client."""


def test_any_message_is_kept_once_and_the_worker_goes_on(system: System) -> None:
    system.integration(a_key())
    worker = system.start_worker()
    for body, how in MALFORMED:
        push(system, body, **how)
    with system.ask_broker() as broker:
        broker.lpush("events", *FORMLESS)
    system.emit(an_event_object())
    system.wait_for_states(60, delivered=1)
    for odd in ("application/json\0", "text/\ud800", None):
        push(system, NO_ARGUMENTS, content_type=odd)
    eventually(lambda: len(rejected(system)) == 1, 60, "odd types name no other serializer")
    count = len(MALFORMED) + len(FORMLESS)
    eventually(lambda: kept(system) == count, 60, f"{count} kept messages")
    assert worker.popen.poll() is None
    assert "Unrecoverable" not in worker.text()
    with system.ask_broker() as broker:
        eventually(lambda: not broker.hlen(NotingChannel.unacked_key), 60, "all is acknowledged")
    assert system.ledger().findings == []


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"body": lambda e: [None, {"events": [e]}, None]}, id="null arguments"),
        pytest.param(
            {"body": lambda e: [[[e]], None, {}], "headers": {"task": "events.ingest"}},
            id="no id, positional",
        ),
        pytest.param(
            {
                "body": lambda e: {
                    "task": "events.ingest",
                    "args": None,
                    "kwargs": {"events": [e]},
                },
                "headers": {},
            },
            id="protocol 1 without id",
        ),
        pytest.param(
            {
                "body": lambda e: [[], {"events": [e]}, {}],
                "timelimit": 5,
                "stamps": 7,
                "stamped_headers": "x",
                "expires": "2020-01-01T00:00:00+00:00",
            },
            id="odd time limits and stamps, and expired",
        ),
        pytest.param(
            {"body": lambda e: [[], {"events": [e]}, {}], "eta": "9999-12-31T23:59:59+00:00"},
            id="for the year 9999",
        ),
        pytest.param(
            {"body": lambda e: [[], {"events": [e]}, {"delivery_info": 5, "callbacks": 5}]},
            id="an embed that replaces fields",
        ),
    ],
)
def test_no_event_is_lost_where_clients_leave_fields_out(
    system: System, how: dict[str, Any]
) -> None:
    system.integration(a_key())
    system.start_worker()
    push(system, **{**how, "body": how["body"](an_event_object())})
    system.wait_for_states(60, delivered=1)
    assert kept(system) == 0


@pytest.mark.parametrize("come", ["before", "while a worker waits"])
def test_a_wrong_event_keeps_no_other_of_its_batch_from_being_taken_in(
    system: System, come: str
) -> None:
    """What waits in the queue already is taken together with valid calls."""
    system.integration(a_key())
    if come != "before":
        system.start_worker()
    for odd in ODD.values():
        system.emit(an_event_object())
        good, bad = (json.dumps(an_event_object()).encode(), with_odd(an_event_object(), odd))
        push_bytes(system, body_of(good, bad))
    if come == "before":
        system.start_worker()
    system.wait_for_states(60, delivered=2 * len(ODD) + len(TAKEN))
    reasons = [r.reason for r in reversed(rejected(system))]
    assert len(reasons) == len(REJECTED)
    for _, words in REJECTED.values():
        assert any(one.startswith(words) for one in reasons)
    assert kept(system) == 0
    ledger = system.ledger()
    assert (ledger.received, ledger.findings) == (3 * len(ODD), [])
    with system.ask_broker() as broker:
        eventually(lambda: not broker.hlen(NotingChannel.unacked_key), 60, "all acknowledged")


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda body: b"\xef\xbb\xbf" + body, id="with a byte order mark"),
        pytest.param(lambda body: body + b"\0", id="with the NUL of a text in C"),
        pytest.param(lambda body: body.decode().encode("utf-16"), id="in UTF-16"),
        pytest.param(
            lambda body: (
                b'{"task":"events.ingest","id":"a","args":[],"kwargs":%s,"x":"\x80"}'
                % body[body.index(b"{") : body.rindex(b",")]
            ),
            id="of protocol 1, with a byte that is no UTF-8",
        ),
        pytest.param(
            lambda body: body[:-3] + b'{"chain":' + b"[" * 300 + b"]" * 300 + b"}]",
            id="with what follows in 300 levels, which is not read",
        ),
    ],
)
def test_a_message_in_an_odd_form_is_taken_in(
    system: System, form: Callable[[bytes], bytes]
) -> None:
    system.integration(a_key())
    system.start_worker()
    push_bytes(system, form(body_of(json.dumps(an_event_object()).encode())))
    system.wait_for_states(60, delivered=1)
    assert (kept(system), rejected(system), system.ledger().findings) == (0, [], [])


def test_an_event_deep_down_in_wrong_arguments_is_rejected_with_its_call(system: System) -> None:
    system.integration(a_key())
    system.start_worker()
    for body in (
        f"[[{'[' * 800}{']' * 800}], {{}}, {{}}]",
        f"[{'[' * 9000}{']' * 9000}, {{}}, {{}}]",
        f'[[], {{"events": [], "x": {"[" * 300}{"]" * 300}}}, {{}}]',
    ):
        push(system, body)
    eventually(lambda: len(rejected(system)) == 3, 60, "three rejections")
    call, deep, deeper = sorted((r.reason for r in rejected(system)), reverse=True)
    assert "these keywords: events, x" in call
    assert deep == deeper == "The event is nested over 32 levels deep."
    assert (kept(system), system.ledger().findings) == (0, [])


def test_an_undecodable_message_that_is_mended_pages(system: System) -> None:
    system.integration(a_key())
    system.start_worker()
    good = json.dumps(an_event_object()).encode()
    push_bytes(system, body_of(good, b'{"title": "]'))
    eventually(lambda: kept(system) == 1, 60, "it is kept")
    (shown,) = system.wiring.store.transact(
        lambda tx: tx.undecodable(EVERY_CLIENT, Slice(None, 10))
    ).items
    assert shown.reason.startswith("cannot be decoded: it has brackets or quotes that do not match")
    assert system.ledger().received == 0
    raw = message_body(system.ctx, EVERY_CLIENT, UNDECODABLE, shown.id)
    mended = raw.replace(b'{"title": "]', b'{"title": ""}')
    events, rejections = read_message_text(text_of(mended))
    resubmit_message(
        *(system.ctx, operator("Ann"), EVERY_CLIENT, UNDECODABLE, shown.id),
        events=events,
        rejections=rejections,
    )
    system.wait_for_states(60, delivered=1)
    assert kept(system) == 0
    ledger = system.ledger()
    assert (ledger.received, ledger.rejected, ledger.undecodable, ledger.findings) == (2, 1, 0, [])


def test_messages_of_a_batch_that_makes_no_task_are_sent_alone_and_not_lost(
    system: System,
) -> None:
    system.integration(a_key())
    for _ in range(5):
        system.emit(an_event_object())
    worker = system.start_worker("-I", "e2e.stumbling", PYTHONPATH=str(ROOT / "tests"))
    worker.wait_for("no task for so many")
    system.wait_for_states(60, delivered=5)
    assert kept(system) == 0
    with system.ask_broker() as broker:
        eventually(lambda: not broker.hlen(NotingChannel.unacked_key), 60, "all acknowledged")
    assert system.ledger().findings == []


def test_messages_that_cannot_be_kept_while_the_database_is_away_stop_no_worker(
    make_system: Callable[..., System],
) -> None:
    with KillablePostgres(settings={"fsync": "off"}) as server:
        upgrade(server.url)
        system = make_system(database_url=server.url, retry_time_scale=0.002, sweep_seconds=1)
        system.integration(a_key())
        worker = system.start_worker()
        server.kill()
        with Celery(broker=system.broker_url) as producer:
            for _ in range(4):
                producer.send_task("events.unknown", queue="events")
        push(system, NO_ARGUMENTS, headers=[1])
        worker.wait_for("message.not_kept")
        server.start()
        system.emit(an_event_object())
        system.wait_for_states(60, delivered=1)
        eventually(lambda: kept(system) == 5, 60, "five kept messages")
        system.close()


def packed_gigabytes() -> bytes:
    """Return 1.4 kB of bzip2 that unpack to 2 GB."""
    squeeze = bz2.BZ2Compressor()
    piece = bytes(2**24)
    return b"".join([*(squeeze.compress(piece) for _ in range(128)), squeeze.flush()])


def most_memory(worker: Process) -> int:
    """Return the most megabytes that the worker's parent had at once."""
    status = Path(f"/proc/{worker.popen.pid}/status").read_text()
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) // 1000


def test_a_small_message_that_unpacks_to_gigabytes_is_kept_as_it_came(system: System) -> None:
    """It is tried in a queue, and in the mailbox that all workers read."""
    system.integration(a_key())
    worker = system.start_worker()
    bomb = packed_gigabytes()
    assert len(bomb) < 2_000
    message = {
        "body": base64.b64encode(bomb).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "events.ingest", "id": "a", "compression": "bzip2"},
        "properties": {
            "body_encoding": "base64",
            "delivery_tag": "a",
            "delivery_info": {"exchange": "", "routing_key": "events"},
        },
    }
    number = urlsplit(system.broker_url).path.strip("/") or "0"
    with system.ask_broker() as broker:
        heard = broker.publish(f"/{number}.celery.pidbox", json.dumps(message))
        broker.lpush("events", json.dumps(message))
    assert heard == 1
    system.emit(an_event_object())
    system.wait_for_states(60, delivered=1)
    eventually(lambda: kept(system) >= 1, 60, "it is kept")
    rows = system.wiring.store.transact(lambda tx: tx._rows("SELECT body FROM undecodable"))
    assert {bytes(row["body"]) for row in rows} == {bomb}
    assert most_memory(worker) < 400
    assert worker.popen.poll() is None

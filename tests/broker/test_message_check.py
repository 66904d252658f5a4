"""Who may enqueue is lent no more than what a queue is for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from celery import Celery
from celery.exceptions import InvalidTaskError
from celery.worker.request import Request
from hypothesis import given
from hypothesis import strategies as st
from kombu.message import Message
from kombu.utils.json import dumps, loads
from odd_events import ODD, body_of, with_odd

from wallarm_notify import task_names
from wallarm_notify.broker import app as _queue  # noqa: F401 - sets kombu's compressions up
from wallarm_notify.broker.message_check import fault_of
from wallarm_notify.schemas.json_text import text_of
from wallarm_notify.task_names import (
    DELIVER,
    DRILL,
    INGEST,
    INGEST_CALLS,
    INGEST_QUEUES,
    NOTIFICATIONS_QUEUE,
    PRUNE,
    QUEUES,
    REPLAY,
    RETRIES_QUEUE,
    REVIEW,
    SWEEP,
    UPKEEP_QUEUE,
)

NAMES = [v for k, v in vars(task_names).items() if k.isupper() and isinstance(v, str) and "." in v]

TAKEN = {
    **{queue: {INGEST} for queue in INGEST_QUEUES},
    NOTIFICATIONS_QUEUE: {DELIVER},
    RETRIES_QUEUE: {DELIVER},
    UPKEEP_QUEUE: {SWEEP, REVIEW, PRUNE, DRILL, REPLAY},
    "somebody's": {INGEST},
}

CALL: list[Any] = [[], {"events": [{"id": 1}, {"id": 2}]}, {}]
NEVER = "9999-12-31T23:59:59+00:00"


@pytest.fixture(scope="module")
def app() -> Celery:
    """One with our tasks, and those that Celery brings along."""
    made = Celery("test", set_as_current=False, broker="memory://")
    for name in NAMES:

        @made.task(name=name)
        def do() -> None:
            """Nothing."""

    made.finalize()
    assert "celery.starmap" in made.tasks
    return made


def a_message(body: Any = CALL, **headers: Any) -> Message:
    raw: Any = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"lang": "py", "task": INGEST, "id": "an id", **headers}
    return Message(
        raw,
        content_type="application/json",
        content_encoding="utf-8",
        headers={name: value for name, value in given.items() if value is not ...},
        properties={"reply_to": "somebody", "correlation_id": "another"},
        delivery_info={"exchange": "", "routing_key": "events"},
    )


def fault(message: Message, app: Celery, queue: str = "events") -> str | None:
    return fault_of(message, app, queue)


@pytest.mark.parametrize("queue", [*QUEUES, "somebody's"])
def test_each_queue_is_for_its_own_tasks_and_no_others(app: Celery, queue: str) -> None:
    taken = {
        name for name in app.tasks if fault(a_message([[], {}, {}], task=name), app, queue) is None
    }
    assert taken == TAKEN[queue]
    assert INGEST_CALLS not in taken  # only a worker makes those, of calls that it has taken


def test_each_task_that_has_a_name_is_taken_from_some_queue(app: Celery) -> None:
    names = set(NAMES)
    taken = {
        name
        for queue in QUEUES
        for name in names
        if fault(a_message([[], {}, {}], task=name), app, queue) is None
    }
    assert names - taken == {INGEST_CALLS}


@pytest.mark.parametrize("task", [INGEST, DELIVER])
@pytest.mark.parametrize(
    "follows",
    [
        {"callbacks": [{"task": "celery.starmap", "options": {"queue": "elsewhere"}}]},
        {"errbacks": [{"task": "x"}]},
        {"chain": [{"task": "x"}]},
        {"chord": {"task": "celery.chord_unlock"}},
        {"delivery_info": 5, "callbacks": "x"},
    ],
)
def test_nothing_follows_a_task(app: Celery, task: str, follows: dict[str, Any]) -> None:
    message = a_message([[], {"events": []}, follows], task=task)
    assert fault(message, app, "events" if task == INGEST else "retries") is None
    nothing = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))
    assert message.payload == json.loads(str(message.body)) == [[], {"events": []}, nothing]


def test_only_what_a_task_needs_is_read_of_a_message(app: Celery) -> None:
    message = a_message(
        eta=NEVER,
        expires="2020-01-01T00:00:00+00:00",
        shadow="celery.backend_cleanup",
        timelimit=[1, 1],
        group="a group",
        parent_id="x",
        root_id=["x"],
        retries=10**9,
        stamps={"a": 1},
        stamped_headers=["a"],
        ignore_result=False,
        replaced_task_nesting=3,
        argsrepr="ann@example.com",
        kwargsrepr="{'events': [{'user_email': 'ann@example.com'}]}",
        origin="gen7@a host",
    )
    assert fault(message, app) is None
    assert message.headers == {
        "lang": "py",
        "task": INGEST,
        "id": "an id",
        "root_id": "an id",
        "parent_id": None,
        "origin": "gen7@a host",
        "argsrepr": "()",
        "kwargsrepr": "2 events",
    }
    assert message.properties == {"correlation_id": "an id"}


@pytest.mark.parametrize("empty", [[], {}, None, "", 0, False])
def test_an_embed_of_whatever_emptiness_is_taken(app: Celery, empty: Any) -> None:
    message = a_message([[], {"events": []}, empty])
    assert fault(message, app) is None
    assert message.payload[:2] == [[], {"events": []}]


def test_protocol_1_is_lent_no_more(app: Celery) -> None:
    body: dict[str, Any] = {
        "task": INGEST,
        "id": "an id",
        "args": [[]],
        "kwargs": None,
        "eta": NEVER,
        "callbacks": [{"task": "celery.starmap"}],
        "taskset": "x",
    }
    message = a_message(body, task=..., id=..., lang=...)
    assert fault(message, app) is None
    assert "eta" not in message.headers
    assert message.payload[:2] == [[[]], {}]
    assert not any(message.payload[2].values())


@pytest.mark.parametrize(
    "task_id",
    [
        "x\n2026-01-01T00:00:00 ERROR forged",
        "\x1b[2J",
        "a\u202eb",
        "a\u2028b",
        "\x9b",
        "",
        "x" * 256,
        7,
        ["a"],
    ],
)
def test_an_id_that_is_not_printable_or_too_long_is_refused(app: Celery, task_id: Any) -> None:
    assert "its id is no text" in str(fault(a_message(id=task_id), app))


@pytest.mark.parametrize("task_id", [..., None])
def test_a_message_without_an_id_is_given_one(app: Celery, task_id: Any) -> None:
    message = a_message(id=task_id)
    assert fault(message, app) is None
    assert len(message.headers["id"]) == 36


def test_an_id_of_255_characters_will_do(app: Celery) -> None:
    message = a_message(id="é" * 255)
    assert fault(message, app) is None
    assert message.headers["id"] == "é" * 255


@pytest.mark.parametrize(
    ("eta", "held"),
    [
        (timedelta(seconds=60), True),
        (timedelta(hours=-1), True),
        (timedelta(hours=1, minutes=59), True),
        (timedelta(hours=2, minutes=1), False),
        (NEVER, False),
        ("9999-12-31T23:59:59-23:59", False),
        ("never", False),
        ("", False),
        (5, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_task_of_ours_is_held_for_two_hours_at_most(app: Celery, eta: Any, *, held: bool) -> None:
    given = (datetime.now(UTC) + eta).isoformat() if isinstance(eta, timedelta) else eta
    message = a_message([[], {"ids": [1]}, {}], task=DELIVER, eta=given)
    assert fault(message, app, RETRIES_QUEUE) is None
    assert message.headers["eta"] == (given if held else None)


@pytest.mark.parametrize("kind", ["gzip", "zlib", "bzip2", "application/x-bz2", "lzma", "xz", "no"])
def test_what_is_compressed_is_refused_before_it_is_unpacked(app: Celery, kind: str) -> None:
    packed: Any = b"BZh9" + bytes(100)
    message = a_message(packed, compression=kind)
    assert message.errors
    assert message.body == packed


@pytest.mark.parametrize("odd", ODD)
def test_a_call_with_an_odd_event_is_passed_on_for_each_event_to_be_read_by_itself(
    app: Celery, odd: str
) -> None:
    body = body_of(b'{"id": 1}', with_odd({}, ODD[odd]))
    message = a_message(body)
    assert fault(message, app) is None
    assert (message.headers["task"], message.headers["id"]) == (INGEST_CALLS, "an id")
    assert message.headers["kwargsrepr"] == "2 events"
    # What a process of the pool, and another worker's, reads of it.
    assert loads(str(message.body)) == message.payload
    (call,) = message.payload[1]["calls"]
    assert call["text"] == text_of(body)


def test_protocol_1_with_an_odd_event_is_passed_on_with_its_id(app: Celery) -> None:
    body = b'{"task":"events.ingest","id":"another id","eta":"x","args":[["\x80"]],"x":%s}'
    message = a_message(body % (b"7" * 4301), task=..., id=..., lang=...)
    assert fault(message, app) is None
    assert (message.headers["task"], message.headers["id"]) == (INGEST_CALLS, "another id")
    assert message.headers["kwargsrepr"] == "1 event"


@pytest.mark.parametrize("around", [b"\xef\xbb\xbf%s", b"%s\0", b" %s\r\n\0"])
def test_what_stands_around_the_body_does_no_harm(app: Celery, around: bytes) -> None:
    message = a_message(around % body_of(b'{"id": 1}'))
    assert fault(message, app) is None
    (call,) = message.payload[1]["calls"]
    assert call["text"] == body_of(b'{"id": 1}').decode()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'[[],{"events":[{"x":"\x80"]},{}]', "do not match (character"),
        (b'[[],{"events":[{"x":"\x80}]},{}]', "do not match (character"),
        (b'[[],{"events":[{"x":1', "do not match (character"),
        (b'[[],{"events":[]},{}]x', "goes on after its end (character 22)"),
        (b"\xff\x00\x01", "is no list and no object"),
        (b'["\x80"]', "is not a task message"),
        (b'[5,{"events":["\x80"]},{}]', "has arguments that are not a list and an object"),
    ],
)
def test_what_holds_no_list_of_events_says_why(app: Celery, body: bytes, words: str) -> None:
    assert words in str(fault(a_message(body), app))


@pytest.mark.parametrize("odd", ODD.values())
def test_no_other_task_is_passed_on_piece_by_piece(app: Celery, odd: bytes) -> None:
    body = b'[[],{"ids":[1,' + (odd or b"nul") + b"]},{}]"
    for queue in (NOTIFICATIONS_QUEUE, RETRIES_QUEUE, UPKEEP_QUEUE):
        assert fault(a_message(body, task=DELIVER), app, queue) is not None
    assert "names no task" in str(fault(a_message(body, task=DELIVER), app))
    assert "names no task" in str(fault(a_message(body, task=INGEST_CALLS), app))


def test_marks_of_a_python_producer_are_passed_on_as_they_are(app: Celery) -> None:
    body = dumps([[], {"events": [{"id": UUID(int=7), "at": datetime.now(UTC)}]}, {}]).encode()
    message = a_message(body)
    assert fault(message, app) is None
    assert message.headers["task"] == INGEST
    assert message.payload[1]["events"][0]["id"] == UUID(int=7)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(NEVER),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
TIMES = st.datetimes(timezones=st.none() | st.timezones() | st.just(UTC)).map(datetime.isoformat)
CELERYS_HEADERS = (
    *("lang", "shadow", "expires", "group", "group_index", "retries", "timelimit", "root_id"),
    *("parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result", "stamps", "meth", "chain"),
    *("replaced_task_nesting", "stamped_headers", "callbacks", "errbacks", "chord", "compression"),
)


def request_of(message: Message, app: Celery) -> Any:
    """What Celery makes of a message before it starts its task; it raises what would end in no task."""
    made: Any = Request
    name = message.headers["task"]
    body, headers = message.body, message.headers
    return made(message, app=app, task=app.tasks[name], body=body, headers=headers, utc=True)


@given(
    queue=st.sampled_from([*QUEUES, "somebody's"]),
    arguments=st.tuples(st.lists(JSON) | st.none(), st.dictionaries(st.text(), JSON), JSON),
    is_protocol_1=st.booleans(),
    headers=st.fixed_dictionaries(
        {"id": st.text(min_size=1, max_size=9) | st.none()},
        optional={"eta": TIMES | JSON} | dict.fromkeys(CELERYS_HEADERS, JSON | TIMES),
    ),
    properties=st.dictionaries(st.sampled_from(["reply_to", "priority", "x"]), JSON),
    delivery_info=st.dictionaries(st.sampled_from(["redelivered", "exchange", "x"]), JSON),
)
def test_celery_makes_a_task_of_a_valid_message_whatever_its_headers(
    app: Celery,
    *,
    queue: str,
    arguments: tuple[Any, ...],
    headers: dict[str, Any],
    properties: dict[str, Any],
    delivery_info: dict[str, Any],
    is_protocol_1: bool,
) -> None:
    """What the check lets pass without a request of its own, a request finds no fault with."""
    args, kwargs, _ = arguments
    task = min(TAKEN[queue])
    one = {**headers, "task": task, "args": args, "kwargs": kwargs}
    body: Any = json.dumps(one if is_protocol_1 else arguments).encode()
    message = Message(
        body,
        content_type="application/json",
        content_encoding="utf-8",
        headers={**headers, "task": task} if not is_protocol_1 else {},
        properties=properties,
        delivery_info=delivery_info,
    )
    if fault(message, app, queue) is None:
        request = request_of(message, app)
        assert (request.id, request.task.name) == (message.headers["id"], message.headers["task"])
        assert request.args == message.payload[0]


@pytest.mark.parametrize("odd", ODD)
def test_of_what_is_passed_on_as_text_celery_makes_a_task(app: Celery, odd: str) -> None:
    message = a_message(body_of(with_odd({}, ODD[odd])), eta="no time", expires="nor this", id=None)
    assert fault(message, app) is None
    assert request_of(message, app).task.name == INGEST_CALLS


@pytest.mark.parametrize("eta", ["2026-01-01T00:00:00+05:30:15", "2026-01-01T00:00:00-00:00:01"])
def test_a_time_that_python_reads_and_celery_does_not_is_found_out(app: Celery, eta: str) -> None:
    datetime.fromisoformat(eta)
    message = a_message([[], {"ids": [1]}, {}], task=DELIVER, eta=eta)
    assert "cannot be read: InvalidTaskError" in str(fault(message, app, RETRIES_QUEUE))
    with pytest.raises(InvalidTaskError):
        request_of(message, app)

"""The check of each message: whether it may become a task, and what of it is read (spec 2).

Who may enqueue may do no more than that. Celery would obey any sender: run any task that exists, enqueue the
tasks that are to follow, wait for years, decompress gigabytes. So a message keeps what this system's tasks
need, and nothing else of it is read.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from celery import Celery
from celery.worker.request import Request
from kombu.exceptions import DecodeError
from kombu.utils.json import dumps

from wallarm_notify import task_names
from wallarm_notify.broker.batching import events_in
from wallarm_notify.domain.words import counted
from wallarm_notify.schemas.call_text import call_in
from wallarm_notify.schemas.json_text import NoJson, text_of
from wallarm_notify.schemas.storable import is_deep

DEEPEST: Final = 256
"""The deepest nesting of lists and objects; Celery pickles a call, and stalls on deeper ones."""

LONGEST_WORD: Final = 255
"""The greatest length of an id or a name, in characters."""

LONGEST_WORDS: Final = 1_000
"""The greatest length of a task's description of its arguments, in characters."""

FURTHEST: Final = timedelta(hours=2)
"""How far ahead a task of this system may be due. A minute is needed; the rest allows for clocks that differ."""

_TAKEN: Final[Mapping[str, frozenset[str]]] = {
    task_names.NOTIFICATIONS_QUEUE: frozenset({task_names.DELIVER}),
    task_names.RETRIES_QUEUE: frozenset({task_names.DELIVER}),
    task_names.UPKEEP_QUEUE: frozenset(
        {
            task_names.SWEEP,
            task_names.REVIEW,
            task_names.PRUNE,
            task_names.DRILL,
            task_names.REPLAY,
        }
    ),
}
"""The tasks that are taken from this system's own queues. Every other queue, which producers write to, has events."""

_PRODUCERS: Final = frozenset({task_names.INGEST})

_OTHER_SERIALIZERS: Final = frozenset(
    {
        "application/x-python-serialize",
        "application/x-yaml",
        "application/x-msgpack",
        "application/msgpack",
    }
)
"""The content types of Celery's other serializers, which are refused.

Clients in other languages may name any other content type; their bodies are read as JSON.
"""

_NOTHING_FOLLOWS: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def fault_of(message: Any, app: Celery, queue: str) -> str | None:
    """Return why ``message``, taken from ``queue``, cannot become a task, or None if it can.

    A message that can is changed to its valid form: an absent id and null arguments, as clients in other
    languages send them, are filled in.
    """
    try:
        return _fault_of(message, app, queue)
    except MemoryError:
        raise  # no fault of the message
    except Exception as error:  # noqa: BLE001 - a foreign message may make Celery raise anything
        return f"cannot be read: {error!r}"


def _fault_of(message: Any, app: Celery, queue: str) -> str | None:
    if _TAKEN.get(queue, _PRODUCERS) == _PRODUCERS and _may_be_json(message.content_type):
        message.content_type = "application/json"
    try:
        payload = message.decode()
    except DecodeError as error:
        # A body that was not decompressed is not text.
        if message.errors or _TAKEN.get(queue, _PRODUCERS) != _PRODUCERS:
            return f"cannot be decoded: {error}"
        return _fault_of_text(message, queue)
    return _fault_of_payload(message, payload, app, queue)


def _may_be_json(content_type: Any) -> bool:
    """Return whether a producer's body is read as JSON: any body that names no other serializer is."""
    named = str(content_type or "").partition(";")[0].strip().lower()
    return named not in _OTHER_SERIALIZERS


def _fault_of_payload(message: Any, payload: Any, app: Celery, queue: str) -> str | None:
    headers = message.headers
    match payload:
        # Some languages write [] for {}. The content of this part is not read.
        case [args, kwargs, embed] if "task" in headers and (not embed or isinstance(embed, dict)):
            pass
        case {"args": _} | {"task": _}:
            # Protocol 1: the body is an object with everything in it.
            headers = payload | headers if "task" in headers else payload
            args, kwargs = payload.get("args"), payload.get("kwargs")
        case _:
            return "is not a task message"
    parts = [[] if args is None else args, kwargs or {}, _NOTHING_FOLLOWS]
    if not isinstance(parts[0], list) or not isinstance(parts[1], dict):
        return "its arguments are not a list and an object"
    name = headers.get("task")
    task_id = str(uuid4()) if headers.get("id") is None else headers["id"]
    fault = _fault_of_headers(name, task_id, queue)
    if fault is None and is_deep(parts, DEEPEST):
        if name == task_names.INGEST:
            return _fault_of_text(message, queue)
        fault = f"its arguments are nested more than {DEEPEST} deep"
    if fault is not None:
        return fault
    if parts != payload:
        _rewrite(message, parts)
    message.headers = _headers(headers, name, task_id, parts)
    message.properties = {"correlation_id": task_id}
    if message.headers.get("eta") is not None:
        _try_eta(message, app, name)
    return None


def _fault_of_text(message: Any, queue: str) -> str | None:
    """Return why a producer's message is no call, or None; one that does not decode as a whole is passed on as text.

    Its events are read one by one when they are stored: see ``schemas.call_text``.
    """
    try:
        call = call_in(text_of(message.body))
    except NoJson as error:
        return f"cannot be decoded: it {error}"
    in_body = {
        name: call.field_value(name) for name in ("task", "id", "origin") if name in call.fields
    }
    headers = in_body | message.headers
    name = headers.get("task")
    task_id = str(uuid4()) if headers.get("id") is None else headers["id"]
    fault = _fault_of_headers(name, task_id, queue)
    if fault is not None:
        return fault
    _rewrite(message, [[], {"calls": [{"text": call.text}]}, {}])
    message.headers = _headers(headers, task_names.INGEST, task_id, [[call.events], {}, {}])
    message.headers["task"] = task_names.INGEST_CALLS
    message.properties = {"correlation_id": task_id}
    return None


def _fault_of_headers(name: Any, task_id: Any, queue: str) -> str | None:
    if not isinstance(name, str) or name not in _TAKEN.get(queue, _PRODUCERS):
        return f"names no task that is taken from here: {name!r}"
    if not _is_word(task_id):
        return f"its id is no text of at most {LONGEST_WORD} printable characters"
    return None


def _rewrite(message: Any, parts: list[Any]) -> None:
    message.body = dumps(parts)
    message.content_type, message.content_encoding = "application/json", "utf-8"
    message._decoded_cache = parts  # noqa: SLF001 - otherwise the old body would be read again


def _try_eta(message: Any, app: Celery, name: str) -> None:
    """Raise what Celery would raise for a time that it cannot read, by making a request that nobody runs.

    Celery reads fewer forms of a time than Python. Every other header is this system's by now, and valid.
    Events have no time, so this costs nothing for most messages.
    """
    Request(
        message,
        app=app,
        task=app.tasks[name],
        body=message.body,
        headers=message.headers,
        decoded=False,
        utc=True,
    )


def _headers(given: Mapping[str, Any], name: str, task_id: str, parts: list[Any]) -> dict[str, Any]:
    """Return the headers of a valid message: an event is taken in when it comes (spec 2)."""
    origin = given.get("origin")
    headers = {
        "lang": "py",
        "task": name,
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "origin": origin if _is_word(origin) else None,
        "argsrepr": "()",
        "kwargsrepr": given.get("kwargsrepr"),
    }
    if name == task_names.INGEST:
        # Monitors show this text to everybody, and clients may put names and addresses into it.
        headers["kwargsrepr"] = counted(events_in(parts), "event")
        return headers
    if not _is_printable(headers["kwargsrepr"], LONGEST_WORDS):
        headers["kwargsrepr"] = ""
    headers["eta"] = given.get("eta") if _is_soon(given.get("eta")) else None
    return headers


def _is_soon(eta: Any) -> bool:
    """Return whether a worker may hold a message in its memory until ``eta``."""
    try:
        due = datetime.fromisoformat(eta)
        return due.replace(tzinfo=due.tzinfo or UTC) - datetime.now(UTC) <= FURTHEST
    except (TypeError, ValueError, OverflowError):
        return False


def _is_word(value: Any) -> bool:
    return _is_printable(value, LONGEST_WORD) and bool(value)


def _is_printable(value: Any, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most and value.isprintable()

"""Whether Celery can make a task of a message: what it cannot would end the worker (spec 2)."""

from typing import Any, Final
from uuid import uuid4

from celery import Celery
from celery.worker.request import Request
from kombu.utils.json import dumps

DEEPEST: Final = 256
"""Lists and objects within one another; Celery pickles a call, and stalls on what is too deep."""


def fault_of(message: Any, app: Celery) -> str | None:
    """Why no task can be made of ``message``; None: it is sound, or has been made so.

    What other languages' clients leave out is filled in: an id, and null arguments.
    """
    try:
        return _fault_of(message, app)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's message makes Celery raise
        return f"cannot be read: {error!r}"


def _fault_of(message: Any, app: Celery) -> str | None:
    payload, headers = message.decode(), message.headers
    match payload:
        case [args, kwargs, embed] if "task" in headers:
            pass
        case {"args": _} | {"task": _}:
            # Protocol 1: the body is an object with everything in it.
            headers = payload | headers if "task" in headers else payload
            args, kwargs = payload.get("args"), payload.get("kwargs")
            embed = payload
        case _:
            return "is not a task message"
    parts = [[] if args is None else args, kwargs or {}, _embed(embed or {})]
    if not isinstance(parts[0], list) or not isinstance(parts[1], dict):
        return "its arguments are not a list and an object"
    headers = _plain_headers(headers)
    name = headers.get("task")
    if not isinstance(name, str) or name not in app.tasks:
        return f"names no task of ours: {name!r}"
    if not isinstance(headers["id"], str):
        return "its id is not a string"
    if _is_deep(parts):
        return f"its arguments are nested more than {DEEPEST} deep"
    if parts != payload:
        message.body = dumps(parts)
        message.content_type, message.content_encoding = "application/json", "utf-8"
        message._decoded_cache = parts  # noqa: SLF001 - or the old body would be read again
    message.headers, message.properties = headers, _scalars(message.properties)
    # Made once for nothing: what is left that a header can spoil, it spoils here.
    Request(
        message,
        app=app,
        task=app.tasks[name],
        body=message.body,
        headers=headers,
        decoded=False,
        utc=True,
    )
    return None


def _plain_headers(headers: dict[str, Any]) -> dict[str, Any]:
    """``headers`` without what Celery takes apart unseen; with an id, which some clients leave out.

    Our tasks bound their own time and wear no stamps, and an event does not expire (spec 7): what
    a client says of these is not read.
    """
    if headers.get("id") is None:
        headers = headers | {"id": str(uuid4())}
    nested = [name for name in ("id", "task") if isinstance(headers.get(name), list | dict)]
    if nested:
        raise ValueError(f"no string: {', '.join(nested)}")
    unread = ("timelimit", "stamps", "stamped_headers", "expires")
    return {name: value for name, value in _scalars(headers).items() if name not in unread}


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [item for items in inner for item in items if isinstance(item, list | dict)]
        if not level:
            return False
    return True


def _scalars(fields: dict[str, Any]) -> dict[str, Any]:
    """Nothing nested: however deep it is, it could not be handed to a child process."""
    return {
        name: value
        for name, value in fields.items()
        if value is None or isinstance(value, str | int | float)
    }


def _embed(given: dict[str, Any]) -> dict[str, Any]:
    """What is to follow a task; anything else in there would replace the request's own fields."""
    kinds: dict[str, type] = {"callbacks": list, "errbacks": list, "chain": list, "chord": dict}
    return {
        name: given[name] if isinstance(given.get(name), kind) else None
        for name, kind in kinds.items()
    }

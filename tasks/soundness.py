"""Whether Celery can make a task of a message: what it cannot would end the worker (spec 2)."""

import json
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.worker.request import Request
from celery.worker.strategy import proto1_to_proto2  # type: ignore[attr-defined]  # its types lack it


def fault_of(message: Any, app: Celery) -> str | None:
    """Why no task can be made of ``message``; None: it is sound, or has been made so.

    What other languages' clients leave out is filled in: an id, and null arguments.
    """
    try:
        return _fault_of(message, app)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's message makes Celery raise
        return f"cannot be read: {error!r}"


def _fault_of(message: Any, app: Celery) -> str | None:
    fault = _mend_body(message) if "task" in message.headers else _mend_old(message.decode())
    if fault is not None:
        return fault
    old = "task" not in message.headers
    described = message.payload if old else message.headers
    if not isinstance(described.setdefault("id", str(uuid4())), str):
        return "its id is not a string"
    name = described["task"]
    if not isinstance(name, str) or name not in app.tasks:
        return f"names no task of ours: {name!r}"
    _drop_limits(described)
    if old:
        body, headers, decoded, utc = proto1_to_proto2(message, dict(message.payload))
    else:
        body, headers, decoded, utc = message.body, message.headers, False, True
    # Made once for nothing: everything that a header can spoil, it spoils here.
    Request(
        message, app=app, task=app.tasks[name], body=body, headers=headers, decoded=decoded, utc=utc
    )
    return None


def _drop_limits(described: dict[str, Any]) -> None:
    """Our tasks bound their own time and wear no stamps: what a client says of either is not read."""
    described["timelimit"] = [None, None]
    for name in ("stamps", "stamped_headers"):
        described.pop(name, None)


def _mend_body(message: Any) -> str | None:
    """Protocol 2: the body is ``[args, kwargs, embed]``."""
    payload = message.payload
    if not isinstance(payload, list) or len(payload) != 3:  # noqa: PLR2004 - the protocol's
        return "its body is not [args, kwargs, embed]"
    mended = [[] if payload[0] is None else payload[0], payload[1] or {}, payload[2] or {}]
    if not _are_arguments(mended[0], mended[1]) or not isinstance(mended[2], dict):
        return "its arguments are not a list and an object"
    if mended != payload:
        message.body = json.dumps(mended)
        message.content_type, message.content_encoding = "application/json", "utf-8"
        message._decoded_cache = mended  # noqa: SLF001 - or the old body would be read again
    return None


def _mend_old(payload: Any) -> str | None:
    """Protocol 1: the body is an object with everything in it."""
    if not isinstance(payload, dict) or "task" not in payload:
        return "is not a task message"
    for name, nothing in (("args", []), ("kwargs", {})):
        if payload.get(name) is None:
            payload[name] = nothing
    if not _are_arguments(payload["args"], payload["kwargs"]):
        return "its arguments are not a list and an object"
    return None


def _are_arguments(args: Any, kwargs: Any) -> bool:
    return isinstance(args, list) and isinstance(kwargs, dict)

"""The `/sandbox` routes: look at what came in, ask for trouble, forget."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from wallarm_notify.sandbox import fields
from wallarm_notify.sandbox.answers import Answer, json_answer, refused
from wallarm_notify.sandbox.events import is_well_formed_key, read_json
from wallarm_notify.sandbox.faults import FaultPlan, read_faults
from wallarm_notify.sandbox.fields import RefusedError
from wallarm_notify.sandbox.memory import Memory
from wallarm_notify.sandbox.paging import MAX_PAGE, page
from wallarm_notify.sandbox.wire import Request

PREFIX = "/sandbox"
DEFAULT_PAGE = 100
MAX_RATE = 1_000_000_000
_KNOBS = ("rate_limit", "retry_after", "idle_timeout")


def control(memory: Memory, request: Request) -> Answer:
    """Return the answer to a request for a `/sandbox` path; a refusal is a 400 with a sentence."""
    methods = _ROUTES.get(request.path.rstrip("/"))
    if methods is None:
        return refused(HTTPStatus.NOT_FOUND, f"There is nothing at {request.path}.")
    answer = methods.get(request.method)
    if answer is None:
        allowed = ", ".join(methods)
        return refused(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.path} takes {allowed} only.")
    try:
        return json_answer(HTTPStatus.OK, answer(memory, request))
    except RefusedError as refusal:
        return refused(HTTPStatus.BAD_REQUEST, str(refusal))


def _requests(memory: Memory, request: Request) -> Any:
    query = _query(request, "since", "limit", "key", "brief")
    brief = query.get("brief", "0")
    if brief not in ("0", "1"):
        raise RefusedError("'brief' must be 0 or 1.")
    found, cursor = page(memory.journal.entries, **_paging(query))
    return {"items": [entry.as_document(brief=brief == "1") for entry in found], "next": cursor}


def _alerts(memory: Memory, request: Request) -> Any:
    paging = _paging(_query(request, "since", "limit", "key"))
    alerts, key = memory.alerts, paging["key"]
    found, cursor = page(alerts.all, **paging)
    return {
        "items": [alert.as_document() for alert in found],
        "next": cursor,
        "dropped": alerts.dropped.total() if key is None else alerts.dropped[key],
        "changes": alerts.changes.total() if key is None else alerts.changes[key],
    }


def _show_keys(memory: Memory, _: Request) -> Any:
    return {"keys": None if memory.known_keys is None else sorted(memory.known_keys)}


def _set_keys(memory: Memory, request: Request) -> Any:
    document = fields.only(_document(request), ("keys",), "The document")
    keys = document.get("keys", ())
    if keys is None:
        memory.known_keys = None
    elif (
        "keys" in document
        and isinstance(keys, list)
        and all(isinstance(key, str) and is_well_formed_key(key) for key in keys)
    ):
        memory.known_keys = frozenset(keys)
    else:
        raise RefusedError("'keys' must be null or a list of keys of 32 letters and digits.")
    return _show_keys(memory, request)


def _show_faults(memory: Memory, _: Request) -> Any:
    knobs = memory.knobs
    return {
        "faults": memory.faults.as_document(datetime.now(UTC)),
        "rate_limit": knobs.rate_limit,
        "retry_after": _in_seconds(knobs.retry_after),
        "idle_timeout": _in_seconds(knobs.idle_timeout),
    }


def _set_faults(memory: Memory, request: Request) -> Any:
    document = fields.only(_document(request), ("faults", *_KNOBS), "The document")
    faults = read_faults(document.get("faults", []))
    changed: dict[str, Any] = {
        name: fields.seconds(document, name)
        for name in ("retry_after", "idle_timeout")
        if name in document
    }
    if "rate_limit" in document:
        rate_limit = fields.whole(document, "rate_limit", 0, MAX_RATE)
        if rate_limit is None:
            raise RefusedError("'rate_limit' must be a whole number; 0 switches the limit off.")
        changed["rate_limit"] = rate_limit
    memory.knobs = replace(memory.knobs, **changed)
    memory.faults = FaultPlan(faults, now=datetime.now(UTC))
    return _show_faults(memory, request)


def _forget(memory: Memory, _: Request) -> Any:
    memory.forget()
    return {"forgotten": True}


_ROUTES: Mapping[str, Mapping[str, Callable[[Memory, Request], Any]]] = {
    PREFIX: {"DELETE": _forget},
    f"{PREFIX}/requests": {"GET": _requests},
    f"{PREFIX}/alerts": {"GET": _alerts},
    f"{PREFIX}/keys": {"GET": _show_keys, "PUT": _set_keys},
    f"{PREFIX}/faults": {"GET": _show_faults, "PUT": _set_faults},
}


def _in_seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _document(request: Request) -> Any:
    try:
        return read_json(request.body)
    except ValueError as error:
        raise RefusedError("The document must be JSON.") from error


def _query(request: Request, *permitted: str) -> dict[str, str]:
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    return dict(fields.only(query, permitted, "The query"))


def _paging(query: Mapping[str, str]) -> dict[str, Any]:
    return {
        "since": _number(query, "since", 0, 0, MAX_RATE),
        "limit": _number(query, "limit", DEFAULT_PAGE, 1, MAX_PAGE),
        "key": query.get("key"),
    }


def _number(query: Mapping[str, str], name: str, otherwise: int, least: int, most: int) -> int:
    value = query.get(name)
    if value is None:
        return otherwise
    if not (value.isascii() and value.isdigit() and len(value) <= len(str(most))):
        raise RefusedError(f"{name!r} must be a whole number from {least} to {most}.")
    return fields.whole({name: int(value)}, name, least, most) or least

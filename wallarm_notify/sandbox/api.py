"""PagerDuty's answer to one event: the event is parsed, then its fields, key and rate are checked."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from uuid import uuid4

from wallarm_notify.sandbox import events
from wallarm_notify.sandbox.faults import Status
from wallarm_notify.sandbox.memory import Memory

JSON: Final = {"Content-Type": "application/json"}
PLAIN: Final = {"Content-Type": "text/plain; charset=utf-8"}

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


class Route(StrEnum):
    """The paths that take events; each also ends in a slash."""

    ALERT = "/v2/enqueue"
    CHANGE = "/v2/change/enqueue"


class Answer(NamedTuple):
    """A status, its headers (a length is added when it is sent) and the bytes of its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Submission(NamedTuple):
    """One request as PagerDuty reads it, received `at`; a `body` of None was no JSON object."""

    route: Route
    size: int
    body: Mapping[str, Any] | None
    key: str | None
    at: datetime


def read_submission(route: Route, raw: bytes, header_key: str | None, at: datetime) -> Submission:
    """Return the request made of `raw` and the `X-Routing-Key` header, received `at`."""
    body = events.read_body(raw) if len(raw) <= events.MAX_BODY_BYTES else None
    return Submission(route, len(raw), body, events.routing_key_of(body, header_key), at)


def submit(memory: Memory, submission: Submission, *, discard: bool = False) -> Answer:
    """Return PagerDuty's answer, after an accepted event (202) has had its effect.

    `discard` accepts the event as usual and then drops it, as a disabled service does.
    """
    route, size, body, key, at = submission
    if size > events.MAX_BODY_BYTES:
        return _invalid([events.TOO_LARGE])
    if body is None:
        return _problem("Unrecognized object", "format is unrecognized", ["JSON parse error"])
    check = events.alert_errors if route is Route.ALERT else events.change_errors
    errors = check(body, key)
    if errors or key is None:
        return _invalid(errors)
    if memory.known_keys is not None and key not in memory.known_keys:
        return Answer(HTTPStatus.BAD_REQUEST, PLAIN, b"Invalid routing key")
    settings = memory.settings
    if not memory.window.admit(key, settings.rate_limit, at):
        return _throttled(settings.retry_after)
    return _accept(memory, route, key, body, None if discard else at)


def _accept(
    memory: Memory, route: Route, key: str, body: Mapping[str, Any], now: datetime | None
) -> Answer:
    """Return 202, after the event has had its effect; a `now` of None drops the event."""
    document = {"status": "success", "message": "Event processed"}
    if route is Route.ALERT:
        given = body.get("dedup_key")
        document["dedup_key"] = uuid4().hex if events.is_blank(given) else str(given)
    if now is None:
        memory.alerts.dropped[key] += 1
    elif route is Route.ALERT:
        memory.alerts.take(key, document["dedup_key"], body, now)
    else:
        memory.alerts.changes[key] += 1
    return json_answer(HTTPStatus.ACCEPTED, document)


def status_answer(fault: Status) -> Answer:
    """Return the answer of a `status` fault, which takes the place of PagerDuty's."""
    if isinstance(fault.body, dict | list):
        answer = json_answer(fault.status, fault.body)
    elif fault.body is None and fault.status == HTTPStatus.TOO_MANY_REQUESTS:
        answer = _throttled(None)
    else:
        body = (fault.body or "").encode("utf-8", errors="replace")
        answer = Answer(fault.status, PLAIN, body)
    given = fault.headers or {}
    names = {name.lower() for name in given}
    ours = dict(answer.headers) | _retry_after(fault.retry_after)
    kept = {name: value for name, value in ours.items() if name.lower() not in names}
    return answer._replace(headers=kept | given)


def json_answer(status: int, document: Any) -> Answer:
    """Return `document` as a JSON answer."""
    return Answer(status, JSON, _encode(document).encode())


def _invalid(errors: Sequence[str]) -> Answer:
    return _problem("invalid event", "is invalid", errors)


def _problem(status: str, what: str, errors: Sequence[str]) -> Answer:
    document = {"status": status, "message": f"Event object {what}", "errors": errors}
    return json_answer(HTTPStatus.BAD_REQUEST, document)


def _throttled(retry_after: float | None) -> Answer:
    document = {
        "status": "throttle exceeded",
        "message": "Requests for this service are arriving too quickly.  Please retry later.",
    }
    answer = json_answer(HTTPStatus.TOO_MANY_REQUESTS, document)
    return answer._replace(headers=JSON | _retry_after(retry_after))


def _retry_after(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": f"{seconds:g}"}

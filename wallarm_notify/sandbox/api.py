"""What PagerDuty answers to one event: parse, then fields, then the key, then the rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from wallarm_notify.sandbox import answers, events
from wallarm_notify.sandbox.answers import Answer
from wallarm_notify.sandbox.faults import header_seconds
from wallarm_notify.sandbox.memory import Memory


class Route(StrEnum):
    """The two doors for events; each also opens with a trailing slash."""

    ALERT = "/v2/enqueue"
    CHANGE = "/v2/change/enqueue"


@dataclass(frozen=True, slots=True)
class Submission:
    """One request as PagerDuty reads it; `body` None means that it was no JSON object."""

    route: Route
    size: int
    body: Mapping[str, Any] | None
    key: str | None
    at: datetime


def read_submission(route: Route, raw: bytes, header_key: str | None, at: datetime) -> Submission:
    """Return the request made of `raw` and the `X-Routing-Key` header, which came `at`."""
    body = events.read_body(raw) if len(raw) <= events.MAX_BODY_BYTES else None
    return Submission(route, len(raw), body, events.routing_key_of(body, header_key), at)


def submit(memory: Memory, submission: Submission, *, discard: bool = False) -> Answer:
    """Return PagerDuty's answer and let an accepted event (202) have its effect.

    `discard` accepts as ever and then drops the event, as a disabled service does.
    """
    if submission.size > events.MAX_BODY_BYTES:
        return answers.invalid([events.TOO_LARGE])
    body, key = submission.body, submission.key
    if body is None:
        return answers.unrecognized()
    check = events.alert_errors if submission.route is Route.ALERT else events.change_errors
    errors = check(body, key)
    if errors or key is None:
        return answers.invalid(errors)
    if memory.known_keys is not None and key not in memory.known_keys:
        return answers.unknown_key()
    knobs = memory.knobs
    if not memory.window.admit(key, knobs.rate_limit, submission.at):
        waiting = knobs.retry_after
        return answers.throttled(None if waiting is None else header_seconds(waiting))
    return _accept(memory, submission.route, key, body, None if discard else submission.at)


def _accept(
    memory: Memory, route: Route, key: str, body: Mapping[str, Any], now: datetime | None
) -> Answer:
    """Answer 202; `now` None drops the event."""
    given = body.get("dedup_key")
    dedup_key = None
    if route is Route.ALERT:
        dedup_key = uuid4().hex if events.is_blank(given) else str(given)
    if now is None:
        memory.alerts.drop(key)
    elif dedup_key is None:
        memory.alerts.take_change(key)
    else:
        memory.alerts.take(key, dedup_key, body, now)
    return answers.processed(dedup_key)

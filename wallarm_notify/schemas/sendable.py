"""Events that are to be sent: each is made complete and checked, before any is sent.

What is wrong is told by its place, and nothing of what was given is repeated: it may be a key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import uuid4

from kombu.utils.json import loads

from wallarm_notify.domain.canonical import canonical
from wallarm_notify.domain.event import Event, EventKey, is_too_far_ahead
from wallarm_notify.domain.keyed_ids import keyed_id
from wallarm_notify.domain.spelling import whole
from wallarm_notify.schemas.read import read_event, rules_broken_by

MISREAD: Final = (
    "an object of just __type__ and __value__ is Celery's own mark and would not arrive as it is."
)

Broken: TypeAlias = tuple[tuple[str | int, ...], str]
"""What is wrong with an event: where in it, and what is asked for there."""


@dataclass(frozen=True, slots=True)
class Sendable:
    """The events of a call in their order, or what is ``broken``: by an event's number, from 0."""

    events: Sequence[Event]
    broken: Mapping[int, Sequence[Broken]]


def read_sendable(objects: Sequence[Mapping[str, Any]], now: datetime, key: str | None) -> Sendable:
    """Return the events in ``objects``, or what is wrong with them.

    One without id or time gets one. With the idempotency ``key`` of the call its id follows from that, and its time
    has to be given: a time of now would make another event of it when the call is made again.
    """
    events: list[Event] = []
    broken: dict[int, Sequence[Broken]] = {}
    seen: dict[EventKey, Event] = {}
    for place, given in enumerate(objects):
        body = _completed(given, now, key, place)
        read = read_event(body)
        if not isinstance(read, Event):
            broken[place] = rules_broken_by(body)
        elif found := _fault_of_read(read, seen, now):
            broken[place] = [found]
        else:
            events.append(read)
    return Sendable(events, broken)


def is_misread(event: Event) -> bool:
    """Return whether Celery would decode another value, or fail and lose the whole message."""
    text = event.text or canonical(event.body)
    if '"__type__"' not in text:
        return False
    try:
        return canonical(loads(text)) != text
    except Exception:  # noqa: BLE001 - any decoder that applications register may run here
        return True


def _completed(
    given: Mapping[str, Any], now: datetime, key: str | None, place: int
) -> dict[str, Any]:
    body = dict(given)
    if body.get("id") is None:
        number = uuid4() if key is None else keyed_id(whole(body.get("client_id")), key, place)
        body["id"] = str(number)
    if body.get("occurred_at") is None:
        body.pop("occurred_at", None)
        if key is None:
            body["occurred_at"] = now.isoformat()
    return body


def _fault_of_read(event: Event, seen: dict[EventKey, Event], now: datetime) -> Broken | None:
    """Return what is wrong with a valid event beside the others, or now; note it among those ``seen``."""
    if seen.setdefault(event.key, event).body_hash != event.body_hash:
        return ("id",), "is that of an event before it, which has another body: a conflict."
    if is_too_far_ahead(event, now):
        return ("occurred_at",), "is more than 24 hours ahead."
    return ((), MISREAD) if is_misread(event) else None

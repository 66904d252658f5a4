"""Documents of why an event was or was not notified."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from typing_extensions import TypedDict

from wallarm_notify.domain.why import Absent, Cause, Line, Why
from wallarm_notify.domain.why_words import (
    absence_words,
    after_acceptance,
    answer_of,
    line_words,
)


class CauseDocument(TypedDict):
    """One reason, with its particulars; null: it has none of them."""

    reason: str
    """One of a closed list (docs/triggers.md)."""
    by: str | None
    """Who disabled it."""
    at: datetime | None
    """When that was done, or happened."""
    until: datetime | None
    """When it is sent next, until when a trigger is quiet, or when the event is taken in."""
    count: int | None
    """Attempts that were made, events that were counted, or the status of the answer that accepted it."""
    limit: int | None
    """Of how many attempts, or of how many events; it fires for more."""
    filter: str | None
    """The filter that the event does not pass."""
    wanted: str | None
    """What is asked for: the filter in words, a subscription, or a type of events."""
    found: str | None
    """What the event has of it."""
    firing_id: UUID | None
    """The firing that it is about."""
    number: int | None
    """The number of the rejected event, message or call, or the other client."""
    note: str | None
    """The reason that somebody gave, the last answer, a threshold in words, or what is wrong with it."""


class LineDocument(TypedDict):
    """What an event came to at one integration or trigger."""

    integration_id: int | None
    """The integration; null: a trigger that notified nobody of it."""
    integration: str | None
    """The integration's name."""
    trigger_id: int | None
    """The trigger; null: it is about the integration's own subscriptions."""
    trigger: str | None
    """The trigger's name."""
    reason: str
    """The first of the causes."""
    text: str
    """All of the causes, for people."""
    causes: list[CauseDocument]
    """All that stood in the way: undone one and all, it is notified, or counted where a threshold counts."""
    notification_id: int | None
    """The notification that was made."""
    state: str | None
    """The notification's state: pending, retrying, delivered, failed, cancelled or skipped."""
    dedup_key: str | None
    """The key by which PagerDuty knows its alert."""
    deleted_at: datetime | None
    """When the integration or trigger was deleted; null: it is there."""


class WhyDocument(TypedDict):
    """Who was notified of an event, and why all others were not."""

    answer: str
    """The answer in one sentence, for people."""
    event_id: UUID
    """The event's id."""
    client_id: int
    """The client whose event it is."""
    taken_in: bool
    """Whether an event of that id was taken in and is still kept; where not, only ``known`` says more."""
    type: str | None
    """Its type."""
    occurred_at: datetime | None
    """When it happened."""
    received_at: datetime | None
    """When it was taken in."""
    event: Mapping[str, Any] | None
    """The event as it was sent."""
    rules_version: int | None
    """The version of the client's rules that this goes by."""
    rules_as_they_were: bool | None
    """Whether it was routed by these rules; false: it came before they were kept, and these are those of now."""
    lines: list[LineDocument]
    """One for each integration, trigger and notification."""
    not_known: list[str]
    """What cannot be known here of each alert that PagerDuty has accepted, for people."""
    known: list[CauseDocument]
    """What else there is under this id: rejections, messages, another client."""
    settings_now: Mapping[str, float | None]
    """The settings that decide, as of now: grants a minute for one key, and seconds that things are kept."""


def cause_document(cause: Cause) -> CauseDocument:
    """Return the document of one reason."""
    return {
        "reason": cause.reason,
        "by": cause.by,
        "at": cause.at,
        "until": cause.until,
        "count": cause.count,
        "limit": cause.limit,
        "filter": cause.filter,
        "wanted": cause.wanted,
        "found": cause.found,
        "firing_id": cause.firing_id,
        "number": cause.number,
        "note": cause.note,
    }


def why_document(found: Why | Absent) -> WhyDocument:
    """Return the document of the answer for an id, whether an event of it was taken in or not."""
    return _why_document(found) if isinstance(found, Why) else _absent_document(found)


def _why_document(why: Why) -> WhyDocument:
    return {
        "answer": answer_of(why),
        "event_id": why.event.id,
        "client_id": why.event.client_id,
        "taken_in": True,
        "type": why.event.type,
        "occurred_at": why.event.occurred_at,
        "received_at": why.received_at,
        "event": why.event.body,
        "rules_version": why.rules_version,
        "rules_as_they_were": why.as_they_were,
        "lines": [_line_document(line, why) for line in why.lines],
        "not_known": after_acceptance(why),
        "known": [cause_document(c) for c in why.others],
        "settings_now": {"rate_limit_per_minute": why.rate_limit},
    }


def _line_document(line: Line, why: Why) -> LineDocument:
    n = line.notification
    return {
        "integration_id": line.integration.id if line.integration else None,
        "integration": line.integration.name if line.integration else None,
        "trigger_id": line.trigger.id if line.trigger else None,
        "trigger": line.trigger.name if line.trigger else None,
        "reason": line.reason,
        "text": line_words(line, why),
        "causes": [cause_document(c) for c in line.causes],
        "notification_id": n.id if n else None,
        "state": n.state if n else None,
        "dedup_key": n.dedup_key if n else None,
        "deleted_at": line.deleted_at,
    }


def _absent_document(absent: Absent) -> WhyDocument:
    return {
        "answer": absence_words(absent)[0],
        "event_id": absent.event_id,
        "client_id": absent.client_id,
        "taken_in": False,
        "type": None,
        "occurred_at": None,
        "received_at": None,
        "event": None,
        "rules_version": None,
        "rules_as_they_were": None,
        "lines": [],
        "not_known": [],
        "known": [cause_document(c) for c in absent.causes],
        "settings_now": {
            "retention": absent.kept.total_seconds(),
            "unmatched_retention": absent.kept_unmatched.total_seconds(),
        },
    }

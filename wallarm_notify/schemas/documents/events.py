"""Documents of events that were not taken in at once: rejected, undecodable, set aside, or ahead of their time."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from typing_extensions import TypedDict

from wallarm_notify.domain.event import Event
from wallarm_notify.domain.routed import Routed
from wallarm_notify.domain.views import (
    ShownAhead,
    ShownRejection,
    ShownSetAside,
    ShownUndecodable,
)


class RejectionItem(TypedDict):
    """An event that was rejected."""

    id: int
    """Its number among the rejected ones."""
    reason: str
    """What is wrong with it, in one sentence."""
    event_id: UUID | None
    """The event's own id; null: it has none that can be read."""
    client_id: int | None
    """The client that it names; null: it names none."""
    type: str | None
    """The type that it names, its first 60 characters; null: it names none."""
    cut: bool
    """Whether it was larger than 256 kB, so that only the first 64 kB are kept."""
    received_at: datetime
    """When it came."""
    sent_by: str | None
    """The process that sent it, as it names itself (Celery's ``origin``); null: it did not say."""
    text: str
    """What was kept of it; in a listing its first 4,000 characters."""


class RejectionDocument(RejectionItem):
    """A rejected event that is shown alone."""

    resubmitted_as: UUID | None
    """The event that it became; null while it is rejected."""


class UndecodableDocument(TypedDict):
    """A message that no list of events could be read from."""

    id: int
    """Its number among the undecodable ones."""
    reason: str
    """What is wrong with it."""
    content_type: str | None
    """What the message says that it is; null: nothing."""
    bytes: int
    """How long the whole message is, in bytes."""
    cut: bool
    """Whether only its first 64 kB are kept."""
    received_at: datetime
    """When it came."""
    resubmitted_at: datetime | None
    """When its events were taken in after all; null while it is undecodable."""
    text: str
    """What was kept of it, U+FFFD for what is no UTF-8; in a listing its first 200 bytes."""


class SetAsideDocument(TypedDict):
    """A call of ``events.ingest`` that workers died of."""

    id: int
    """Its number among those that were set aside."""
    set_aside_at: datetime
    """When it was set aside."""
    retry_at: datetime
    """When a worker tries it again."""
    bytes: int
    """How long its body is, in bytes."""
    content_type: str | None
    """What the message says that it is; null: nothing."""
    body: str
    """Its body, U+FFFD for what is no UTF-8; in a listing its first 200 bytes."""


class AheadDocument(TypedDict):
    """An event that is kept apart as its time is ahead of the database's clock."""

    id: UUID
    """The event's id."""
    client_id: int
    """Whose event it is."""
    type: str
    """Its type."""
    occurred_at: datetime
    """When it says that it happened."""
    received_at: datetime
    """When it came."""
    sent_by: str | None
    """The process that sent it, as it names itself (Celery's ``origin``); null: it did not say."""
    taken_in_at: datetime
    """When its time is near enough: 5 minutes before ``occurred_at``."""


class ResubmittedDocument(TypedDict):
    """What taking in a rejected event came to."""

    id: int
    """The number it had among the rejected ones."""
    event_id: UUID
    """The event that it is now."""
    matched: bool
    """Whether it made a notification, skipped ones included."""
    notifications: int
    """Notifications that it made and that are to be sent."""
    skipped: int
    """Notifications that it made for disabled integrations."""


class ResubmittedMessageDocument(TypedDict):
    """What taking in an undecodable message, or a call that was set aside, came to."""

    id: int
    """The number it had among those."""
    taken_in: int
    """Events of it that are stored now."""
    matched: int
    """How many of these made a notification, skipped ones included."""
    known_already: int
    """Events of it that had been stored before."""
    rejected: int
    """Events of it that are invalid."""
    notifications: int
    """Notifications that its events made and that are to be sent."""
    skipped: int
    """Notifications that its events made for disabled integrations."""


def resubmitted_document(rejected_id: int, event: Event, routed: Routed) -> ResubmittedDocument:
    """Return the document of a rejected event that was taken in as ``event``."""
    return {
        "id": rejected_id,
        "event_id": event.id,
        "matched": bool(routed.matched),
        "notifications": len(routed.pending),
        "skipped": routed.skipped,
    }


def resubmitted_message_document(
    message_id: int, routed: Sequence[Routed]
) -> ResubmittedMessageDocument:
    """Return the document of a message, or a call set aside, that was taken in."""
    return {
        "id": message_id,
        "taken_in": sum(r.matched + r.unmatched for r in routed),
        "matched": sum(r.matched for r in routed),
        "known_already": sum(r.duplicates for r in routed),
        "rejected": sum(r.rejected + r.not_kept for r in routed),
        "notifications": sum(len(r.pending) for r in routed),
        "skipped": sum(r.skipped for r in routed),
    }


def rejection_item(r: ShownRejection) -> RejectionItem:
    """Return the document of a rejected event in a listing."""
    return {
        "id": r.id,
        "reason": r.reason,
        "event_id": r.event_id,
        "client_id": r.client_id,
        "type": r.type,
        "cut": r.cut,
        "received_at": r.received_at,
        "sent_by": r.sent_by,
        "text": r.text,
    }


def rejection_document(r: ShownRejection) -> RejectionDocument:
    """Return the document of a rejected event that is shown alone."""
    return {**rejection_item(r), "resubmitted_as": r.resubmitted_as}


def undecodable_document(m: ShownUndecodable) -> UndecodableDocument:
    """Return the document of an undecodable message."""
    return {
        "id": m.id,
        "reason": m.reason,
        "content_type": m.content_type,
        "bytes": m.bytes,
        "cut": m.cut,
        "received_at": m.received_at,
        "resubmitted_at": m.resubmitted_at,
        "text": m.text,
    }


def set_aside_document(call: ShownSetAside) -> SetAsideDocument:
    """Return the document of a call that was set aside."""
    return {
        "id": call.id,
        "set_aside_at": call.set_aside_at,
        "retry_at": call.retry_at,
        "bytes": call.bytes,
        "content_type": call.content_type,
        "body": call.body,
    }


def ahead_document(event: ShownAhead) -> AheadDocument:
    """Return the document of an event that is kept apart."""
    return {
        "id": event.id,
        "client_id": event.client_id,
        "type": event.type,
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "sent_by": event.sent_by,
        "taken_in_at": event.taken_in_at,
    }

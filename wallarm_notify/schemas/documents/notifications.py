"""Documents of notifications and of the attempts to send them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from typing_extensions import TypedDict

from wallarm_notify.domain.views import ShownAttempt, ShownNotification


class AttemptDocument(TypedDict):
    """One HTTP request that was made for a notification."""

    run: int
    """The run it belongs to: 1, and one more for each replay."""
    number: int
    """Which attempt of its run it is, from 1 to 17."""
    at: datetime
    """When it began, by the database's clock."""
    duration_ms: int
    """Milliseconds until the answer, or until it was given up."""
    status_code: int | None
    """The HTTP status of the answer; null: there was none."""
    error: str | None
    """Why it failed, one of a closed list (spec 5); null where it was delivered."""
    response: str
    """The first 2,048 bytes of the answer, or the network error's text; without the key."""


class _Notification(TypedDict):
    """What a notification has in a listing and alone."""

    id: int
    """Its number; later ones have higher numbers."""
    client_id: int
    """The client whose event it is of."""
    event_id: UUID | None
    """The event it is of; null where it is of a trigger's firing."""
    firing_id: UUID | None
    """The firing it is of; null where it is of an event."""
    event_type: str
    """The type of its event, or of the event that made its firing."""
    origin: str
    """What made it: ``card``, a subscription of the integration, or ``trigger:`` and a trigger's number."""
    integration_id: int
    """The integration that it is sent to."""
    state: str
    """pending, retrying, delivered, failed, cancelled or skipped."""
    run: int
    """1, and one more for each replay."""
    next_attempt_at: datetime | None
    """When it is tried next; null: it has ended."""
    grant_at: datetime | None
    """About when its turn comes, where the rate limit makes it wait; null: it waits for none, as far as is known."""
    dedup_key: str
    """The key by which PagerDuty knows its alert, whatever is sent for it: 64 hexadecimal digits."""
    created_at: datetime
    """When it was made."""


class NotificationItem(_Notification):
    """A notification in a listing: figures of its attempts instead of the attempts."""

    attempts_made: int
    """Attempts of its present run."""
    finished_at: datetime | None
    """When it ended; null: it has not."""
    end_reason: str | None
    """Why it ended, where no attempt says it: worker_lost or restored; else null."""
    last_status_code: int | None
    """The HTTP status of the last answer; null: no attempt was made, or the last had no answer."""
    last_error: str | None
    """Why the last attempt failed, one of a closed list (spec 5); null: it did not."""


class NotificationDocument(_Notification):
    """A notification with all its attempts."""

    attempts: list[AttemptDocument]
    """Every attempt of every run, in the order they were made."""
    advice: str | None
    """What to do about its last attempt, in a sentence; null: it did not fail, or was delivered after all."""
    alert: Mapping[str, Any]
    """The body of its requests, with the key masked.

    The key is null where the integration is deleted, and for whoever may not view integrations.
    """


class ReplayedDocument(TypedDict):
    """What replaying came to."""

    replayed: int
    """Notifications that are sent anew."""


def notification_item(n: ShownNotification) -> NotificationItem:
    """Return the document of a notification in a listing."""
    return {
        "id": n.id,
        "client_id": n.client_id,
        "event_id": n.event_id,
        "firing_id": n.firing_id,
        "event_type": n.event_type,
        "origin": n.origin,
        "integration_id": n.integration_id,
        "state": n.state,
        "run": n.run,
        "next_attempt_at": n.next_attempt_at,
        "grant_at": n.grant_at,
        "dedup_key": n.dedup_key,
        "created_at": n.created_at,
        "attempts_made": n.attempts_made,
        "finished_at": n.finished_at,
        "end_reason": n.end_reason,
        "last_status_code": n.last_status_code,
        "last_error": n.last_error,
    }


def notification_document(n: ShownNotification, alert: Mapping[str, Any]) -> NotificationDocument:
    """Return the document of a notification that is shown alone, with the ``alert`` that is sent of it."""
    return {
        "id": n.id,
        "client_id": n.client_id,
        "event_id": n.event_id,
        "firing_id": n.firing_id,
        "event_type": n.event_type,
        "origin": n.origin,
        "integration_id": n.integration_id,
        "state": n.state,
        "run": n.run,
        "attempts": [attempt_document(a) for a in n.attempts],
        "next_attempt_at": n.next_attempt_at,
        "grant_at": n.grant_at,
        "dedup_key": n.dedup_key,
        "created_at": n.created_at,
        "advice": n.advice,
        "alert": alert,
    }


def attempt_document(a: ShownAttempt) -> AttemptDocument:
    """Return the document of an attempt."""
    return {
        "run": a.run,
        "number": a.number,
        "at": a.at,
        "duration_ms": a.duration_ms,
        "status_code": a.status_code,
        "error": a.error,
        "response": a.response,
    }

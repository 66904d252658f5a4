"""What people look at: notifications with their attempts, rejected events, and undecodable messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from wallarm_notify.domain.alert_identity import dedup_key
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.notification import State
from wallarm_notify.services.ports import Store


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One attempt: ``error`` is the closed word for its failure, None where it was delivered."""

    run: int
    number: int
    at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    response: str


@dataclass(frozen=True, slots=True)
class ShownNotification:
    """A notification as people see it; ``attempts`` only where it is shown alone.

    It is of an event or of a firing: the other's id is None. ``event_type`` is also that of the event
    which made the firing.
    """

    id: int
    client_id: int
    event_id: UUID | None
    firing_id: UUID | None
    event_type: str
    origin: str
    integration_id: int
    state: State
    run: int
    attempts_made: int
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    end_reason: str | None
    last_status_code: int | None
    last_error: str | None
    attempts: Sequence[ShownAttempt] = ()

    @property
    def dedup_key(self) -> str:
        """What PagerDuty knows the alert by."""
        return dedup_key(str(self.firing_id or self.event_id), self.origin, self.integration_id)


@dataclass(frozen=True, slots=True)
class ShownRejection:
    """A rejected event; ``text`` is what was kept of it, in a listing the beginning.

    ``resubmitted_as`` is the event that it became; None while it is rejected.
    """

    id: int
    reason: str
    event_id: UUID | None
    client_id: int | None
    type: str | None
    cut: bool
    received_at: datetime
    text: str
    resubmitted_as: UUID | None = None


@dataclass(frozen=True, slots=True)
class ShownUndecodable:
    """A message that no task could be made of; ``text`` is what was kept of it, in a listing the beginning.

    ``bytes`` are those of the whole message, of which the first 64 kB were kept where it is ``cut``.
    ``resubmitted_at`` is None while it is undecodable.
    """

    id: int
    reason: str
    content_type: str | None
    bytes: int
    cut: bool
    received_at: datetime
    resubmitted_at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which notifications are listed; None lets all through. ``before`` is the cursor: newest first."""

    client_id: int | None = None
    integration_id: int | None = None
    state: State | None = None
    before: int | None = None
    limit: int = 50


class ListingQueries(Protocol):
    """What listings ask of the database."""

    def notifications(self, wanted: Filter) -> list[ShownNotification]:
        """Notifications, newest first."""
        ...

    def notification(self, notification_id: int) -> ShownNotification | None:
        """One notification with its attempts."""
        ...

    def rejection(self, rejected_id: int) -> ShownRejection | None:
        """One rejected event, with all that was kept of it."""
        ...

    def undecodable_message(self, message_id: int) -> ShownUndecodable | None:
        """One undecodable message, with all that was kept of it."""
        ...


def show_notification(store: Store[ListingQueries], notification_id: int) -> ShownNotification:
    """One notification with all its attempts. Raises NotFound, Unavailable."""
    shown = store.transact(lambda tx: tx.notification(notification_id))
    if shown is None:
        raise NotFound(f"There is no notification {notification_id}.")
    return shown


def show_rejection(store: Store[ListingQueries], rejected_id: int) -> ShownRejection:
    """One rejected event with all that was kept of it. Raises NotFound, Unavailable."""
    shown = store.transact(lambda tx: tx.rejection(rejected_id))
    if shown is None:
        raise NotFound(f"There is no rejected event {rejected_id}.")
    return shown


def show_undecodable(store: Store[ListingQueries], message_id: int) -> ShownUndecodable:
    """One undecodable message with all that was kept of it. Raises NotFound, Unavailable."""
    shown = store.transact(lambda tx: tx.undecodable_message(message_id))
    if shown is None:
        raise NotFound(f"There is no undecodable message {message_id}.")
    return shown

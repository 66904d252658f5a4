"""Views: the rows of listings, and the filters for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from wallarm_notify.domain.alert_identity import dedup_key
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.triggers.firing import Firing


@dataclass(frozen=True, slots=True)
class ShownAhead:
    """An event that is kept apart, in a listing; ``taken_in_at`` is when its time is near enough."""

    id: UUID
    client_id: int
    type: str
    occurred_at: datetime
    received_at: datetime
    taken_in_at: datetime


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One attempt; ``error`` is its FailureReason, None if it delivered."""

    run: int
    number: int
    at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    response: str


@dataclass(frozen=True, slots=True)
class ShownNotification:
    """A notification as people see it; ``attempts`` only if it is shown alone.

    It is of an event or of a firing: the other's id is None. ``event_type`` is also that of the event that
    caused the firing.
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
        """The dedup key of its alert in PagerDuty."""
        return dedup_key(str(self.firing_id or self.event_id), self.origin, self.integration_id)


@dataclass(frozen=True, slots=True)
class ShownRejection:
    """A rejected event; ``text`` is what was kept of it, and its beginning in a listing.

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
    """An undecodable message; ``text`` is what was kept of it, and its beginning in a listing.

    ``bytes`` is the size of the whole message; the first 64 kB were kept if it is ``cut``.
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
    """Which notifications are listed; None matches all."""

    client_id: int | None = None
    integration_id: int | None = None
    state: State | None = None


@dataclass(frozen=True, slots=True)
class ShownSetAside:
    """A call that is set aside, for people; in a listing ``body`` is its beginning."""

    id: int
    set_aside_at: datetime
    retry_at: datetime
    bytes: int
    content_type: str | None
    body: str


@dataclass(frozen=True, slots=True)
class FiringNotification:
    """A firing's notification, and its state."""

    notification_id: int
    integration_id: int
    state: State


@dataclass(frozen=True, slots=True)
class ShownFiring:
    """A firing, when it was made, and its notifications."""

    firing: Firing
    fired_at: datetime
    notifications: Sequence[FiringNotification]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which notifications of an integration are to be replayed.

    ``since`` is when they were made, ``ended_since`` when they ended; ``event_type`` is their event's. An
    integration's closing notification is never replayed.
    """

    integration_id: int
    state: State
    since: datetime | None = None
    ended_since: datetime | None = None
    event_type: str | None = None


@dataclass(frozen=True, slots=True)
class ReplayTarget:
    """An integration that something is replayed to."""

    id: int
    client_id: int
    enabled: bool
    disablings: int

"""Views: the rows of listings, and the filters for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from wallarm_notify.domain.advice import advice_on
from wallarm_notify.domain.alert_identity import dedup_key
from wallarm_notify.domain.event import Event, Severity
from wallarm_notify.domain.notification import REPLAYABLE, State
from wallarm_notify.domain.outcome import Statuses
from wallarm_notify.domain.period import ALWAYS, Period
from wallarm_notify.domain.retry import ATTEMPTS, LAST_ATTEMPTS
from wallarm_notify.domain.triggers.firing import Firing

HOUR: Final = timedelta(hours=1)

HOURS_KEPT: Final = timedelta(days=7)
"""For so long what became of notifications is known by the hour."""


@dataclass(frozen=True, slots=True)
class ShownAhead:
    """An event that is kept apart, in a listing; ``taken_in_at`` is when its time is near enough."""

    id: UUID
    client_id: int
    type: str
    occurred_at: datetime
    received_at: datetime
    sent_by: str | None
    taken_in_at: datetime


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One attempt; ``error`` is its FailureReason, None if it delivered.

    ``task_id`` is the task that made it, by which Flower shows it; None: nobody watched tasks.
    """

    run: int
    number: int
    at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    response: str
    task_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ShownNotification:
    """A notification as people see it; ``attempts`` only if it is shown alone.

    It is of an event or of a firing: the other's id is None. ``event_type`` is also that of the event that
    caused the firing. ``group`` is that of a trigger's alerts and its value. ``closing``: it reports the end of
    its own integration, and has the first cycle only. ``is_ahead``: its next attempt was not due when it was
    read. ``grant_at`` is about when it gets the grant of the rate limit that it waits for; None: it waits for none.
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
    last_answered_at: datetime | None = None
    group: tuple[str, str] | None = None
    closing: bool = False
    is_ahead: bool = False
    grant_at: datetime | None = None

    @property
    def attempts_at_most(self) -> int:
        """How many attempts a run of it has before it fails."""
        return LAST_ATTEMPTS if self.closing else ATTEMPTS

    @property
    def advice(self) -> str | None:
        """What to do about its last attempt; None: it was delivered, or no attempt is known."""
        if self.state is State.DELIVERED or not self.attempts:
            return None
        last = self.attempts[-1]
        return advice_on(last.error, last.status_code, last.response)

    @property
    def dedup_key(self) -> str:
        """The dedup key of its alert in PagerDuty."""
        occurrence = str(self.firing_id or self.event_id)
        return dedup_key(occurrence, self.origin, self.integration_id, self.group)


@dataclass(frozen=True, slots=True)
class ShownRejection:
    """A rejected event; ``text`` is what was kept of it, and its beginning in a listing.

    ``resubmitted_as`` is the event that it became; None while it is rejected. ``sent_by`` is the process that sent
    it, as it names itself; None: it did not say.
    """

    id: int
    reason: str
    event_id: UUID | None
    client_id: int | None
    type: str | None
    cut: bool
    received_at: datetime
    sent_by: str | None
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
    """Which notifications are listed; None, and no state, matches all.

    ``event_id`` stands for what that event made, and for what firings made that counted it. ``event_type`` is the type
    of the event, or of the one that met the trigger. ``made`` is when they were made, and ``statuses`` is what their
    last attempt was answered with. ``dedup_key`` is that of their alert, whole: those of a group share one.
    """

    client_id: int | None = None
    integration_id: int | None = None
    states: tuple[State, ...] = ()
    event_id: UUID | None = None
    event_type: str | None = None
    origin: str | None = None
    made: Period = ALWAYS
    statuses: Statuses | None = None
    dedup_key: str | None = None


class CameTo(StrEnum):
    """What an event came to: it made notifications, a trigger counted it, or nobody was notified of it."""

    NOTIFIED = "notified"
    COUNTED = "counted"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are listed; None matches all.

    ``sought`` is a value by which people know them: an id, an address, a name (``domain.subjects``), the id of a firing
    that counted them, or the dedup key of an alert. ``notification_id`` is what was made of them. ``came`` is when
    they came in, and ``came_to`` what of it.
    """

    client_id: int | None = None
    event_type: str | None = None
    sought: str | None = None
    notification_id: int | None = None
    came: Period = ALWAYS
    came_to: CameTo | None = None


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event in a listing; ``id`` numbers events in the order they came.

    ``notifications`` is how many were made of it, and ``counted`` whether a trigger counted it or fired for it.
    """

    id: int
    event: Event
    received_at: datetime
    notifications: int
    counted: bool

    @property
    def came_to(self) -> CameTo:
        """What it came to."""
        if self.notifications:
            return CameTo.NOTIFIED
        return CameTo.COUNTED if self.counted else CameTo.NOBODY


@dataclass(frozen=True, slots=True)
class EventsAround:
    """What there is where nothing was found.

    ``number`` is how many events of the client came in the time that was searched; ``more``: there are more than that.
    ``oldest`` and ``newest`` are when the first and the last came of all its events that are stored; None: there are
    none.
    """

    number: int
    more: bool
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class RecentEvents:
    """When the events of one subscription came, of a client's newest: ``since`` then all were looked at."""

    times: Sequence[datetime]
    since: datetime


@dataclass(frozen=True, slots=True)
class EndedInHour:
    """How many notifications of an integration ended in the hour that began then, by the state they ended in.

    One that was replayed has ended twice, and so has one that a late answer delivered.
    """

    hour: datetime
    delivered: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0


def every_hour(counted: Sequence[EndedInHour], since: datetime, now: datetime) -> list[EndedInHour]:
    """Return an item for each hour from ``since`` to ``now``, the oldest first; nothing was counted in the others."""
    known = {one.hour: one for one in counted}
    first = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    number = (now - first) // HOUR + 1
    return [
        known.get(hour, EndedInHour(hour)) for hour in (first + n * HOUR for n in range(number))
    ]


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
    """A firing's notification, and its state; ``grant_at``: see ``ShownNotification``."""

    notification_id: int
    integration_id: int
    state: State
    grant_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShownFiring:
    """A firing, when it was made, and its notifications; ``number`` tells it from the trigger's others."""

    number: int
    firing: Firing
    fired_at: datetime
    notifications: Sequence[FiringNotification]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which notifications of an integration are to be replayed.

    ``states`` are those they ended in. ``since`` is when they were made, ``ended_since`` when they ended;
    ``event_type`` is their event's. An integration's closing notification is never replayed.
    """

    integration_id: int
    states: tuple[State, ...] = REPLAYABLE
    since: datetime | None = None
    ended_since: datetime | None = None
    event_type: str | None = None
    severities: tuple[Severity, ...] = tuple(Severity)


@dataclass(frozen=True, slots=True)
class ReplayTarget:
    """An integration that something is replayed to."""

    id: int
    client_id: int
    enabled: bool
    disablings: int

"""One occurrence on its way to one integration: its states, and every change of them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar, assert_never
from uuid import UUID

from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.outcome import Delivered, GaveUp, Outcome, RetryLater

CARD: Final = "card"
"""The origin of what an integration's own subscriptions matched."""

MESSAGE_SIZE: Final = 100
"""At most so many notifications travel in one message."""

ALONE_AFTER: Final = 2
"""After so many claims without a record a notification travels alone: it may be what kills workers."""

LOST_AFTER: Final = 10
"""After so many claims without a record it ends ``failed``."""

START_WITHIN: Final = timedelta(seconds=2)
"""A request starts so long after its claim at the latest, or not at all."""

CLOSING_AFTER: Final = timedelta(seconds=1)
"""An integration's notification of its own end waits so long: the others are told first (spec 6)."""

RECHECK_CAP: Final = timedelta(seconds=40)
"""SWEEP publishes again for the same row this often at the most."""

WORKER_LOST: Final = "worker_lost"
"""The end of a notification that ended every worker that took it, as far as anybody can tell."""

BULKHEAD_PAUSE: Final = timedelta(seconds=60)
"""How soon SWEEP looks at what waits behind a slow integration's bulkhead; the bulkhead itself is faster."""


class State(StrEnum):
    """A notification's state: a closed set."""

    PENDING = "pending"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


OPEN: Final = (State.PENDING, State.RETRYING)
REPLAYABLE: Final = (State.FAILED, State.SKIPPED, State.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a notification's row says of it, stored or not: the part that changes on its way.

    ``claim`` is the fence: it grows with every claim, and a failure recorded under an older one changes
    nothing. ``lost_claims`` counts claims since the last record. ``due_at``: not before. ``lease_until``: a
    worker is on it till then. ``recheck_at``: when SWEEP starts to worry, None when it has ended;
    ``rings`` how often it has. ``disablings`` is the integration's count when it was made: an
    older one is cancelled. ``closing`` marks an integration's notification of its own end.
    """

    integration_id: int
    state: State
    fence: int
    lost_claims: int
    rechecks: int
    due_at: datetime
    lease_until: datetime | None
    recheck_at: datetime | None
    finished_at: datetime | None
    severity: Severity
    disablings: int
    closing: bool

    @property
    def is_open(self) -> bool:
        """Whether it can still be sent without a replay."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification(Row):
    """A notification as its row stands.

    ``run`` counts replays from 1; ``attempts_made`` those of this run.
    ``end_reason`` says why it ended where no attempt does: ``worker_lost``. ``link`` numbers the
    messages that carry it on, one after the other: of one that it has left behind nothing follows.
    """

    id: int
    run: int
    attempts_made: int
    end_reason: str | None = None
    link: int = 0

    @property
    def bulkhead_token(self) -> str:
        """What a slow integration's bulkhead is held under by the claim it is under."""
        return f"{self.id}:{self.fence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotification(Row):
    """A notification that is not stored yet, so that it has no id: as its row is to be.

    ``event_id`` is the event it is of, or the one that made its firing. A trigger fires at most once
    for an event, so with origin and integration it is the identity either way.
    """

    client_id: int
    event_id: UUID
    origin: str = CARD
    firing_id: UUID | None = None

    @property
    def identity(self) -> tuple[UUID, str, int]:
        """Event, origin and integration: no two notifications have the same (spec, words)."""
        return self.event_id, self.origin, self.integration_id


RowT = TypeVar("RowT", Notification, NewNotification)
"""Stored or not yet: a claim is the same of both."""


# Every change of a notification's row is one of the functions below.


def fresh(
    *,
    client_id: int,
    integration_id: int,
    event_id: UUID,
    severity: Severity,
    disablings: int,
    now: datetime,
    grace: timedelta,
    skipped: bool = False,
    closing: bool = False,
    origin: str = CARD,
    firing_id: UUID | None = None,
) -> NewNotification:
    """Return it as it is made; it is ``skipped`` where its integration is switched off."""
    due = now + CLOSING_AFTER if closing else now
    return NewNotification(
        client_id=client_id,
        integration_id=integration_id,
        event_id=event_id,
        firing_id=firing_id,
        origin=origin,
        severity=severity,
        disablings=disablings,
        closing=closing,
        state=State.SKIPPED if skipped else State.PENDING,
        fence=0,
        lost_claims=0,
        rechecks=0,
        due_at=due,
        lease_until=None,
        recheck_at=None if skipped else due + grace,
        finished_at=now if skipped else None,
    )


def stored(new: NewNotification, number: int) -> Notification:
    """Return it as it stands once it is stored, under the id that it was given."""
    return Notification(
        id=number,
        integration_id=new.integration_id,
        state=new.state,
        run=1,
        attempts_made=0,
        fence=new.fence,
        lost_claims=new.lost_claims,
        rechecks=new.rechecks,
        due_at=new.due_at,
        lease_until=new.lease_until,
        recheck_at=new.recheck_at,
        finished_at=new.finished_at,
        severity=new.severity,
        disablings=new.disablings,
        closing=new.closing,
    )


def claimed(n: RowT, now: datetime, lease: timedelta) -> RowT:
    """Return it with a worker on it until its lease ends."""
    until = now + lease
    return replace(
        n,
        fence=n.fence + 1,
        lost_claims=n.lost_claims + 1,
        rechecks=0,
        lease_until=until,
        recheck_at=until,
    )


def carried_on(n: Notification) -> Notification:
    """Another message carries it from now on."""
    return replace(n, link=n.link + 1)


def waiting_for_grant(n: Notification, grant: datetime, grace: timedelta) -> Notification:
    """Pacing gave it a later grant: no attempt, never a failure (spec 5)."""
    return replace(carried_on(n), due_at=grant, lease_until=None, recheck_at=grant + grace)


def held_back(n: Notification, now: datetime) -> Notification:
    """It waits for its slow integration's bulkhead."""
    return replace(n, lease_until=None, recheck_at=now + BULKHEAD_PAUSE)


def put_back(n: Notification, now: datetime, grace: timedelta) -> Notification:
    """Its request was not begun: the claim is given back as if it had not been.

    It was due when it was claimed, and is so by a clock that was set back since.
    """
    return replace(
        carried_on(n),
        due_at=min(n.due_at, now),
        lost_claims=max(n.lost_claims - 1, 0),
        lease_until=None,
        recheck_at=now + grace,
    )


def rechecked(n: Notification, now: datetime, grace: timedelta) -> Notification:
    """SWEEP enqueued it again; it worries next after 15, 30, then every 40 s."""
    pause = min(grace * 2**n.rechecks, max(RECHECK_CAP, grace))
    return replace(
        carried_on(n), rechecks=min(n.rechecks + 1, 10), recheck_at=max(n.due_at, now) + pause
    )


def ended(n: Notification, state: State, now: datetime, reason: str | None = None) -> Notification:
    """It has its final state."""
    return replace(
        n, state=state, lease_until=None, recheck_at=None, finished_at=now, end_reason=reason
    )


def recorded(
    n: Notification,
    outcome: Outcome,
    *,
    current: bool,
    answered_at: datetime,
    now: datetime,
    grace: timedelta,
) -> Notification:
    """What an attempt's outcome makes of it.

    ``current``: the attempt's claim is still the row's. A failure under an older claim changes
    nothing; a late 2xx delivers whatever is not delivered.
    """
    match outcome:
        case Delivered():
            if n.state is State.DELIVERED:
                return n
            return replace(
                ended(n, State.DELIVERED, now),
                attempts_made=n.attempts_made + current,
                lost_claims=0,
            )
        case RetryLater(wait):
            if not current or not n.is_open:
                return n
            due = answered_at + wait
            return replace(
                carried_on(n),
                state=State.RETRYING,
                attempts_made=n.attempts_made + 1,
                lost_claims=0,
                rechecks=0,
                due_at=due,
                lease_until=None,
                recheck_at=max(due, now) + grace,
            )
        case GaveUp():
            if not current or not n.is_open:
                return n
            return replace(
                ended(n, State.FAILED, now), attempts_made=n.attempts_made + 1, lost_claims=0
            )
        case _:
            assert_never(outcome)


def replayed(n: Notification, disablings: int, now: datetime, grace: timedelta) -> Notification:
    """The same notification is sent anew: run + 1, attempt 1, the same dedup_key (spec 5)."""
    return replace(
        carried_on(n),
        state=State.PENDING,
        run=n.run + 1,
        fence=n.fence + 1,  # what is still under way belongs to the run before
        attempts_made=0,
        lost_claims=0,
        rechecks=0,
        due_at=now,
        lease_until=None,
        recheck_at=now + grace,
        finished_at=None,
        end_reason=None,
        disablings=disablings,
        closing=False,
    )

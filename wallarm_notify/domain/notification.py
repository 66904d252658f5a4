"""Notifications: one occurrence on its way to one integration, with every change of its row.

The rows are the outbox: a notification is stored with the event that caused it, and sent from there.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar, assert_never
from uuid import UUID

from wallarm_notify.domain.alert_identity import dedup_key
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import EventKey, Severity
from wallarm_notify.domain.outcome import Delivered, GaveUp, Outcome, RetryLater

CARD: Final = "card"
"""The origin of a notification that an integration's own subscriptions made."""

_TRIGGER: Final = "trigger:"

MESSAGE_SIZE: Final = 100
"""The most notifications of one message."""

ALONE_AFTER: Final = 2
"""The claims without a record after which a notification has a message alone: it may be what kills workers."""

LOST_AFTER: Final = 10
"""The claims without a record after which a notification ends ``failed``."""

START_WITHIN: Final = timedelta(seconds=2)
"""The longest time between a claim and the beginning of its request; a later request does not begin."""

CLOSING_AFTER: Final = timedelta(seconds=1)
"""The wait of an integration's notification of its own end, so that others are notified first (spec 6)."""

RECHECK_CAP: Final = timedelta(seconds=40)
"""The longest time between two rechecks of a row by SWEEP."""

WORKER_LOST: Final = "worker_lost"
"""The end of a notification that, as far as anybody knows, killed every worker that claimed it."""

RESTORED: Final = "restored"
"""The end of a notification that a restored backup had open, and that was cancelled, so that a person decides on it."""

BULKHEAD_PAUSE: Final = timedelta(seconds=60)
"""The time until SWEEP checks what waits behind a slow integration's bulkhead, which itself is faster."""


class State(StrEnum):
    """A notification's state: a closed set."""

    PENDING = "pending"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


OPEN: Final = (State.PENDING, State.RETRYING)
ENDED: Final = (State.DELIVERED, State.FAILED, State.SKIPPED, State.CANCELLED)
REPLAYABLE: Final = (State.FAILED, State.SKIPPED, State.CANCELLED)


def origin_of(trigger_id: int | None) -> str:
    """Return the origin of what a trigger made; None: of what an integration's own subscriptions made."""
    return CARD if trigger_id is None else f"{_TRIGGER}{trigger_id}"


def trigger_of(origin: str) -> int | None:
    """Return the trigger that ``origin`` names; None: it is that of an integration's own subscriptions."""
    return int(origin.removeprefix(_TRIGGER)) if origin != CARD else None


def read_origin(text: str) -> str:
    """Return the origin that people named. Raise Refused."""
    if text != CARD and not re.fullmatch(rf"{_TRIGGER}[1-9][0-9]{{0,17}}", text, re.ASCII):
        raise Refused(
            f"«{text}» is none; give {CARD}, for what an integration subscribes to, or {_TRIGGER} and the "
            f"trigger's id, as {_TRIGGER}3.",
            field="origin",
        )
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The changing part of a notification's row, stored or not.

    ``fence`` is a fencing token: it grows with every claim, and a failure recorded under an older one
    changes nothing. ``lost_claims`` counts claims since the last record. ``due_at``: not before.
    ``lease_until``: until then a worker has it under a lease. ``recheck_at``: when SWEEP checks it next,
    None when it has ended; ``rechecks`` counts how often it has. ``disablings`` is the integration's count
    when the notification was made: an older one is cancelled. ``closing`` marks an integration's
    notification of its own end.
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
    """A stored notification.

    ``run`` counts replays from 1; ``attempts_made`` those of this run. ``end_reason`` says why it ended if
    no attempt does: ``worker_lost`` or ``restored``. ``link`` numbers the messages that carry it, one after the
    other: an earlier message carries it no further.
    """

    id: int
    run: int
    attempts_made: int
    end_reason: str | None = None
    link: int = 0

    @property
    def bulkhead_token(self) -> str:
        """The token by which its current claim holds a slow integration's bulkhead."""
        return f"{self.id}:{self.fence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotification(Row):
    """A notification that is not stored yet, so that it has no id.

    ``event_id`` is its client's event, or the event of its firing. A trigger fires at most once for an event,
    so the event with origin and integration is the identity either way. ``group`` is that of a trigger's
    alerts and its value; None: its alert is its own.
    """

    client_id: int
    event_id: UUID
    origin: str = CARD
    firing_id: UUID | None = None
    group: tuple[str, str] | None = None

    @property
    def identity(self) -> tuple[EventKey, str, int]:
        """Event, origin and integration, which no two notifications share (spec, words)."""
        return self.event_key, self.origin, self.integration_id

    @property
    def event_key(self) -> EventKey:
        """What identifies its event."""
        return self.client_id, self.event_id

    @property
    def dedup_key(self) -> str:
        """The dedup key of its alert in PagerDuty."""
        occurrence = str(self.firing_id or self.event_id)
        return dedup_key(occurrence, self.origin, self.integration_id, self.group)


RowT = TypeVar("RowT", Notification, NewNotification)
"""A stored notification or a new one: both are claimed alike."""


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
    group: tuple[str, str] | None = None,
) -> NewNotification:
    """Return a new notification; it is ``skipped`` if its integration is disabled."""
    due = now + CLOSING_AFTER if closing else now
    return NewNotification(
        client_id=client_id,
        integration_id=integration_id,
        event_id=event_id,
        firing_id=firing_id,
        group=group,
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
    """Return the notification that is stored under the id ``number``."""
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
    """Return it claimed by a worker until its lease ends."""
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
    """Return it with its next link: another message carries it from now on."""
    return replace(n, link=n.link + 1)


def waiting_for_grant(n: Notification, grant: datetime, grace: timedelta) -> Notification:
    """Return it waiting for a later grant of the rate limit: no attempt, and never a failure (spec 5)."""
    return replace(carried_on(n), due_at=grant, lease_until=None, recheck_at=grant + grace)


def held_back(n: Notification, now: datetime) -> Notification:
    """Return it held: it waits for its slow integration's bulkhead."""
    return replace(n, lease_until=None, recheck_at=now + BULKHEAD_PAUSE)


def put_back(n: Notification, now: datetime, grace: timedelta) -> Notification:
    """Return it without its claim, as its request was not begun.

    It was due when it was claimed, and stays due even if the clock was set back since.
    """
    return replace(
        carried_on(n),
        due_at=min(n.due_at, now),
        lost_claims=max(n.lost_claims - 1, 0),
        lease_until=None,
        recheck_at=now + grace,
    )


def rechecked(n: Notification, now: datetime, grace: timedelta) -> Notification:
    """Return it enqueued again by SWEEP, which checks it next after 15, 30, then every 40 s."""
    pause = min(grace * 2**n.rechecks, max(RECHECK_CAP, grace))
    return replace(
        carried_on(n), rechecks=min(n.rechecks + 1, 10), recheck_at=max(n.due_at, now) + pause
    )


def ended(n: Notification, state: State, now: datetime, reason: str | None = None) -> Notification:
    """Return it in its final state."""
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
    """Return it with the outcome of an attempt.

    ``current``: its last claim is the attempt's. A failure under an older claim changes nothing; a late 2xx
    delivers whatever is not delivered.
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
    """Return it at the beginning of its next run: attempt 1, with its dedup key unchanged (spec 5)."""
    return replace(
        carried_on(n),
        state=State.PENDING,
        run=n.run + 1,
        fence=n.fence + 1,  # a request still under way belongs to the run before
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

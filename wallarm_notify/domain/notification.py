"""One occurrence on its way to one integration: its states, and every change of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never
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

LAST_AFTER: Final = timedelta(seconds=1)
"""An integration's notification of its own end waits so long: the others are told first (spec 6)."""

RING_CAP: Final = timedelta(seconds=40)
"""SWEEP rings again for the same row this often at the most."""

WORKER_LOST: Final = "worker_lost"
"""The end of a notification that ended every worker that took it, as far as anybody can tell."""

LANE_PAUSE: Final = timedelta(seconds=60)
"""How soon SWEEP looks at what waits behind a slow integration's lane; the lane itself is faster."""


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


@dataclass(frozen=True, slots=True)
class Notification:
    """The part of a notification that changes, as its row stands.

    ``run`` counts replays from 1; ``attempts_made`` those of this run. ``claim`` is the fence: it
    grows with every claim, and a failure recorded under an older one changes nothing.
    ``lost_claims`` counts claims since the last record. ``due_at``: not before. ``lease_until``: a
    worker is on it till then. ``ring_at``: when SWEEP starts to worry, None when it has ended;
    ``rings`` how often it has. ``disablings`` is the integration's count when it was made: an
    older one is cancelled. ``last`` is an integration's notification of its own end.
    ``end_reason`` says why it ended where no attempt does: ``worker_lost``. ``link`` numbers the
    messages that carry it on, one after the other: of one that it has left behind nothing follows.
    """

    id: int
    integration_id: int
    state: State
    run: int
    attempts_made: int
    claim: int
    lost_claims: int
    rings: int
    due_at: datetime
    lease_until: datetime | None
    ring_at: datetime | None
    finished_at: datetime | None
    severity: Severity
    disablings: int
    last: bool
    end_reason: str | None = None
    link: int = 0

    @property
    def lane_token(self) -> str:
        """What a slow integration's lane is held under by the claim it is under."""
        return f"{self.id}:{self.claim}"

    @property
    def is_open(self) -> bool:
        """Whether it can still be sent without a replay."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class NewNotification:
    """A notification as routing makes it: ``skipped`` where its integration is switched off.

    ``event_id`` is the event it is of, or the one that made its firing. A trigger fires at most once
    for an event, so with origin and integration it is the identity either way.
    """

    client_id: int
    integration_id: int
    event_id: UUID
    severity: Severity
    disablings: int
    skipped: bool = False
    last: bool = False
    origin: str = CARD
    firing_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A notification a delivery message names, beside how its integration stands.

    ``fingerprint`` tells keys apart for pacing without being one; None: the key is wiped.
    ``generation`` numbers the integration's clean failure windows (spec 6).
    """

    notification: Notification
    enabled: bool
    disablings: int
    generation: int
    slow: bool
    fingerprint: bytes | None


@dataclass(frozen=True, slots=True)
class Triage:
    """What is to become of the notifications of one message, before lanes and pacing have a say."""

    ready: tuple[Candidate, ...]
    early: tuple[Notification, ...]
    cancel: tuple[Notification, ...]
    lost: tuple[Notification, ...]
    alone: tuple[Notification, ...]


def is_cancelled(candidate: Candidate) -> bool:
    """Whether its integration was switched off after the notification was made (spec 1)."""
    n = candidate.notification
    if candidate.fingerprint is None:
        return True
    if n.last:
        return n.disablings != candidate.disablings
    return not candidate.enabled or n.disablings != candidate.disablings


def triage(
    candidates: Iterable[Candidate], now: datetime, links: Mapping[int, int] | None = None
) -> Triage:
    """Sorts a message's notifications; those that ended, or that a live worker is on, are left out.

    ``links`` are those that the message carries them under, by id. Who would have to be enqueued again
    is left out too where a later message carries it: a message that came twice would go on twice, for as
    long as there is a wait. Without links, as in messages of the version before, it is enqueued.
    """
    carried = links or {}
    chosen: dict[str, list[Candidate]] = {k: [] for k in Triage.__slots__}
    open_ = [c for c in candidates if c.notification.is_open]
    for c in open_:
        n = c.notification
        is_current = carried.get(n.id, n.link) == n.link
        if n.lease_until is not None and n.lease_until > now:
            continue
        if is_cancelled(c):
            chosen["cancel"].append(c)
        elif n.due_at > now:
            if is_current:
                chosen["early"].append(c)
        elif n.lost_claims >= LOST_AFTER:
            chosen["lost"].append(c)
        elif n.lost_claims >= ALONE_AFTER and len(open_) > 1:
            if is_current:
                chosen["alone"].append(c)
        else:
            chosen["ready"].append(c)
    chosen["ready"].sort(key=lambda c: (-c.notification.severity, c.notification.id))
    return Triage(
        ready=tuple(chosen["ready"]),
        **{
            k: tuple(c.notification for c in chosen[k])
            for k in ("early", "cancel", "lost", "alone")
        },
    )


# Every change of a notification's row is one of the functions below.


def fresh(new: NewNotification, now: datetime, ring: timedelta, *, place: int = 0) -> Notification:
    """As it is made; its id is its ``place`` in the batch until it is stored."""
    due = now + LAST_AFTER if new.last else now
    return Notification(
        id=place,
        integration_id=new.integration_id,
        state=State.SKIPPED if new.skipped else State.PENDING,
        run=1,
        attempts_made=0,
        claim=0,
        lost_claims=0,
        rings=0,
        due_at=due,
        lease_until=None,
        ring_at=None if new.skipped else due + ring,
        finished_at=now if new.skipped else None,
        severity=new.severity,
        disablings=new.disablings,
        last=new.last,
    )


def claimed(n: Notification, now: datetime, lease: timedelta) -> Notification:
    """A worker is on it until its lease ends."""
    until = now + lease
    return replace(
        n,
        claim=n.claim + 1,
        lost_claims=n.lost_claims + 1,
        rings=0,
        lease_until=until,
        ring_at=until,
    )


def carried_on(n: Notification) -> Notification:
    """Another message carries it from now on."""
    return replace(n, link=n.link + 1)


def waiting_for_turn(n: Notification, turn: datetime, ring: timedelta) -> Notification:
    """Pacing gave it a later turn: no attempt, never a failure (spec 5)."""
    return replace(carried_on(n), due_at=turn, lease_until=None, ring_at=turn + ring)


def parked(n: Notification, now: datetime) -> Notification:
    """It waits for its slow integration's lane."""
    return replace(n, lease_until=None, ring_at=now + LANE_PAUSE)


def put_back(n: Notification, now: datetime, ring: timedelta) -> Notification:
    """Its request was not begun: the claim is given back as if it had not been.

    It was due when it was claimed, and is so by a clock that was set back since.
    """
    return replace(
        carried_on(n),
        due_at=min(n.due_at, now),
        lost_claims=max(n.lost_claims - 1, 0),
        lease_until=None,
        ring_at=now + ring,
    )


def rung(n: Notification, now: datetime, ring: timedelta) -> Notification:
    """SWEEP enqueued it again; it worries next after 15, 30, then every 40 s."""
    pause = min(ring * 2**n.rings, max(RING_CAP, ring))
    return replace(carried_on(n), rings=min(n.rings + 1, 10), ring_at=max(n.due_at, now) + pause)


def ended(n: Notification, state: State, now: datetime, reason: str | None = None) -> Notification:
    """It has its final state."""
    return replace(
        n, state=state, lease_until=None, ring_at=None, finished_at=now, end_reason=reason
    )


def recorded(
    n: Notification,
    outcome: Outcome,
    *,
    current: bool,
    answered_at: datetime,
    now: datetime,
    ring: timedelta,
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
                rings=0,
                due_at=due,
                lease_until=None,
                ring_at=max(due, now) + ring,
            )
        case GaveUp():
            if not current or not n.is_open:
                return n
            return replace(
                ended(n, State.FAILED, now), attempts_made=n.attempts_made + 1, lost_claims=0
            )
        case _:
            assert_never(outcome)


def replayed(n: Notification, disablings: int, now: datetime, ring: timedelta) -> Notification:
    """The same notification is sent anew: run + 1, attempt 1, the same dedup_key (spec 5)."""
    return replace(
        carried_on(n),
        state=State.PENDING,
        run=n.run + 1,
        claim=n.claim + 1,  # what is still under way belongs to the run before
        attempts_made=0,
        lost_claims=0,
        rings=0,
        due_at=now,
        lease_until=None,
        ring_at=now + ring,
        finished_at=None,
        end_reason=None,
        disablings=disablings,
        last=False,
    )

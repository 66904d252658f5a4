"""Attendance: which queues nobody takes from for long, as seen by one process that looks again and again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from wallarm_notify.domain.readiness import GONE_AFTER, Node, QueueLength, consumers_of

LOGGED_AFTER: Final = timedelta(minutes=5)
"""A queue that nobody takes from for so long is logged."""

LOGGED_AGAIN_AFTER: Final = timedelta(hours=1)
"""So long after it was logged, it is logged again."""


class Change(Enum):
    """What a line about a queue says."""

    UNATTENDED = "unattended"
    STILL_UNATTENDED = "still unattended"
    ATTENDED = "attended"


@dataclass(frozen=True, slots=True)
class Notice:
    """One line to be logged about a ``queue``.

    Nobody took from it for ``time``, and so many ``messages`` wait there.
    """

    change: Change
    queue: str
    time: timedelta
    messages: int


@dataclass(frozen=True, slots=True)
class Absence:
    """Since when nobody takes from a queue, and when that was logged last; None: never."""

    since: datetime
    logged_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attendance:
    """What one process knows from its looks.

    It is since when it looks without a break, when it looked last, and the absences that go on.
    """

    watched_since: datetime | None = None
    looked_at: datetime | None = None
    absences: Mapping[str, Absence] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """What the database has of workers and queues at ``now``."""

    now: datetime
    nodes: Sequence[Node]
    lengths: Sequence[QueueLength]


def attendance_after(
    before: Attendance, look: Look, queues: Collection[str]
) -> tuple[Attendance, list[Notice]]:
    """Return what is known after a look, and what is to be logged now.

    ``queues`` are those that somebody has to take from. Where heartbeats could not be read for a while they may just
    as well not have been written, so absences count from the first look after it. A queue that nobody ever took from
    and in which nothing waits is not used here.
    """
    is_unbroken = before.looked_at is not None and (
        timedelta(0) <= look.now - before.looked_at <= GONE_AFTER
    )
    watched_since = before.watched_since if is_unbroken and before.watched_since else look.now
    messages = {one.queue: one.messages for one in look.lengths}
    absences: dict[str, Absence] = {}
    notices = []
    for queue, consumers in consumers_of(look.nodes, queues, look.now).items():
        waiting = messages.get(queue, 0)
        known = before.absences.get(queue)
        if consumers:
            if known is not None and known.logged_at is not None:
                notices.append(Notice(Change.ATTENDED, queue, look.now - known.since, waiting))
            continue
        seen_at = _seen_at(queue, look.nodes)
        is_logged = known is not None and known.logged_at is not None
        if seen_at is None and waiting == 0 and not is_logged:
            continue
        absence = _absence(known, seen_at, watched_since, look.now)
        change = _change(absence, look.now)
        if change is not None:
            notices.append(Notice(change, queue, look.now - absence.since, waiting))
            absence = replace(absence, logged_at=look.now)
        absences[queue] = absence
    return Attendance(watched_since, look.now, absences), notices


def _seen_at(queue: str, nodes: Sequence[Node]) -> datetime | None:
    """Return when a node was seen last that took from ``queue``; None: none is known."""
    return max((node.seen_at for node in nodes if queue in node.queues), default=None)


def _absence(
    known: Absence | None, seen_at: datetime | None, watched_since: datetime, now: datetime
) -> Absence:
    """Return the absence that goes on; until it is logged, it begins within the time that was watched."""
    if known is None:
        known = Absence(seen_at or now)
    return (
        known
        if known.logged_at
        else replace(known, since=min(max(known.since, watched_since), now))
    )


def _change(absence: Absence, now: datetime) -> Change | None:
    if absence.logged_at is None:
        return Change.UNATTENDED if now - absence.since >= LOGGED_AFTER else None
    return Change.STILL_UNATTENDED if now - absence.logged_at >= LOGGED_AGAIN_AFTER else None

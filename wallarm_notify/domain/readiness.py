"""Readiness: whether all that delivers alerts is there and keeps up, each part with its word."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

HEARTBEAT: Final = timedelta(seconds=15)
"""How often a node is noted to live."""

GONE_AFTER: Final = timedelta(minutes=1)
"""A node that was not seen for so long is taken to be gone: four heartbeats."""

SILENT_AFTER: Final = timedelta(minutes=1)
"""The least time without a run after which beat is taken to be gone."""

RUNS_MISSED: Final = 5
"""So many runs of SWEEP have to be missing before beat is taken to be gone."""

LATE_AFTER: Final = timedelta(minutes=5)
"""What is overdue or waits in a queue for so long is forgotten, or workers are behind (spec 7)."""


class Word(StrEnum):
    """How it stands with a part."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    OTHER_SCHEMA = "other schema"
    SILENT = "silent"
    MISSING = "missing"
    LATE = "late"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Node:
    """A worker's node: from which queues it takes, since when, and when it was seen last.

    ``ahead`` is how much its clock was ahead of the database's then; None: that is not known.
    """

    name: str
    queues: tuple[str, ...]
    began_at: datetime
    seen_at: datetime
    ahead: timedelta | None = None


@dataclass(frozen=True, slots=True)
class QueueLength:
    """How many ``messages`` waited in a queue at ``measured_at``, when SWEEP looked last.

    Every one of them came, or was handed back, after ``waiting_since``, when the queue was last seen empty; None: it
    was empty. Where it was never seen empty, that is when it was looked at first. What a worker has taken does not
    wait.
    """

    queue: str
    messages: int
    waiting_since: datetime | None
    measured_at: datetime

    @property
    def waiting(self) -> timedelta:
        """How long the queue was not seen empty; no time where it is empty."""
        if self.waiting_since is None:
            return timedelta(0)
        return self.measured_at - self.waiting_since


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database has of those who work on it.

    ``ran_at`` is when SWEEP began last, which beat sends; ``due_at`` when the check was due of what is overdue for
    longest; None: nothing is. ``queues`` are those that were measured.
    """

    now: datetime
    ran_at: datetime | None
    nodes: Sequence[Node]
    due_at: datetime | None
    queues: Sequence[QueueLength] = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether alerts are delivered: a word for each part.

    ``unattended`` are the queues that nobody takes from, ``backlogged`` those where messages wait for too long.
    """

    database: Word
    migrations: Word
    broker: Word
    beat: Word
    workers: Word
    oldest_due: Word
    queues: Word
    unattended: tuple[str, ...] = ()
    backlogged: tuple[str, ...] = ()
    beat_ran_at: datetime | None = None
    due_at: datetime | None = None

    @property
    def is_ready(self) -> bool:
        """Whether every part is well.

        Queues that nobody measures keep nothing from being delivered: where SWEEP does not run, beat is silent.
        """
        parts = (self.database, self.migrations, self.broker, self.beat, self.workers)
        well = all(word is Word.OK for word in (*parts, self.oldest_due))
        return well and self.queues is not Word.LATE


def readiness_of(
    standing: Standing, broker: Word, queues: Collection[str], sweep_interval: timedelta
) -> Readiness:
    """Return whether alerts are delivered, where the database serves this program.

    ``queues`` are those that somebody has to take from.
    """
    unattended = _unattended(standing, queues)
    allowed = _allowed(sweep_interval)
    backlogged = _backlogged(standing, allowed)
    return Readiness(
        database=Word.OK,
        migrations=Word.OK,
        broker=broker,
        beat=_beat(standing, sweep_interval),
        workers=Word.MISSING if unattended else Word.OK,
        oldest_due=_oldest_due(standing),
        queues=_queues(standing, backlogged, allowed),
        unattended=unattended,
        backlogged=backlogged,
        beat_ran_at=standing.ran_at,
        due_at=standing.due_at,
    )


def without_database(database: Word, migrations: Word) -> Readiness:
    """Return what is known where the database does not serve this program: nothing more."""
    unknown = Word.UNKNOWN
    return Readiness(database, migrations, unknown, unknown, unknown, unknown, unknown)


def _unattended(standing: Standing, queues: Collection[str]) -> tuple[str, ...]:
    consumers = consumers_of(standing.nodes, queues, standing.now)
    return tuple(queue for queue, nodes in consumers.items() if nodes == 0)


def consumers_of(nodes: Iterable[Node], queues: Iterable[str], now: datetime) -> dict[str, int]:
    """Return how many nodes that live take from each of ``queues``."""
    taken = Counter(
        queue for node in nodes if now - node.seen_at <= GONE_AFTER for queue in node.queues
    )
    return {queue: taken[queue] for queue in queues}


def _beat(standing: Standing, interval: timedelta) -> Word:
    if standing.ran_at is None:
        return Word.SILENT
    return Word.OK if standing.now - standing.ran_at <= _allowed(interval) else Word.SILENT


def _allowed(interval: timedelta) -> timedelta:
    """Return how long ago SWEEP may have run."""
    return max(SILENT_AFTER, RUNS_MISSED * interval)


def _measured(standing: Standing, allowed: timedelta) -> list[QueueLength]:
    """Return what was measured lately; a queue may be there no more, or not be shown any more."""
    return [one for one in standing.queues if standing.now - one.measured_at <= allowed]


def _backlogged(standing: Standing, allowed: timedelta) -> tuple[str, ...]:
    measured = _measured(standing, allowed)
    return tuple(one.queue for one in measured if one.waiting > LATE_AFTER)


def _queues(standing: Standing, backlogged: Collection[str], allowed: timedelta) -> Word:
    if _measured(standing, allowed):
        return Word.LATE if backlogged else Word.OK
    return Word.UNKNOWN


def _oldest_due(standing: Standing) -> Word:
    if standing.due_at is None or standing.now - standing.due_at <= LATE_AFTER:
        return Word.OK
    return Word.LATE

"""Overdue: how many SWEEP publishes of each integration, so that no backlog is in another's way (engine 6)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

AT_ONCE: Final = 1000
"""So many notifications are published in one transaction, and of slow integrations as many again."""

FEW: Final = 100
"""So many, one message's, are published in a run where the queue is long, and of slow integrations as many again."""

LONG_OVERDUE: Final = timedelta(minutes=1)
"""What has been due for so long is published however long the queue is: its message may be lost."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The notifications of one integration, in one queue, that SWEEP should have looked at by now.

    ``first`` tells first attempts from retries: each have a queue of their own. ``due_at`` and
    ``recheck_at`` are those of the one that should have been looked at longest ago. A ``slow`` integration
    gets one send at a time; ``bulkhead_taken``: that one is under way.
    """

    integration_id: int
    first: bool
    due_at: datetime
    recheck_at: datetime
    slow: bool
    bulkhead_taken: bool


@dataclass(frozen=True, slots=True)
class Share:
    """At most ``most`` notifications of one integration, in one queue."""

    integration_id: int
    first: bool
    most: int


def is_long_overdue(
    due_at: datetime, recheck_at: datetime, now: datetime, grace: timedelta
) -> bool:
    """Whether it was due a minute ago, by ``due_at`` or by when SWEEP was to look, ``ring`` later."""
    return due_at <= now - LONG_OVERDUE or recheck_at + LONG_OVERDUE <= now + grace


def shares_of(
    backlogs: Iterable[Backlog],
    room: Mapping[bool, bool],
    *,
    now: datetime,
    grace: timedelta,
    run: int,
    again: bool = False,
) -> list[Share]:
    """How many notifications are published, of each integration and queue.

    ``room`` tells of each queue, by ``first``, whether it is short. Into a long one goes only what is long
    overdue, and few: publishing the rest would only pile up more. Every integration gets the same; of a
    slow one it is one. Where there are more integrations than can be served, each ``run`` goes on
    where the one before it stopped. ``again`` asks for what a run's further rounds may still publish.
    """
    late = [
        b
        for b in backlogs
        if room[b.first] or (not again and is_long_overdue(b.due_at, b.recheck_at, now, grace))
    ]
    healthy = [b for b in late if not b.slow]
    slow = [] if again else _one_of_each(b for b in late if b.slow and not b.bulkhead_taken)
    found = _divided([b for b in healthy if room[b.first]], AT_ONCE, run)
    found += _divided([b for b in slow if room[b.first]], AT_ONCE, run, each=1)
    for first, short in room.items():
        if not short:
            found += _divided([b for b in healthy if b.first is first], FEW, run)
            found += _divided([b for b in slow if b.first is first], FEW, run, each=1)
    return found


def _one_of_each(slow: Iterable[Backlog]) -> list[Backlog]:
    """Of each integration the queue whose head should have been looked at first."""
    heads: dict[int, Backlog] = {}
    for b in sorted(slow, key=lambda b: b.recheck_at):
        heads.setdefault(b.integration_id, b)
    return list(heads.values())


def _divided(
    backlogs: Sequence[Backlog], limit: int, run: int, *, each: int | None = None
) -> list[Share]:
    """``limit`` in equal shares, of ``each`` where that is given."""
    if not backlogs:
        return []
    ordered = sorted(backlogs, key=lambda b: (b.integration_id, b.first))
    start = run * limit % len(ordered) if len(ordered) > limit else 0
    chosen = (ordered[start:] + ordered[:start])[:limit]
    most = each or limit // len(chosen)
    return [Share(b.integration_id, b.first, most) for b in chosen]

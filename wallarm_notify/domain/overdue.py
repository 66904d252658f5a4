"""Overdue: how many notifications SWEEP publishes of each integration, so that no backlog delays another (engine 6)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

AT_ONCE: Final = 1000
"""The most notifications published in one transaction, and as many again of slow integrations."""

FEW: Final = 100
"""The most notifications published in a run while the queue is long, and as many again of slow integrations.
It is one message's.
"""

LONG_OVERDUE: Final = timedelta(minutes=1)
"""The time overdue after which a notification is published even into a long queue: its message may be lost."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """One integration's notifications in one queue that SWEEP should have checked by now.

    ``first``: first attempts, which have another queue than retries. ``due_at`` and ``recheck_at`` are of
    the notification that has waited longest for a check. A ``slow`` integration has one request at a time;
    ``bulkhead_taken``: that one is under way.
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
    """Return whether it was due a minute ago: by ``due_at``, or by ``recheck_at``, which is ``grace`` later."""
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
    """Return how many notifications are published, of each integration and queue.

    ``room`` has for each queue, by ``first``, whether it is short. Into a long one go only a few that are
    long overdue: the others would only make it longer. Every integration has an equal share; a slow one has
    one notification. If there are more integrations than can be served, each ``run`` continues where the
    one before stopped. ``again`` asks for what further rounds of a run may still publish.
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
    """Return one queue of each integration: the one whose first notification has waited longest for a check."""
    heads: dict[int, Backlog] = {}
    for b in sorted(slow, key=lambda b: b.recheck_at):
        heads.setdefault(b.integration_id, b)
    return list(heads.values())


def _divided(
    backlogs: Sequence[Backlog], limit: int, run: int, *, each: int | None = None
) -> list[Share]:
    """Return ``limit`` in equal shares, of ``each`` if that is given."""
    if not backlogs:
        return []
    ordered = sorted(backlogs, key=lambda b: (b.integration_id, b.first))
    start = run * limit % len(ordered) if len(ordered) > limit else 0
    chosen = (ordered[start:] + ordered[:start])[:limit]
    most = each or limit // len(chosen)
    return [Share(b.integration_id, b.first, most) for b in chosen]

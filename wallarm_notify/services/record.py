"""Record: attempts are stored, with the next attempt or the end that follows from each (engine 8, 9)."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wallarm_notify.domain.clock import BACK_FROM
from wallarm_notify.domain.health import by_minute
from wallarm_notify.domain.lateness import counted_lateness
from wallarm_notify.domain.notification import Notification, State, recorded
from wallarm_notify.domain.outcome import Attempt, outcome_of
from wallarm_notify.domain.traffic import counted_attempt
from wallarm_notify.services.bulkheads import free

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from wallarm_notify.services.context import Context, ServiceSettings
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record came to: the notifications that it changed, and the database's time."""

    now: datetime
    changed: tuple[Notification, ...]

    @property
    def retries(self) -> list[Notification]:
        """What is to be enqueued for its next attempt."""
        return [n for n in self.changed if n.is_open]


def record(ctx: Context, attempts: Sequence[Attempt]) -> Recorded:
    """Store ``attempts`` and what follows from them. Raise Unavailable; to repeat it is harmless.

    The caller enqueues the ``retries``, then calls ``follow_up``.
    """
    done = ctx.store.transact(lambda tx: write_down(tx, attempts, ctx.settings))
    _log_attempts(attempts)
    log_ends(done.changed)
    return done


def follow_up(
    ctx: Context,
    attempts: Sequence[Attempt],
    done: Recorded,
    slow: Collection[int] = (),
    tokens: Mapping[int, str] | None = None,
) -> None:
    """Wipe keys that a record made unnecessary, and free bulkheads. Raise Unavailable; to repeat it is harmless.

    A deleted integration's key goes when its closing has ended. ``slow`` and ``tokens``: see
    ``bulkheads.free``.
    """
    ended_closing = {n.integration_id for n in done.changed if n.closing and not n.is_open}
    if ended_closing:
        ctx.store.transact(lambda tx: tx.wipe_ended_keys(sorted(ended_closing)))
    if slow:
        free(ctx, attempts, slow, tokens or {})


def write_down(tx: Transaction, attempts: Sequence[Attempt], settings: ServiceSettings) -> Recorded:
    """Do the transaction of ``record``; an attempt under an older fencing token only counts, unless it delivered."""
    rows = {n.id: n for n in tx.lock(sorted({a.notification_id for a in attempts}))}
    # What was pruned meanwhile has no place for a late answer, nor has another notification that has its id by now.
    attempts = [
        _by_this_clock(a, tx.now) for a in attempts if tx.is_of(a.notification_id, a.dedup_start)
    ]
    stored = tx.insert_attempts(attempts)
    new = []
    counts: Counter[str] = Counter()
    changed = dict(rows)
    for a in sorted(attempts, key=lambda a: a.fence):
        n = changed.get(a.notification_id)
        if n is None or (a.notification_id, a.fence) not in stored:
            continue
        stored.discard((a.notification_id, a.fence))
        new.append(a)
        if n.fence == a.fence:  # of an older claim it is not known any more when it was due
            counts.update(counted_lateness(a.number, a.at - n.due_at))
        counts.update(counted_attempt(a.answer, a.duration))
        outcome = outcome_of(
            a.answer, number=a.number, closing=n.closing, scale=settings.retry_time_scale
        )
        changed[n.id] = recorded(
            n,
            outcome,
            current=n.fence == a.fence,
            answered_at=a.answered_at,
            now=tx.now,
            grace=settings.grace,
        )
    different = tuple(n for i, n in changed.items() if n is not rows[i])
    tx.save(different)
    tx.count_attempts(by_minute(new))
    tx.count(counts)
    return Recorded(tx.now, different)


def _by_this_clock(attempt: Attempt, now: datetime) -> Attempt:
    """Return ``attempt`` with a time that is not ahead, also where the database's clock was set back.

    Else the next wait would count from a time to come.
    """
    ahead = attempt.answered_at - now
    return attempt if ahead < BACK_FROM else replace(attempt, at=attempt.at - ahead)


def _log_attempts(attempts: Sequence[Attempt]) -> None:
    reasons = Counter(a.answer.reason or "delivered" for a in attempts)
    integrations = {a.integration_id for a in attempts}
    log.info(
        "delivery.recorded",
        extra={"integrations": sorted(integrations), **{str(r): n for r, n in reasons.items()}},
    )


def log_ends(notifications: Iterable[Notification]) -> None:
    """Log which of ``notifications`` have failed for good."""
    for n in notifications:
        if n.state is State.FAILED:
            log.error(
                "notification.failed",
                extra={
                    "notification": n.id,
                    "integration": n.integration_id,
                    "attempts": n.attempts_made,
                    "reason": n.end_reason or "every attempt of the schedule failed",
                },
            )

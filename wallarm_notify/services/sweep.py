"""Sweep, the watchdog: what is overdue and no worker has is enqueued again (engine 6).

What waited for a disabled integration is cancelled too.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.batches import messages
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.notification import Notification, State, ended, rechecked
from wallarm_notify.domain.overdue import is_long_overdue, shares_of
from wallarm_notify.domain.traffic import SWEPT
from wallarm_notify.domain.words import counted
from wallarm_notify.services.end_pauses import end_pauses
from wallarm_notify.services.follow_clock import follow_clock
from wallarm_notify.services.note_feeds import note_feeds
from wallarm_notify.services.readiness import measure_queues
from wallarm_notify.services.replay_jobs import revive_replay_jobs
from wallarm_notify.services.take_in_ahead import take_in_ahead

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)

ROUNDS: Final = 5
"""At most so many transactions are made by a run; the next run goes on."""

LONG_QUEUE: Final = 50
"""Into a queue with so many messages only what is long overdue is enqueued, a few at a time: it is slow."""

CANCEL_SLICE: Final = 500

FORGET_EVERY: Final = timedelta(hours=1)
"""How often grants of keys that no integration has any more are looked for."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a run did."""

    published: int = 0
    cancelled: int = 0
    ran: bool = True

    @property
    def words(self) -> str:
        """What it did in words, for people and for Flower."""
        if not self.ran:
            return "another run was there first"
        return f"{counted(self.published, 'notification')} published, {self.cancelled} cancelled"


def sweep(ctx: Context) -> Swept:
    """Do one run; end at once where another is under way or has just been. Raise Unavailable.

    Two runs at once harm nothing. First it follows the database's clock and enables what was disabled until
    now, and notes how long queues are and when events came. Last it takes in events that were kept apart for their
    time, and has replay jobs worked on.
    """
    if not ctx.store.transact(lambda tx: tx.may_run("sweep", ctx.settings.sweep_interval * 0.8)):
        return Swept(ran=False)
    _do_beside(follow_clock, ctx)
    _do_beside(measure_queues, ctx)
    _do_beside(end_pauses, ctx)
    _do_beside(note_feeds, ctx)
    cancelled = cancel_left_behind(ctx)
    ctx.store.transact(lambda tx: tx.wipe_ended_keys())
    if ctx.store.transact(lambda tx: tx.may_run("forget_grants", FORGET_EVERY)):
        ctx.store.transact(lambda tx: tx.forget_grants())
    rechecked = 0
    for round_ in range(ROUNDS):
        done = recheck(ctx, again=round_ > 0)
        rechecked += done
        if not done:
            break
    _do_beside(take_in_ahead, ctx)
    _do_beside(revive_replay_jobs, ctx)
    return Swept(rechecked, cancelled)


def recheck(ctx: Context, *, again: bool = False) -> int:
    """Enqueue again, in one transaction, overdue notifications that no worker has; return how many.

    ``again``: it was done in this run before. Raise Unavailable.
    """
    room = {first: _has_room(ctx, first=first) for first in (True, False)}
    settings = ctx.settings

    def work(tx: Transaction) -> tuple[list[Notification], datetime]:
        run = int(tx.now.timestamp() / settings.sweep_interval.total_seconds())
        shares = shares_of(
            tx.backlogs(), room, now=tx.now, grace=settings.grace, run=run, again=again
        )
        rows = [
            rechecked(n, tx.now, settings.grace)
            for n in (tx.overdue(shares) if shares else ())
            if room[n.attempts_made == 0] or _is_long_overdue(n, tx.now, settings.grace)
        ]
        tx.save(rows)
        tx.count({SWEPT: len(rows)})
        return rows, tx.now

    rows, now = ctx.store.transact(work)
    ctx.publisher.publish(messages(rows, now))
    return len(rows)


def _is_long_overdue(n: Notification, now: datetime, grace: timedelta) -> bool:
    return n.recheck_at is not None and is_long_overdue(n.due_at, n.recheck_at, now, grace)


def _has_room(ctx: Context, *, first: bool) -> bool:
    length = ctx.publisher.length(first=first)
    return length is not None and length < LONG_QUEUE


def _do_beside(use_case: Callable[[Context], object], ctx: Context) -> None:
    """Do a use case that a run does beside its own work; where it fails the run goes on."""
    try:
        use_case(ctx)
    except NotifyError as error:
        log.warning("sweep.not_now", extra={"error": str(error)})
    except Exception:
        log.exception("sweep.fault")


def cancel_left_behind(ctx: Context) -> int:
    """Cancel, slice by slice, what waited for integrations that were switched off; return how many.

    Raise Unavailable.
    """

    def work(tx: Transaction) -> int:
        rows = [ended(n, State.CANCELLED, tx.now) for n in tx.left_behind(CANCEL_SLICE)]
        tx.save(rows)
        return len(rows)

    cancelled = 0
    while (done := ctx.store.transact(work)) > 0:
        cancelled += done
        if done < CANCEL_SLICE:
            break
    return cancelled

"""Follow clock: after the database's clock was set back, stored times are set back as far (spec 7).

That clock alone decides what is due. Were it set back by an hour, all that was stored before would wait for an
hour more: retries, leases of dead workers, what SWEEP is to look at.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.clock import set_back_by
from wallarm_notify.domain.notification import BULKHEAD_PAUSE, RECHECK_CAP
from wallarm_notify.domain.rate_limit import moved_back

if TYPE_CHECKING:
    from wallarm_notify.services.context import Context, ServiceSettings
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)

SLICE: Final = 1000
"""At most so many notifications are moved in one transaction."""

WORKS_FOR: Final = 10.0
"""Seconds after which a run begins no further slice; the next run goes on."""

STRAGGLE: Final = timedelta(minutes=5)
"""How long after a jump there may be transactions that began before it."""


def follow_clock(ctx: Context) -> int:
    """Note the database's clock, and move the times of what waits by an earlier one; return how many.

    Two runs at once, or one that is killed, harm nothing. Raise Unavailable.
    """
    until = ctx.clock() + WORKS_FOR
    # What is left of an earlier jump first: a second one counts from where the first has led.
    moved = _mend(ctx, until)
    noticed = ctx.store.transact(_notice)
    if noticed is not None:
        _log_jump(*noticed)
    moved += _mend(ctx, until)
    if ctx.store.transact(lambda tx: tx.jumped_lately(STRAGGLE)):
        settings = ctx.settings
        moved += ctx.store.transact(
            lambda tx: tx.mend_stragglers(lease=settings.lease, grace=settings.grace)
        )
    return moved


def _mend(ctx: Context, until: float) -> int:
    moved = 0
    upto: datetime | None = None
    while ctx.clock() < until:
        done = ctx.store.transact(lambda tx: _move_some(tx, upto, ctx.settings))  # noqa: B023 - called at once
        if done is None:
            break
        some, upto, followed = done
        if followed is not None:
            log.info("database.clock_followed", extra={"seconds": followed.total_seconds()})
        moved += some
    return moved


def _move_some(
    tx: Transaction, upto: datetime | None, settings: ServiceSettings
) -> tuple[int, datetime | None, timedelta | None] | None:
    """Move one slice; None: there is nothing to mend.

    Return how many were moved, from where to go on, and by how much everything was moved where this was the end.
    """
    jump = tx.jump_to_mend()
    if jump is None:
        return None
    grants = tx.grants_ahead(jump, SLICE)
    if grants:
        seconds = jump.back.total_seconds()
        tx.save_grants({key: moved_back(of_key, seconds) for key, of_key in grants.items()})
        return 0, upto, None
    # SWEEP's next look at what is due already is no further ahead than this.
    grace = max(BULKHEAD_PAUSE, RECHECK_CAP, settings.grace)
    moved, reached = tx.move_along(jump, upto, SLICE, lease=settings.lease, grace=grace)
    if reached is not None:
        return moved, reached, None
    tx.end_jump(jump)
    return moved, None, jump.back


def _notice(tx: Transaction) -> tuple[timedelta, datetime] | None:
    """Note the database's time; return by how much it was set back, and to what, if it was."""
    mark = tx.note_clock()
    back = None if mark is None else set_back_by(mark.latest, mark.now)
    if mark is None or back is None:
        return None
    tx.note_jump(mark, back)
    return back, mark.now


def _log_jump(back: timedelta, now: datetime) -> None:
    log.error(
        "database.clock_set_back",
        extra={
            "seconds": back.total_seconds(),
            "database_time": now.isoformat(),
            "hint": "what waits is moved along; keep the clock of the database's machine in step (NTP)",
        },
    )

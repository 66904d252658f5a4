"""Restore: what a restored database would send again is shown, and cancelled where that is asked for.

Nothing can know what the lost database sent after the backup was made. So either workers send it again, under its
former dedup keys, or a person decides on it: cancelled, it can be replayed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.activity import Action, Change, ObjectType
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.notification import RESTORED, State, ended
from wallarm_notify.domain.restore import Restored
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.activity import log_changes

if TYPE_CHECKING:
    from datetime import datetime

    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.restore import MayBeSent
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

SLICE: Final = 500


def show_restored(ctx: Context, scope: Scope, lost_at: datetime | None = None) -> Restored:
    """Return how it stands after a restore. Raise Unavailable, Refused; NotFound where ``scope`` is of some clients.

    ``lost_at`` is when the database was lost; None: now, as it cannot have sent anything later.
    """
    if scope != EVERY_CLIENT:
        raise NotFound("A database is restored with all of its clients.")

    def work(tx: Transaction) -> Restored:
        known_until = tx.known_until()
        if lost_at is not None:
            _check_lost(lost_at, known_until, tx.now)
        may_be_sent = tx.may_be_sent(tx.now if lost_at is None else lost_at)
        return Restored(known_until, may_be_sent, tx.open_replays())

    return ctx.store.transact(work)


def _check_lost(lost_at: datetime, known_until: datetime | None, now: datetime) -> None:
    """Raise Refused where the former database can't have been lost then: mostly it is a time of another zone."""
    if known_until is not None and lost_at < known_until:
        raise Refused(
            f"it knows of {known_until:%Y-%m-%d %H:%M:%S} UTC, so it was lost later; times are in UTC.",
            field="lost-at",
        )
    if lost_at > now:
        raise Refused("that lies ahead; times are in UTC.", field="lost-at")


def cancel_may_be_sent(
    ctx: Context, actor: Actor, scope: Scope, lost_at: datetime | None = None
) -> Restored:
    """Cancel what may have been sent, and open replays, slice by slice; return what that was.

    To repeat it goes on where it ended. Raise NotFound, Refused, Unavailable.
    """
    before = show_restored(ctx, scope, lost_at)

    def begin(tx: Transaction) -> datetime:
        tx.cancel_replays(actor.name)
        return tx.now

    began = ctx.store.transact(begin)
    # Read again, now that no replay adds to it.
    found = replace(show_restored(ctx, scope, lost_at), replays=before.replays)
    for one in found.may_be_sent:
        while _cancel_slice(ctx, actor, one, began if lost_at is None else lost_at) == SLICE:
            pass
    return replace(found, cancelled_at=began)


def _cancel_slice(ctx: Context, actor: Actor, of: MayBeSent, lost_at: datetime) -> int:
    """Cancel some notifications of an integration, with a line in the activity log; return how many."""

    def work(tx: Transaction) -> int:
        rows = tx.lock_may_be_sent(of.id, lost_at, SLICE)
        if rows:
            after = {"notifications": len(rows), "reason": RESTORED}
            change = Change(
                Action.CANCELLED, ObjectType.INTEGRATION, of.client_id, of.id, after=after
            )
            log_changes(tx, actor, change)
        tx.save([ended(n, State.CANCELLED, tx.now, RESTORED) for n in rows])
        return len(rows)

    return ctx.store.transact(work)

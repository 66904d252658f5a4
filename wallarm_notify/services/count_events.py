"""Count recent events: what an integration that subscribes to them would have been sent."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from wallarm_notify.domain.page import SLICE
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.recent_events import (
    COUNTED_FOR,
    MOST_COUNTED,
    SECONDS,
    CountedEvents,
    alerts_of,
)

if TYPE_CHECKING:
    from datetime import datetime

    from wallarm_notify.domain.event import Subscription
    from wallarm_notify.domain.page import Ids, Reached
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def count_recent_events(ctx: Context, scope: Scope, client_id: int) -> CountedEvents:
    """Return how many alerts each subscription would have made of a client's events of the last week.

    Events are kept for less than that where the retention says so. Of very many events the newest are counted. Raise
    NotFound, Unavailable.
    """
    scope.check(client_id)
    kept = min(COUNTED_FOR, ctx.settings.retention, ctx.settings.unmatched_retention or COUNTED_FOR)

    def work(tx: Transaction) -> CountedEvents:
        since = tx.now - kept
        return _counted(ctx, tx, client_id, since, tx.event_numbers(Period(since)))

    return ctx.store.transact(work)


def _counted(
    ctx: Context, tx: Transaction, client_id: int, since: datetime, ids: Ids
) -> CountedEvents:
    """Count slice by slice from the newest event back, for a little while."""
    began = ctx.clock()
    alerts: Counter[Subscription] = Counter()
    reached: Reached | None = None
    for _ in range(MOST_COUNTED // SLICE):
        before = None if reached is None else reached.id
        kinds, reached = tx.kinds_of_events(client_id, ids, before, SLICE)
        alerts += alerts_of(kinds)
        if reached is None or ctx.clock() - began > SECONDS:
            break
    return CountedEvents(since if reached is None else reached.at, reached is None, alerts)

"""Operation: the nodes, queues, lateness and attempts that operators look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.lateness import lateness_in
from wallarm_notify.domain.operation import LATELY, SHOWN, Operation, every_minute
from wallarm_notify.domain.scope import EVERY_CLIENT

if TYPE_CHECKING:
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def show_operation(ctx: Context, scope: Scope) -> Operation:
    """Return how the installation works now. Raise NotFound where ``scope`` is of some clients; Unavailable."""
    if scope != EVERY_CLIENT:
        raise NotFound("There is no health of some clients alone.")

    def work(tx: Transaction) -> Operation:
        return Operation(
            now=tx.now,
            nodes=tx.nodes(),
            queues=tx.queue_lengths(),
            lateness=lateness_in(tx.running_counts()),
            recent=tx.recent_attempts(LATELY),
            outages=sorted(tx.outages_going_on()),
            minutes=every_minute(tx.attempts_by_minute(SHOWN), tx.now, SHOWN),
        )

    return ctx.store.transact(work)

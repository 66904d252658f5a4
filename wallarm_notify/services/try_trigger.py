"""Try criteria on a client's newest events while somebody waits: with one limit, and with others."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.triggers.trial import Looked, Trial, try_criteria

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.triggers.trigger import Criteria
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

TRIED_ON: Final = timedelta(days=7)
"""Events of so long are looked at."""

MOST_EVENTS: Final = 10_000
"""So many of a client's newest events are looked at, of all types: somebody waits for the page."""


def try_trigger(
    ctx: Context, scope: Scope, client_id: int, criteria: Criteria, limits: Sequence[int]
) -> Trial:
    """Return what criteria would have fired on the newest events with each of ``limits``; nothing is stored.

    ``services.simulate_trigger`` does it for any time and any number of events, beside a worker's tasks. Raise
    NotFound, Unavailable.
    """
    scope.check(client_id)
    event_type = criteria.condition.terms.event_type

    def work(tx: Transaction) -> Looked:
        since = tx.now - TRIED_ON
        arrivals, reached = tx.newest_arrivals(scope, client_id, event_type, since, MOST_EVENTS)
        return Looked(reached or since, tx.now, reached is None, arrivals)

    return try_criteria(criteria, ctx.store.transact(work), limits)

"""Coverage of a client's rules as they stand: who is notified of what, and of what nobody is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.coverage import Coverage, coverage_of

if TYPE_CHECKING:
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context


def show_coverage(ctx: Context, scope: Scope, client_id: int) -> Coverage:
    """Return what a client's rules cover now. Raise NotFound, Unavailable."""
    scope.check(client_id)
    rules = ctx.store.transact(lambda tx: tx.standing_rules(scope, client_id))
    return coverage_of(client_id, rules)

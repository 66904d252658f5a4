"""Earlier versions of a client's rules, which say why an event was routed as it was (engine 25)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.rules import Rules

if TYPE_CHECKING:
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context


def rules_at(ctx: Context, scope: Scope, client_id: int, version: int) -> Rules:
    """Return the rules of a client in ``version``, the number that its events name.

    Raise NotFound, also where the client is outside ``scope``; Unavailable.
    """
    if version == 0 and scope.includes(client_id):
        return Rules(0)
    found = ctx.store.transact(lambda tx: tx.rules_of(scope, client_id, version))
    if found is None:
        raise NotFound(f"There is no version {version} of the rules of client {client_id}.")
    return found

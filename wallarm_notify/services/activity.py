"""The activity log (audit log): written in the transaction of the change, read by people (spec 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.page import Page, page_of

if TYPE_CHECKING:
    from wallarm_notify.domain.activity import Activity, Change
    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def log_changes(tx: Transaction, actor: Actor, *changes: Change) -> None:
    """Write ``changes`` of one client, and raise its ``rules_version`` where they change its rules.

    Call it when the transaction has locked all rows that it changes, and before it announces the change.
    The lock on the client's versions is taken last, so that no two changes wait for each other.
    """
    tx.log_activity(actor, changes)
    for client_id in sorted({c.client_id for c in changes if c.is_of_rules and c.client_id}):
        tx.raise_rules_version(client_id)


def list_activity(
    ctx: Context, scope: Scope, *, client_id: int | None, cursor: int | None, limit: int
) -> Page[Activity]:
    """Return a page of the activity log, the newest line first. Raise Unavailable.

    Lines that belong to no client are there only where ``scope`` is every client.
    """
    rows = ctx.store.transact(
        lambda tx: tx.activity(scope, client_id=client_id, before=cursor, limit=limit + 1)
    )
    return page_of(rows, limit, lambda line: line.id)

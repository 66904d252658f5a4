"""The activity log: what a use case writes of the change it makes, in the same transaction (spec 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wallarm_notify.domain.activity import Change
    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.store import Transaction


def log_changes(tx: Transaction, actor: Actor, *changes: Change) -> None:
    """Write ``changes`` of one client, and raise its ``rules_version`` where they decide who is notified.

    Call it when the transaction has locked all rows it changes, and before it announces the change: the
    lock on the client's versions is the last one that is taken, so that no two changes wait for each other.
    """
    tx.log_activity(actor, changes)
    for client_id in sorted({c.client_id for c in changes if c.is_of_rules and c.client_id}):
        tx.raise_rules_version(client_id)

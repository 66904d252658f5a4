"""Rotate secrets: everything that is stored encrypted is encrypted with the newest key (spec 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.activity import Action, Change, ObjectType
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.activity import log_changes

if TYPE_CHECKING:
    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def has_secrets(ctx: Context) -> bool:
    """Return whether anything is stored that was encrypted with a secret key. Raise Unavailable."""
    return ctx.store.transact(lambda tx: tx.has_secrets())


def rotate_secrets(ctx: Context, actor: Actor, scope: Scope) -> tuple[int, list[int]]:
    """Encrypt every secret with the newest key; return how many, and which integrations' could not be opened.

    Raise NotFound where ``scope`` is of some clients, as the keys belong to none; Unavailable.
    """
    if scope != EVERY_CLIENT:
        raise NotFound("There are no secret keys.")

    def work(tx: Transaction) -> tuple[int, list[int]]:
        done, locked_up = tx.rotate_secrets()
        after = {"secrets": done, "unreadable": locked_up}
        change = Change(Action.ROTATED, ObjectType.ENCRYPTION_KEYS, after=after)
        log_changes(tx, actor, change)
        return done, locked_up

    return ctx.store.transact(work)

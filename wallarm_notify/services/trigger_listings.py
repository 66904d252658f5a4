"""Listings of triggers, with their last firings and what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.activity import ObjectType
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.page import Page, page_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.triggers.trigger import Trigger
    from wallarm_notify.domain.views import ShownFiring
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

FIRINGS_SHOWN: Final = 10

MOST_TRIGGERS: Final = 1000
"""More than any client has: see ``services.manage_triggers``."""


def list_triggers(
    ctx: Context,
    scope: Scope,
    *,
    client_id: int | None = None,
    limit: int,
    cursor: int | None = None,
) -> Page[Trigger]:
    """Return triggers by their ids, of one client where ``client_id`` is given. Raise Unavailable."""
    rows = ctx.store.transact(lambda tx: tx.triggers(scope, client_id, cursor or 0, limit + 1))
    return page_of(rows, limit, lambda t: t.id)


def triggers_of_client(
    ctx: Context, scope: Scope, client_id: int
) -> list[tuple[Trigger, datetime]]:
    """Return all triggers of a client by their ids, each with when it was changed last.

    Where the activity log no longer goes back that far, that is when it was made. Raise NotFound, Unavailable.
    """
    scope.check(client_id)

    def work(tx: Transaction) -> list[tuple[Trigger, datetime]]:
        changed = tx.last_changes(client_id, ObjectType.TRIGGER)
        triggers = tx.triggers(scope, client_id, 0, MOST_TRIGGERS)
        return [(one, max(one.created_at, changed.get(one.id, one.created_at))) for one in triggers]

    return ctx.store.transact(work)


def changed_at(ctx: Context, trigger: Trigger) -> datetime:
    """Return when a trigger was changed last, as far as the activity log goes back. Raise Unavailable."""
    changed = ctx.store.transact(lambda tx: tx.last_changes(trigger.client_id, ObjectType.TRIGGER))
    return max(trigger.created_at, changed.get(trigger.id, trigger.created_at))


def find_trigger(ctx: Context, scope: Scope, trigger_id: int) -> Trigger:
    """Return one trigger without its firings. Raise NotFound, Unavailable."""
    return there_is(trigger_id, ctx.store.transact(lambda tx: tx.trigger(scope, trigger_id)))


def show_trigger(
    ctx: Context,
    scope: Scope,
    trigger_id: int,
    limit: int = FIRINGS_SHOWN,
    cursor: int | None = None,
) -> tuple[Trigger, Page[ShownFiring]]:
    """Return one trigger with a page of its firings, the newest first. Raise NotFound, Unavailable."""

    def work(tx: Transaction) -> tuple[Trigger, Page[ShownFiring]]:
        trigger = there_is(trigger_id, tx.trigger(scope, trigger_id))
        if not limit:
            return trigger, Page([])
        rows = tx.firings(trigger_id, limit + 1, cursor)
        return trigger, page_of(rows, limit, lambda f: f.number)

    return ctx.store.transact(work)


def disabled_among(
    ctx: Context, scope: Scope, triggers: Sequence[Trigger]
) -> Mapping[int, datetime | None]:
    """Return the disabled ones of the integrations that ``triggers`` notify, by id, and until when.

    None: until somebody enables it. Raise Unavailable.
    """
    ids = sorted({i for trigger in triggers for i in trigger.integration_ids})
    return ctx.store.transact(lambda tx: tx.disabled_integrations(scope, ids)) if ids else {}


def there_is(trigger_id: int, trigger: Trigger | None) -> Trigger:
    """Return ``trigger``, which was looked up by this id. Raise NotFound where there is none."""
    if trigger is None:
        raise NotFound(f"There is no trigger {trigger_id}.")
    return trigger

"""Listings of triggers, with their last firings and what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.page import Page, page_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.triggers.trigger import Trigger
    from wallarm_notify.domain.views import ShownFiring
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

FIRINGS_SHOWN: Final = 10


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


def find_trigger(ctx: Context, scope: Scope, trigger_id: int) -> Trigger:
    """Return one trigger without its firings. Raise NotFound, Unavailable."""
    return there_is(trigger_id, ctx.store.transact(lambda tx: tx.trigger(scope, trigger_id)))


def show_trigger(
    ctx: Context, scope: Scope, trigger_id: int, limit: int = FIRINGS_SHOWN
) -> tuple[Trigger, list[ShownFiring]]:
    """Return one trigger with its last firings. Raise NotFound, Unavailable."""

    def work(tx: Transaction) -> tuple[Trigger, list[ShownFiring]]:
        trigger = there_is(trigger_id, tx.trigger(scope, trigger_id))
        return trigger, tx.firings(trigger_id, limit)

    return ctx.store.transact(work)


def disabled_among(ctx: Context, scope: Scope, triggers: Sequence[Trigger]) -> list[int]:
    """Return the disabled ones of the integrations that ``triggers`` notify, by id. Raise Unavailable."""
    ids = sorted({i for trigger in triggers for i in trigger.integration_ids})
    if not ids:
        return []
    switches: Mapping[int, tuple[bool, int]] = ctx.store.transact(
        lambda tx: tx.switches(scope, ids)
    )
    return [i for i, (enabled, _) in sorted(switches.items()) if not enabled]


def there_is(trigger_id: int, trigger: Trigger | None) -> Trigger:
    """Return ``trigger``, which was looked up by this id. Raise NotFound where there is none."""
    if trigger is None:
        raise NotFound(f"There is no trigger {trigger_id}.")
    return trigger

"""Triggers at a glance: how often each fired lately, what it notifies, and what it could."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.triggers.row import TriggerRow
from wallarm_notify.services.pages import searched_page
from wallarm_notify.services.trigger_listings import there_is

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from wallarm_notify.domain.page import Page
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.triggers.row import Notified, TriggerCounts
    from wallarm_notify.domain.triggers.trigger import Criteria, Trigger
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def count_triggers(ctx: Context, scope: Scope, client_id: int | None = None) -> TriggerCounts:
    """Return how many triggers there are, of one client where that is given. Raise Unavailable."""
    return ctx.store.transact(lambda tx: tx.count_enabled_triggers(scope, client_id))


def list_trigger_rows(
    ctx: Context,
    scope: Scope,
    days: Sequence[datetime],
    *,
    client_id: int | None = None,
    enabled: bool | None = None,
    text: str | None = None,
    limit: int,
    cursor: int | None = None,
) -> Page[TriggerRow]:
    """Return triggers by their ids, with their firings in the days that begin at ``days``. Raise Unavailable.

    The last of ``days`` begins none. ``enabled`` None: whether or not. ``text`` is a part of the name or comment.
    """
    page = searched_page(
        ctx,
        lambda tx, part: tx.sought_triggers(
            scope, client_id, enabled=enabled, text=text, part=part
        ),
        limit,
        cursor,
    )
    rows = ctx.store.transact(lambda tx: _rows_of(tx, scope, page.items, days))
    return page.map(lambda one: rows[one.id])


def show_trigger_row(
    ctx: Context, scope: Scope, trigger_id: int, days: Sequence[datetime] = ()
) -> TriggerRow:
    """Return one trigger at a glance; see ``list_trigger_rows``. Raise NotFound, Unavailable."""

    def work(tx: Transaction) -> TriggerRow:
        trigger = there_is(trigger_id, tx.trigger(scope, trigger_id))
        return _rows_of(tx, scope, [trigger], days)[trigger_id]

    return ctx.store.transact(work)


def offered_integrations(
    ctx: Context, scope: Scope, client_id: int, chosen: Sequence[int], limit: int
) -> tuple[list[Notified], bool]:
    """Return integrations that a trigger could notify, those that are chosen among them; and whether there are more.

    Raise NotFound, Unavailable.
    """
    scope.check(client_id)

    def work(tx: Transaction) -> tuple[list[Notified], bool]:
        found = tx.offered(scope, client_id, limit + 1)
        shown = found[:limit]
        known = {one.id for one in shown}
        others = tx.notified(scope, [one for one in chosen if one not in known])
        return [*shown, *others.values()], len(found) > limit

    return ctx.store.transact(work)


def _rows_of(
    tx: Transaction, scope: Scope, triggers: Sequence[Trigger], days: Sequence[datetime]
) -> dict[int, TriggerRow]:
    ids = sorted({one for trigger in triggers for one in trigger.integration_ids})
    there = tx.notified(scope, ids) if ids else {}
    fired = tx.firings_by_day([one.id for one in triggers], days) if triggers and days else {}
    wanted = {place for one in triggers for place in _applications(one.client_id, one.criteria)}
    names = tx.application_names(wanted) if wanted else {}

    def row(trigger: Trigger) -> TriggerRow:
        return TriggerRow(
            trigger,
            [there[one] for one in trigger.integration_ids if one in there],
            fired.get(trigger.id, ()),
            {n: name for (client, n), name in names.items() if client == trigger.client_id},
        )

    return {one.id: row(one) for one in triggers}


def _applications(client_id: int, criteria: Criteria) -> set[tuple[int, int]]:
    return {
        (client_id, value)
        for one in criteria.filters
        if one.id == "pool"
        for value in one.values
        if isinstance(value, int)
    }

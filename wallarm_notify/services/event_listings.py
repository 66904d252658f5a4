"""The listing of events: found by what people have of one, or by what was made of it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.page import Page, Slice, page_of, search
from wallarm_notify.domain.views import EventsAround

if TYPE_CHECKING:
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.views import EventFilter, ShownEvent
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def list_events(
    ctx: Context, scope: Scope, wanted: EventFilter, *, limit: int, cursor: int | None = None
) -> tuple[Page[ShownEvent], EventsAround | None]:
    """Return a page of events, the newest first; and where nothing was found, what there is around it.

    A page that reads too much ends early: see ``Page.searched_back_to``. Raise NotFound where there is no such
    notification, Unavailable.
    """
    if wanted.client_id is None:
        wanted = replace(wanted, client_id=scope.only_client)

    def work(tx: Transaction) -> tuple[Page[ShownEvent], EventsAround | None]:
        if wanted.client_id is not None and not scope.includes(wanted.client_id):
            return Page([]), EventsAround(0, more=False, oldest=None, newest=None)
        numbers = _numbers(tx, scope, wanted)
        if numbers:
            rows = tx.numbered_events(scope, wanted, numbers, Slice(cursor, limit + 1))
            if rows or cursor is not None:
                return page_of(rows, limit, lambda e: e.id), None
        ids = tx.event_numbers(wanted.came)
        page = search(lambda part: tx.events(scope, wanted, part, ids), limit, cursor, ctx.clock)
        if page.items or page.following is not None or cursor is not None:
            return page, None
        return page, tx.events_around(scope, wanted, ids)

    return ctx.store.transact(work)


def _numbers(tx: Transaction, scope: Scope, wanted: EventFilter) -> list[int]:
    """Return the numbers of events that an index leads to from what is wanted."""
    if wanted.notification_id is not None:
        if tx.notification(scope, wanted.notification_id) is None:
            raise NotFound(f"There is no notification {wanted.notification_id}.")
        return tx.numbers_by_notification([wanted.notification_id])
    sought = wanted.sought or ""
    if re.fullmatch("[0-9a-f]{64}", sought):
        return tx.numbers_by_notification([n.id for n in tx.notifications_of_alert(scope, sought)])
    try:
        given = UUID(sought)
    except ValueError:
        return []
    clients = tx.known_clients(scope) if wanted.client_id is None else [wanted.client_id]
    return tx.numbers_by_id(clients, given)

"""Listings of notifications, of dead letters, and of events that are ahead of their time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.page import Page, page_of

if TYPE_CHECKING:
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.views import (
        Filter,
        ShownAhead,
        ShownNotification,
        ShownRejection,
        ShownSetAside,
        ShownUndecodable,
    )
    from wallarm_notify.services.context import Context


def list_notifications(
    ctx: Context, scope: Scope, wanted: Filter, *, limit: int, cursor: int | None = None
) -> Page[ShownNotification]:
    """Return notifications without their attempts, the newest first. Raise Unavailable."""
    rows = ctx.store.transact(lambda tx: tx.notifications(scope, wanted, cursor, limit + 1))
    return page_of(rows, limit, lambda n: n.id)


def show_notification(ctx: Context, scope: Scope, notification_id: int) -> ShownNotification:
    """Return one notification with all its attempts. Raise NotFound, Unavailable."""
    shown = ctx.store.transact(lambda tx: tx.notification(scope, notification_id))
    if shown is None:
        raise NotFound(f"There is no notification {notification_id}.")
    return shown


def list_rejections(
    ctx: Context, scope: Scope, *, limit: int, cursor: int | None = None
) -> Page[ShownRejection]:
    """Return the events that are rejected, the newest first. Raise Unavailable.

    An event whose client could not be read is there only where ``scope`` is every client.
    """
    rows = ctx.store.transact(lambda tx: tx.rejections(scope, cursor, limit + 1))
    return page_of(rows, limit, lambda r: r.id)


def show_rejection(ctx: Context, scope: Scope, rejected_id: int) -> ShownRejection:
    """Return one rejected event with all that was kept of it. Raise NotFound, Unavailable."""
    shown = ctx.store.transact(lambda tx: tx.rejection(scope, rejected_id))
    if shown is None:
        raise NotFound(f"There is no rejected event {rejected_id}.")
    return shown


def list_undecodable(
    ctx: Context, scope: Scope, *, limit: int, cursor: int | None = None
) -> Page[ShownUndecodable]:
    """Return the messages that no events could be read from, the newest first. Raise Unavailable.

    They belong to no client: there are some only where ``scope`` is every client.
    """
    rows = ctx.store.transact(lambda tx: tx.undecodable(scope, cursor, limit + 1))
    return page_of(rows, limit, lambda m: m.id)


def count_undecodable(ctx: Context, scope: Scope) -> int:
    """Return how many messages ``list_undecodable`` lists in all. Raise Unavailable."""
    return ctx.store.transact(lambda tx: tx.undecodable_count(scope))


def show_undecodable(ctx: Context, scope: Scope, message_id: int) -> ShownUndecodable:
    """Return one undecodable message with all that was kept of it. Raise NotFound, Unavailable."""
    shown = ctx.store.transact(lambda tx: tx.undecodable_message(scope, message_id))
    if shown is None:
        raise NotFound(f"There is no undecodable message {message_id}.")
    return shown


def list_set_aside(
    ctx: Context, scope: Scope, *, limit: int, cursor: int | None = None
) -> Page[ShownSetAside]:
    """Return the calls that are set aside, the newest first. Raise Unavailable.

    They belong to no client: there are some only where ``scope`` is every client.
    """
    rows = ctx.store.transact(lambda tx: tx.set_aside_calls(scope, cursor, limit + 1))
    return page_of(rows, limit, lambda c: c.id)


def show_set_aside(ctx: Context, scope: Scope, call_id: int) -> ShownSetAside:
    """Return one call that is set aside, whole. Raise NotFound, Unavailable."""
    shown = ctx.store.transact(lambda tx: tx.set_aside_call(scope, call_id))
    if shown is None:
        raise NotFound(f"No call {call_id} is set aside.")
    return shown


def list_ahead(ctx: Context, scope: Scope, *, limit: int) -> Page[ShownAhead]:
    """Return the events kept apart, the next to be taken in first. Raise Unavailable.

    There is one page: while it is read, events leave at its beginning, and what follows moves up.
    """
    return Page(ctx.store.transact(lambda tx: tx.events_ahead(scope, limit)))

"""Listings of notifications, of dead letters, and of events that are ahead of their time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wallarm_notify.domain.awaited_grant import awaited_grant
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.notification import trigger_of
from wallarm_notify.domain.page import Page, Slice, page_of, search
from wallarm_notify.domain.rights import Thing, Verb, may
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.name_applications import name_applications
from wallarm_notify.services.pages import searched_page

if TYPE_CHECKING:
    from wallarm_notify.domain.actor import Role
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.sending import ShownSending
    from wallarm_notify.domain.views import (
        Filter,
        ShownAhead,
        ShownNotification,
        ShownRejection,
        ShownSetAside,
        ShownUndecodable,
    )
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def list_notifications(
    ctx: Context, scope: Scope, wanted: Filter, *, limit: int, cursor: int | None = None
) -> Page[ShownNotification]:
    """Return notifications without their attempts, the newest first. Raise Unavailable.

    A page that reads too much ends early: see ``Page.searched_back_to``.
    """
    if wanted.client_id is None:
        wanted = replace(wanted, client_id=scope.only_client)

    def work(tx: Transaction) -> Page[ShownNotification]:
        if not _is_in_scope(tx, scope, wanted.integration_id):
            return Page([])  # how far it was searched would tell when others are notified
        few = tx.few_notifications(scope, wanted, Slice(cursor, limit + 1))
        if few is not None:
            return page_of(few, limit, lambda n: n.id)
        near = _narrowed(tx, scope, wanted)
        ids = tx.notification_ids(wanted.made)
        return search(
            lambda part: tx.notifications(scope, near, part, ids), limit, cursor, ctx.clock
        )

    return ctx.store.transact(work).map(lambda n: with_grant(ctx, n))


def with_grant(ctx: Context, n: ShownNotification) -> ShownNotification:
    """Return a notification with about when it gets its grant of the rate limit."""
    return replace(n, grant_at=awaited_grant(n, scale=ctx.settings.retry_time_scale))


def _narrowed(tx: Transaction, scope: Scope, wanted: Filter) -> Filter:
    """Return ``wanted`` with the client of its trigger: whose notifications they can only be."""
    trigger_id = None if wanted.origin is None else trigger_of(wanted.origin)
    if trigger_id is None or wanted.client_id is not None:
        return wanted
    trigger = tx.trigger(scope, trigger_id)
    return wanted if trigger is None else replace(wanted, client_id=trigger.client_id)


def _is_in_scope(tx: Transaction, scope: Scope, integration_id: int | None) -> bool:
    if integration_id is None or scope == EVERY_CLIENT:
        return True
    return integration_id in tx.integration_ids(scope)


def show_notification(ctx: Context, scope: Scope, notification_id: int) -> ShownNotification:
    """Return one notification with all its attempts. Raise NotFound, Unavailable."""
    shown = ctx.store.transact(lambda tx: tx.notification(scope, notification_id))
    if shown is None:
        raise NotFound(f"There is no notification {notification_id}.")
    return with_grant(ctx, shown)


def show_sending(ctx: Context, scope: Scope, role: Role, notification_id: int) -> ShownSending:
    """Return what a notification sends, without its key. Raise NotFound, Unavailable.

    The end of the key is a setting of the integration: only who may view integrations sees it.
    """
    sending = ctx.store.transact(lambda tx: sending_in(tx, scope, role, notification_id))
    if sending is None:
        raise NotFound(f"There is no notification {notification_id}.")
    return sending


def sending_in(
    tx: Transaction, scope: Scope, role: Role, notification_id: int
) -> ShownSending | None:
    """Return what ``show_sending`` shows, in a transaction; None: there is no such notification."""
    sending = tx.sending(scope, notification_id)
    if sending is None:
        return None
    (payload,) = name_applications(tx, [sending.payload])
    mask = sending.masked_key if may(role, Thing.INTEGRATIONS, Verb.VIEW) else None
    return replace(sending, payload=payload, masked_key=mask)


def list_rejections(
    ctx: Context, scope: Scope, *, limit: int, cursor: int | None = None
) -> Page[ShownRejection]:
    """Return the events that are rejected, the newest first. Raise Unavailable.

    An event whose client could not be read is there only where ``scope`` is every client.
    """
    return searched_page(ctx, lambda tx, part: tx.rejections(scope, part), limit, cursor)


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
    return searched_page(ctx, lambda tx, part: tx.undecodable(scope, part), limit, cursor)


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

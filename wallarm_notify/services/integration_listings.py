"""Listings of integrations, and of the clients that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.client import Client
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.page import Page, page_of
from wallarm_notify.domain.scope import only
from wallarm_notify.domain.views import HOURS_KEPT, every_hour
from wallarm_notify.services.pages import searched_page, whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from wallarm_notify.domain.integration import Integration, IntegrationState
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.views import EndedInHour
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

_PART: Final = 500
"""So many of a whole listing are read at once."""


def list_integrations(
    ctx: Context,
    scope: Scope,
    *,
    client_id: int | None = None,
    states: Sequence[IntegrationState] = (),
    name: str | None = None,
    limit: int,
    cursor: int | None = None,
) -> Page[Integration]:
    """Return integrations by their ids, of one client and in some states where these are given. Raise Unavailable.

    ``name`` is a part of the names that are wanted. A page that reads too much ends early, and goes on behind what
    it read.
    """
    page = searched_page(
        ctx, lambda tx, part: tx.integrations(scope, client_id, states, name, part), limit, cursor
    )
    return Page(page.items, page.following)  # it was searched from the oldest on, and not back


def integrations_of_client(ctx: Context, scope: Scope, client_id: int) -> list[Integration]:
    """Return all integrations of a client by their ids, however many they are. Raise NotFound, Unavailable."""
    scope.check(client_id)
    return whole(
        lambda cursor: list_integrations(
            ctx, scope, client_id=client_id, limit=_PART, cursor=cursor
        )
    )


def show_integration(ctx: Context, scope: Scope, integration_id: int) -> Integration:
    """Return one integration. Raise NotFound, Unavailable."""
    shown = ctx.store.transact(lambda tx: tx.integration(scope, integration_id))
    if shown is None:
        raise _not_there(integration_id)
    return shown


def hours_of_integration(
    ctx: Context, scope: Scope, integration_id: int, since: datetime
) -> list[EndedInHour]:
    """Return what became of an integration's notifications, hour by hour, the oldest first.

    The first hour is that of ``since``, or the first of those that are kept; all are by the database's clock. Raise
    NotFound, Unavailable.
    """

    def work(tx: Transaction) -> list[EndedInHour]:
        if tx.integration(scope, integration_id) is None:
            raise _not_there(integration_id)
        first = max(since, tx.now - HOURS_KEPT)
        return every_hour(tx.ended_by_hour(integration_id, first), first, tx.now)

    return ctx.store.transact(work)


def clients_among(ctx: Context, scope: Scope, client_id: int | None = None) -> list[Client]:
    """Return all clients in ``scope`` by their ids, or the one that is given, if it is there. Raise Unavailable."""
    if client_id is not None:
        scope = only([client_id] if scope.includes(client_id) else [])
    return whole(lambda cursor: list_clients(ctx, scope, limit=_PART, cursor=cursor))


def _not_there(integration_id: int) -> NotFound:
    return NotFound(f"There is no integration {integration_id}.")


def list_clients(
    ctx: Context, scope: Scope, *, limit: int, cursor: int | None = None
) -> Page[Client]:
    """Return the clients that exist or had an integration, by their ids. Raise Unavailable."""
    rows = ctx.store.transact(lambda tx: tx.clients(scope, cursor or 0, limit + 1))
    cloud = ctx.settings.cloud
    return page_of(
        [Client.of_record(*row, default_cloud=cloud) for row in rows], limit, lambda c: c.id
    )

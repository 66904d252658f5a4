"""Listings of integrations, and of the clients that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.client import Client
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.page import Page, page_of

if TYPE_CHECKING:
    from wallarm_notify.domain.integration import Integration
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context


def list_integrations(
    ctx: Context,
    scope: Scope,
    *,
    client_id: int | None = None,
    limit: int,
    cursor: int | None = None,
) -> Page[Integration]:
    """Return integrations by their ids, of one client where ``client_id`` is given. Raise Unavailable."""
    rows = ctx.store.transact(lambda tx: tx.integrations(scope, client_id, cursor or 0, limit + 1))
    return page_of(rows, limit, lambda i: i.id)


def show_integration(ctx: Context, scope: Scope, integration_id: int) -> Integration:
    """Return one integration. Raise NotFound, Unavailable."""
    shown = ctx.store.transact(lambda tx: tx.integration(scope, integration_id))
    if shown is None:
        raise NotFound(f"There is no integration {integration_id}.")
    return shown


def list_clients(
    ctx: Context, scope: Scope, *, limit: int, cursor: int | None = None
) -> Page[Client]:
    """Return the clients that have a record or had an integration, by their ids. Raise Unavailable."""
    rows = ctx.store.transact(lambda tx: tx.clients(scope, cursor or 0, limit + 1))
    return page_of(
        [Client.of(*row, default_cloud=ctx.settings.cloud) for row in rows], limit, lambda c: c.id
    )

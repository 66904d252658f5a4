"""Integrations at a glance: a page of cards, in a handful of queries however many cards it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.health import Window
from wallarm_notify.domain.integration import IntegrationState
from wallarm_notify.domain.integration_card import Card
from wallarm_notify.domain.views import HOURS_KEPT
from wallarm_notify.services.explain import explain
from wallarm_notify.services.integration_listings import list_integrations, show_integration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.domain.integration import Integration
    from wallarm_notify.domain.integration_card import CardFigures, IntegrationCounts
    from wallarm_notify.domain.page import Page
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.unsent import Unsent
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def count_integrations(
    ctx: Context, scope: Scope, client_id: int | None = None
) -> IntegrationCounts:
    """Return how many integrations there are, of one client where that is given. Raise Unavailable."""
    return ctx.store.transact(lambda tx: tx.count_integrations(scope, client_id))


def list_cards(
    ctx: Context,
    scope: Scope,
    *,
    client_id: int | None = None,
    states: Sequence[IntegrationState] = (),
    name: str | None = None,
    limit: int,
    cursor: int | None = None,
) -> Page[Card]:
    """Return integrations at a glance, by their ids: see ``list_integrations``. Raise Unavailable."""
    page = list_integrations(
        *(ctx, scope), client_id=client_id, states=states, name=name, limit=limit, cursor=cursor
    )
    cards = {card.integration.id: card for card in _cards_of(ctx, scope, page.items)}
    return page.map(lambda one: cards[one.id])


def show_card(ctx: Context, scope: Scope, integration_id: int) -> Card:
    """Return one integration at a glance. Raise NotFound, Unavailable."""
    (card,) = _cards_of(ctx, scope, [show_integration(ctx, scope, integration_id)])
    return card


def show_missed(ctx: Context, scope: Scope, integration_id: int) -> Unsent:
    """Return what an integration did not deliver since it broke; of one that is on, of the last week.

    Raise NotFound, Unavailable.
    """

    def work(tx: Transaction) -> Unsent:
        integration = tx.integration(scope, integration_id)
        if integration is None:
            raise NotFound(f"There is no integration {integration_id}.")
        since = tx.now - HOURS_KEPT if integration.enabled else tx.broke_at(integration_id)
        return tx.ended_undelivered(integration_id, since)

    return ctx.store.transact(work)


def _cards_of(ctx: Context, scope: Scope, integrations: Sequence[Integration]) -> list[Card]:
    found = [one.id for one in integrations]
    policy = ctx.settings.policy

    def work(tx: Transaction) -> tuple[dict[int, CardFigures], dict[int, Window]]:
        return tx.card_figures(found), tx.windows_of(found, policy)

    figures, windows = ctx.store.transact(work) if found else ({}, {})

    def card(one: Integration) -> Card:
        is_off = one.state is IntegrationState.DISABLED_AUTOMATICALLY
        return Card(
            integration=one,
            figures=figures[one.id],
            counts=windows.get(one.id, Window()).counted(policy),
            why_off=explain(ctx, scope, one.id) if is_off else None,
        )

    return [card(one) for one in integrations]

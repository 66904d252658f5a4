"""The overview: what needs somebody, and what became of notifications in the last 24 hours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.diagnosis import Grade
from wallarm_notify.domain.diagnosis_rules import of_readiness
from wallarm_notify.domain.drill import PERIODS_UNTIL_OVERDUE
from wallarm_notify.domain.integration import IntegrationState
from wallarm_notify.domain.overview import (
    LOOKED_BACK,
    SHOWN,
    Overview,
    RejectedLately,
    age_of_proof,
)
from wallarm_notify.domain.rights import Thing, Verb, may
from wallarm_notify.domain.views import Filter, every_hour
from wallarm_notify.services.integration_cards import list_cards
from wallarm_notify.services.notification_story import list_rows
from wallarm_notify.services.readiness import readiness_and_standing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wallarm_notify.domain.actor import Role
    from wallarm_notify.domain.diagnosis import Finding
    from wallarm_notify.domain.integration_card import Card
    from wallarm_notify.domain.overview import Troubled
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.views import ShownNotification
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

LAST: Final = 5
"""So many notifications are shown."""


def show_overview(
    ctx: Context,
    scope: Scope,
    role: Role,
    client_id: int | None,
    queues: Collection[str],
) -> Overview:
    """Return what somebody in ``role`` is shown first, of one client or of all in ``scope``. Raise Unavailable.

    ``queues`` are those that somebody has to take from: who may view infrastructure is told where nobody does.
    """
    manages = may(role, Thing.INTEGRATIONS, Verb.VIEW)
    operates = may(role, Thing.INFRASTRUCTURE, Verb.VIEW)
    findings = _findings(ctx, queues) if operates else ()
    old = age_of_proof(ctx.settings.drill_interval, PERIODS_UNTIL_OVERDUE)

    def work(tx: Transaction) -> Overview:
        since, seen = tx.now - LOOKED_BACK, may(role, Thing.REJECTED_EVENTS, Verb.VIEW)
        troubled = tx.troubled(scope, client_id)
        known = troubled if manages else [replace(one, warned=0) for one in troubled]
        needing = [one for one in known if one.needs_somebody(tx.now)]
        return Overview(
            counts=tx.count_integrations(scope, client_id),
            troubled=needing,
            unproven=tx.not_proven(scope, client_id, old) if manages else (),
            untold=tx.untold_clients(scope, client_id),
            rejected=tx.rejected_lately(scope, client_id) if seen else RejectedLately(),
            findings=findings,
            hours=every_hour(tx.hours_of_all(scope, client_id, since), since, tx.now),
            retrying=sum(one.retrying for one in troubled),
            steps=tx.first_steps(scope, client_id),
            oldest=_oldest(tx, scope, needing[:SHOWN]),
        )

    found = ctx.store.transact(work)
    last = list_rows(ctx, scope, Filter(client_id=client_id), limit=LAST).items
    cards: Sequence[Card] = ()
    if manages and found.counts.automatically:
        off = (IntegrationState.DISABLED_AUTOMATICALLY,)
        cards = list_cards(ctx, scope, client_id=client_id, states=off, limit=SHOWN).items
    return replace(found, switched_off=cards, last=last)


def _findings(ctx: Context, queues: Collection[str]) -> Sequence[Finding]:
    """Return what was found of what delivers alerts, without what is well."""
    found = of_readiness(*readiness_and_standing(ctx, queues))
    return [one for one in found if one.grade is not Grade.GOOD]


def _oldest(
    tx: Transaction, scope: Scope, troubled: Sequence[Troubled]
) -> Mapping[int, ShownNotification]:
    """Return the oldest notification that is being retried of each of these integrations."""
    found = {
        one.id: tx.notification(scope, one.retrying_id)
        for one in troubled
        if one.retrying_id is not None
    }
    return {number: one for number, one in found.items() if one is not None}

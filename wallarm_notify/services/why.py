"""Why: who was notified of an event, and for all others the reason (spec 9)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wallarm_notify.domain.rules import Rules
from wallarm_notify.domain.triggers.cells import (
    CELLS,
    LATE_BY,
    cell_of,
    quiet_of,
    stretches,
)
from wallarm_notify.domain.why import Absent, Cause, Facts, Reason, Why
from wallarm_notify.domain.why_rules import explain
from wallarm_notify.services.prune import unmatched_retention

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from wallarm_notify.domain.rules import TriggerRule
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.triggers.crossing import Near
    from wallarm_notify.domain.views import ShownFiring
    from wallarm_notify.domain.why import SwitchedOffBy
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction
    from wallarm_notify.store.why import StoredEvent


def why(ctx: Context, scope: Scope, client_id: int, event_id: UUID) -> Why | Absent:
    """Return what a client's event came to, or what is known of an id without an event.

    Raise NotFound where the client is outside of ``scope``; Unavailable.
    """
    scope.check(client_id)

    def work(tx: Transaction) -> Why | Absent:
        tx.read_one_snapshot()
        stored = tx.stored_event(scope, client_id, event_id)
        if stored is None:
            return _absent(tx, ctx, scope, client_id, event_id)
        found = explain(facts_of(tx, scope, stored))
        return replace(found, rate_limit=ctx.settings.rate_limit_per_minute)

    return ctx.store.transact(work)


def facts_of(tx: Transaction, scope: Scope, stored: StoredEvent) -> Facts:
    """Return what is stored of an event and of what was made of it."""
    client_id = stored.event.client_id
    present = tx.standing_rules(scope, client_id)
    kept = _routed_by(tx, scope, stored)
    rules = present if kept is None else kept
    made = tx.notifications_of_event(scope, stored.no)
    integrations = {i.id for r in (rules, present) for i in r.integrations}
    integration_times, trigger_times = tx.times_of(
        client_id,
        sorted(integrations | {n.integration_id for n in made}),
        sorted({t.id for r in (rules, present) for t in r.triggers}),
    )
    counting = [t for t in rules.triggers if _may_count(t, stored)]
    return Facts(
        event=stored.event,
        received_at=stored.received_at,
        counted=stored.counted,
        rules=rules,
        as_they_were=kept is not None,
        present=present,
        notifications=made,
        firings=tx.firings_of_event(stored.no),
        later=_later(tx, stored, counting),
        near=_near(tx, stored, counting),
        integration_times=integration_times,
        trigger_times=trigger_times,
        triggers_off=_off(tx, rules, stored),
        others=tx.rejections_under(scope, client_id, stored.event.id),
    )


def _routed_by(tx: Transaction, scope: Scope, stored: StoredEvent) -> Rules | None:
    """Return the rules that an event was routed by; None: it came before there were versions of them."""
    if stored.rules_version is None:
        return None
    if stored.rules_version == 0:
        return Rules(0)
    return tx.rules_of(scope, stored.event.client_id, stored.rules_version)


def _off(tx: Transaction, rules: Rules, stored: StoredEvent) -> Mapping[int, SwitchedOffBy]:
    off = [t.id for t in rules.triggers if not t.enabled]
    return tx.triggers_off(stored.event.client_id, off, stored.received_at) if off else {}


def _may_count(trigger: TriggerRule, stored: StoredEvent) -> bool:
    criteria = trigger.criteria
    return criteria.threshold is not None and (
        criteria.condition.terms.event_type == stored.event.type
    )


def _later(
    tx: Transaction, stored: StoredEvent, counting: Sequence[TriggerRule]
) -> Mapping[int, ShownFiring]:
    """Return firings by other events that have counted this one; none comes later than the last late event."""
    at = stored.event.occurred_at
    until = {
        t.id: at + 2 * t.criteria.threshold.period + LATE_BY
        for t in counting
        if t.criteria.threshold is not None
    }
    return tx.later_firings(stored, until) if until else {}


def _near(
    tx: Transaction, stored: StoredEvent, counting: Sequence[TriggerRule]
) -> Mapping[int, Near]:
    """Return what each trigger, in the version that it had, has counted around an event."""
    around = {
        (t.id, t.version): (cell_of(stored.event.occurred_at, period), quiet_of(period))
        for t in counting
        if t.criteria.threshold is not None and (period := t.criteria.threshold.period)
    }
    if not around:
        return {}
    found = tx.cells(
        {key: stretches([cell], CELLS - 1, CELLS - 1) for key, (cell, _) in around.items()},
        {key: stretches([cell], quiet, CELLS + quiet) for key, (cell, quiet) in around.items()},
    )
    return {key[0]: near for key, near in found.items()}


def _absent(tx: Transaction, ctx: Context, scope: Scope, client_id: int, event_id: UUID) -> Absent:
    causes = [
        *tx.ahead_under(scope, client_id, event_id),
        *tx.rejections_under(scope, client_id, event_id),
        *tx.messages_with(scope, event_id),
        *tx.other_clients_with(scope, client_id, event_id),
    ]
    return Absent(
        client_id=client_id,
        event_id=event_id,
        causes=causes or [Cause(Reason.NOT_HERE)],
        kept=ctx.settings.retention,
        kept_unmatched=unmatched_retention(tx, ctx.settings),
    )

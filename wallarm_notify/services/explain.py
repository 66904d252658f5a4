"""Explain: what an integration is evaluated by now, or was when it was switched off (spec 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.evidence import SLOTS, Details, Explanation
from wallarm_notify.schemas.documents.health import evidence_document, policy_document

if TYPE_CHECKING:
    from datetime import datetime

    from wallarm_notify.domain.health import Policy
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def explain(
    ctx: Context, scope: Scope, integration_id: int, *, last_time: bool = False
) -> Explanation:
    """Return the window as it stands, or as it was when the integration was switched off.

    ``last_time``: as it was at the last automatic disabling, also where the integration was enabled again.
    Raise NotFound, Unavailable.
    """
    policy = ctx.settings.policy

    def work(tx: Transaction) -> Explanation:
        tx.read_one_snapshot()
        integration = tx.integration(scope, integration_id)
        if integration is None:
            raise NotFound(f"There is no integration {integration_id}.")
        off = tx.last_switch_off(integration_id)
        if off is not None and (last_time or off["at"] == integration.disabled_at):
            return Explanation(integration, off["at"], True, off["policy"], off["evidence"])
        if last_time:
            raise NotFound(
                f"Integration {integration_id} was not disabled automatically in the time that is kept."
            )
        until = integration.disabled_at or tx.now
        window = tx.window_of(integration_id, policy, until)
        details = details_of(tx, integration_id, policy, until)
        evidence = evidence_document(window, policy, until, details)
        return Explanation(integration, until, False, policy_document(policy), evidence)

    return ctx.store.transact(work)


def details_of(tx: Transaction, integration_id: int, policy: Policy, until: datetime) -> Details:
    """Return the details of the attempts in the window that ends at ``until``."""
    start = policy.window_from(until)
    return Details(
        answers=tx.failure_tallies(integration_id, start, until),
        last=tx.last_answer(integration_id, start, until),
        last_failure=tx.last_answer(integration_id, start, until, failed=True),
        slots=tx.slots(integration_id, until - 2 * policy.window, until, 2 * SLOTS),
    )

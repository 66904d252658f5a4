"""Explain: what an integration is judged by now, or was when it was switched off (spec 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.evidence import SLOTS, Details, Explanation, Slot
from wallarm_notify.domain.health import (
    FailureClass,
    Guard,
    Judgement,
    Policy,
    Window,
    failures_to_limit,
    judge,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from wallarm_notify.store import Store, Transaction


def explain(
    store: Store, integration_id: int, policy: Policy, *, last_time: bool = False
) -> Explanation:
    """The window as it stands, or as it was when the integration was switched off.

    ``last_time``: as it was at the last automatic disabling, enabled again or not. Raises NotFound,
    Unavailable.
    """

    def work(tx: Transaction) -> Explanation:
        tx.read_one_snapshot()
        integration = tx.integration(integration_id)
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
        evidence = evidence_of(window, policy, until, details)
        return Explanation(integration, until, False, policy_document(policy), evidence)

    return store.transact(work)


def details_of(tx: Transaction, integration_id: int, policy: Policy, until: datetime) -> Details:
    """What the attempts of the window at ``until`` tell."""
    start = policy.window_from(until)
    return Details(
        answers=tx.said(integration_id, start, until),
        last=tx.last_answer(integration_id, start, until),
        last_failure=tx.last_answer(integration_id, start, until, failed=True),
        slots=tx.slots(integration_id, until - 2 * policy.window, until, 2 * SLOTS),
    )


def evidence_of(
    window: Window, policy: Policy, until: datetime, details: Details
) -> dict[str, Any]:
    """The document of what ``window`` is judged by; its times are ISO 8601."""
    judgement = judge(window, policy)
    everything, last = window.all, details.last
    return {
        "from": policy.window_from(until).isoformat(),
        "until": until.isoformat(),
        "attempts": judgement.counts.attempts,
        "failed": judgement.counts.failed,
        "ratio": ratio_of(judgement),
        "left_out": judgement.left_out,
        "outage": window.outage,
        "failures": {str(kind): getattr(everything, kind) for kind in FailureClass},
        "answers": [
            {"error": s.error, "status_code": s.status_code, "count": s.number}
            for s in details.answers
        ],
        "first_failed_at": _iso(judgement.counts.first_failed_at),
        "last_failed_at": _iso(judgement.counts.last_failed_at),
        "last_answer": None
        if last is None
        else {
            "notification_id": last.notification_id,
            "at": last.at.isoformat(),
            "status_code": last.status_code,
            "error": last.error,
            "response": last.response,
        },
        "guards": _guards(judgement, policy),
        "failures_to_limit": failures_to_limit(judgement.counts, policy),
        "disables": judgement.disables,
        "over_time": _over_time(details.slots),
    }


def policy_document(policy: Policy) -> dict[str, Any]:
    """A policy in JSON."""
    return {
        "ratio": float(policy.ratio),
        "window_seconds": policy.window.total_seconds(),
        "min_attempts": policy.min_attempts,
        "min_span_seconds": policy.min_span.total_seconds(),
        "outage_guard": policy.outage_guard,
    }


def ratio_of(judgement: Judgement) -> float | None:
    """The failure ratio from 0 to 1, as events and documents have it; None: no attempts.

    Rounded down, so that what is under the limit never looks as if it were not.
    """
    counts = judgement.counts
    return 10_000 * counts.failed // counts.attempts / 10_000 if counts.attempts else None


def _guards(judgement: Judgement, policy: Policy) -> list[dict[str, Any]]:
    """Every guard that is on: what it asks for, what there is, and whether it stands in the way."""
    counts = judgement.counts
    asked: list[tuple[Guard, float | bool, float | bool]] = []
    if policy.min_attempts:
        asked.append((Guard.ATTEMPTS, policy.min_attempts, counts.attempts))
    if policy.min_span:
        asked += [
            (Guard.SPAN, policy.min_span.total_seconds(), counts.span.total_seconds()),
            (Guard.LAST_ATTEMPT, True, counts.last_attempt_failed),
        ]
    return [
        {"guard": guard, "needed": needed, "found": found, "holds": guard in judgement.guards}
        for guard, needed, found in asked
    ]


def _over_time(slots: Sequence[Slot]) -> list[dict[str, Any]]:
    """The ratio of the window that ended at each point, with the attempts since the point before.

    It is the bare ratio: what an outage excuses is in it.
    """
    return [
        {
            "at": slot.at.isoformat(),
            "attempts": slot.attempts,
            "failed": slot.failed,
            "ratio": _rolling(slots[n + 1 : n + 1 + SLOTS]),
        }
        for n, slot in enumerate(slots[SLOTS:])
    ]


def _rolling(slots: Sequence[Slot]) -> float | None:
    attempts = sum(s.attempts for s in slots)
    return round(sum(s.failed for s in slots) / attempts, 4) if attempts else None


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

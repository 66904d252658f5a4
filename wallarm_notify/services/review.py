"""Review, a circuit breaker: every minute, disable what fails too often, and warn before that (spec 6)."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.activity import Action, Change, ObjectType
from wallarm_notify.domain.actor import REVIEW
from wallarm_notify.domain.errors import NotifyError, TooMuch, Unavailable
from wallarm_notify.domain.evidence import Crossing, Details, ReviewCandidate, SwitchOff
from wallarm_notify.domain.health import (
    Decision,
    Policy,
    Window,
    evaluate,
    ratio_of,
)
from wallarm_notify.domain.outage import (
    SMALL_OUTAGE_LONGEST,
    Outage,
    outages_of,
    small_outage,
)
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.words import counted, duration_of
from wallarm_notify.schemas.documents.health import evidence_document, policy_document
from wallarm_notify.services.activity import log_changes
from wallarm_notify.services.explain import details_of
from wallarm_notify.services.switch_off import announce_switch_off, finish_switch_off

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from wallarm_notify.domain.integration import Stored
    from wallarm_notify.domain.notification import Notification
    from wallarm_notify.schemas.documents.health import EvidenceDocument
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)

FAILURES_IN_A_ROW: Final = 3
"""A run ends where so many integrations one after the other cannot be switched off."""

AUTO_DISABLED: Final = "auto_disabled"
"""The name of the counter of automatic disablings."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an integration is evaluated by, all of one moment."""

    window: Window
    policy: Policy
    at: datetime
    details: Details

    @property
    def decision(self) -> Decision:
        """What the rule decides."""
        return evaluate(self.window, self.policy)

    @property
    def evidence(self) -> EvidenceDocument:
        """The document of it that is stored."""
        return evidence_document(self.window, self.policy, self.at, self.details)

    @property
    def last_error(self) -> str | None:
        """The last failure in words; None: it is not known."""
        return None if self.details.last_failure is None else self.details.last_failure.words


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a run did; ``down`` are the regions of PagerDuty that it found in an outage."""

    disabled: tuple[int, ...] = ()
    warned: int = 0
    down: tuple[str, ...] = ()
    ran: bool = True

    @property
    def outage(self) -> bool:
        """Whether PagerDuty is down anywhere."""
        return bool(self.down)

    @property
    def words(self) -> str:
        """What it did in words, for people and for Flower."""
        if not self.ran:
            return "another run was there first"
        text = f"{counted(len(self.disabled), 'integration')} disabled, {counted(self.warned, 'warning')}"
        regions = " and ".join(region.upper() for region in self.down)
        return f"{text}; PagerDuty is down in {regions}" if self.down else text


def review(ctx: Context) -> Reviewed:
    """Do one run; end at once where another began a moment ago. Raise NotifyError.

    Two runs at once disable once.
    """
    if not ctx.store.transact(lambda tx: tx.may_run("review", ctx.settings.review_interval * 0.8)):
        return Reviewed(ran=False)
    down = _look_for_outages(ctx)
    found = [
        (candidate, evaluate(candidate.window, ctx.settings.policy))
        for candidate in ctx.store.transact(lambda tx: tx.survey(ctx.settings.policy))
    ]
    try:
        disabled = _disable_all(ctx, [one for one, decision in found if decision.disables])
    finally:  # neither keeps the other from being done
        warned = give_warnings(ctx, [pair for pair in found if not pair[1].disables])
    return Reviewed(disabled, warned, down)


def _look_for_outages(ctx: Context) -> tuple[str, ...]:
    """Return the regions in which PagerDuty is down; log where an outage begins and ends."""
    grace = 2 * ctx.settings.review_interval

    def work(tx: Transaction) -> list[tuple[str, Outage, bool, bool]]:
        hours = outages_of(tx.last_hour() if ctx.settings.policy.outage_guard else ())
        before = tx.small_outages()
        found = []
        for region, hour in hours.items():
            small = small_outage(before.get(region), hour, tx.now, ctx.settings.policy.window)
            if small != before.get(region):
                tx.keep_small_outage(region, small)
            on = hour.is_on(small, tx.now)
            news = tx.see_outage(region, grace) if on else tx.end_outage(region, grace)
            found.append((region, hour, on, news))
        return found

    found = ctx.store.transact(work)
    for region, hour, on, news in found:
        if news:
            _log_outage(region, hour, on=on)
    return tuple(region for region, _, on, _ in found if on)


def give_warnings(ctx: Context, found: Sequence[tuple[ReviewCandidate, Decision]]) -> int:
    """Log a warning once for each level that a ratio crossed; return how many. Raise Unavailable."""
    moves = {
        one.integration_id: (
            Crossing(one.integration_id, one.generation, one.warned, level),
            decision,
        )
        for one, decision in found
        if (level := decision.warned(one.warned)) != one.warned
    }
    if not moves:
        return 0

    def work(tx: Transaction) -> set[int]:
        moved = tx.move_warnings([crossing for crossing, _ in moves.values()])
        levels = Counter(level for i in moved for level in moves[i][0].levels)
        tx.count({warning_kind(level): n for level, n in levels.items()})
        return moved

    warnings = 0
    for i in sorted(ctx.store.transact(work)):
        crossing, decision = moves[i]
        for level in crossing.levels:
            warnings += 1
            log.warning(
                "integration.failing",
                extra={"integration": i, "level": level, **_figures(decision)},
            )
    return warnings


def _disable_all(ctx: Context, candidates: Sequence[ReviewCandidate]) -> tuple[int, ...]:
    """Switch them off, each by itself: one that cannot be keeps no other from it; return which were.

    Raise Unavailable where the database was not there for several in a row.
    """
    disabled: dict[int, set[int]] = {}
    failures = 0
    try:
        for candidate in candidates:
            try:
                others = disable_candidate(ctx, candidate)
                failures = 0
            except NotifyError as error:
                failures += isinstance(error, Unavailable)
                extra = {"integration": candidate.integration_id, "error": str(error)}
                log.error("review.not_disabled", extra=extra)  # noqa: TRY400 - it says all
                if failures == FAILURES_IN_A_ROW:
                    raise
                continue
            if others is not None:
                disabled[candidate.integration_id] = others
    finally:
        for integration, others in disabled.items():
            # One that was switched off in the same run is sent nothing of another.
            if not others - disabled.keys():
                log.error("integration.nobody_else_notified", extra={"integration": integration})
    return tuple(disabled)


def disable_candidate(ctx: Context, candidate: ReviewCandidate) -> set[int] | None:
    """Switch off a candidate and log it; return the other integrations that are notified.

    None: something changed meanwhile, so that it stays enabled. Raise NotifyError.
    """
    evidence = _evidence_against(ctx, candidate)
    off = None
    if evidence is not None:
        off = ctx.store.transact(lambda tx: _switch_off(ctx, tx, candidate, evidence))
    if off is None or evidence is None:
        return None
    stored, notifications, now = off
    fields = {"integration": stored.id, "client": stored.client_id}
    log.warning("integration.auto_disabled", extra={**fields, **_figures(evidence.decision)})
    try:
        finish_switch_off(ctx, stored.id, notifications, now)
    except NotifyError as error:
        # It is off; SWEEP publishes and cancels.
        log.warning("review.left_to_sweep", extra={**fields, "error": str(error)})
    return {n.integration_id for n in notifications} - {stored.id}


def _evidence_against(ctx: Context, candidate: ReviewCandidate) -> Evidence | None:
    """Return what a candidate is evaluated by; None where it is not to be disabled any more."""

    def work(tx: Transaction) -> Evidence | None:
        tx.read_one_snapshot()
        found = tx.candidate(candidate.integration_id, candidate.generation, ctx.settings.policy)
        if found is None:
            return None
        details = details_of(tx, candidate.integration_id, ctx.settings.policy, tx.now)
        return Evidence(found.window, ctx.settings.policy, tx.now, details)

    try:
        evidence = ctx.store.transact(work)
    except TooMuch as error:
        # So many attempts that nobody can list them: the counters decide alone.
        extra = {"integration": candidate.integration_id, "error": str(error)}
        log.warning("review.without_details", extra=extra)
        now = ctx.store.transact(lambda tx: tx.now)
        evidence = Evidence(candidate.window, ctx.settings.policy, now, Details())
    return evidence if evidence is not None and evidence.decision.disables else None


def _switch_off(
    ctx: Context, tx: Transaction, candidate: ReviewCandidate, evidence: Evidence
) -> tuple[Stored, list[Notification], datetime] | None:
    """Do the small transaction of engine 12: evaluate again under the integration's lock (engine 13)."""
    stored = tx.lock_integration(EVERY_CLIENT, candidate.integration_id)
    policy = ctx.settings.policy
    again = tx.candidate(candidate.integration_id, candidate.generation, policy)
    if stored is None or again is None or not evaluate(again.window, policy).disables:
        return None
    decision, last_error = evidence.decision, evidence.last_error
    reason = _reason(decision, policy, last_error)
    tx.switch_off(stored.id, by=REVIEW.name, reason=reason)
    kept = SwitchOff(stored.id, stored.generation, policy_document(policy), evidence.evidence)
    tx.keep_switch_off(kept)
    log_changes(tx, REVIEW, _change_of(stored, reason))
    notifications = announce_switch_off(
        ctx,
        tx,
        stored,
        "integration.auto_disabled",
        reason=_reason(decision, policy, None),
        failure_ratio=ratio_of(decision),
        attempts=decision.counts.attempts,
        failed=decision.counts.failed,
        last_error=last_error,
    )
    tx.count({AUTO_DISABLED: 1})
    return stored, notifications, tx.now


def _change_of(stored: Stored, reason: str) -> Change:
    return Change(
        *(Action.DISABLED, ObjectType.INTEGRATION, stored.client_id, stored.id),
        before={"enabled": True, "disabled_reason": None},
        after={"enabled": False, "disabled_reason": reason},
    )


def warning_kind(level: int) -> str:
    """Return the name of the counter of warnings at ``level`` per cent."""
    return f"warned:{level}"


def _log_outage(region: str, hour: Outage, *, on: bool) -> None:
    fields: dict[str, object] = {
        "region": region,
        "attempted": hour.attempted,
        "affected": hour.affected,
    }
    if on:
        log.error("pagerduty.outage", extra=fields)
        return
    if hour.looks_small:
        longest = duration_of(SMALL_OUTAGE_LONGEST.total_seconds())
        fields["hint"] = f"so few are believed for {longest} at most; what fails counts again"
    log.warning("pagerduty.outage_over", extra=fields)


def _figures(decision: Decision) -> dict[str, object]:
    counts = decision.counts
    return {
        "ratio": ratio_of(decision),
        "attempts": counts.attempts,
        "failed": counts.failed,
        "left_out": decision.left_out,
    }


def _reason(decision: Decision, policy: Policy, last_error: str | None) -> str:
    counts = decision.counts
    share = 100 * 100 * counts.failed // max(counts.attempts, 1) / 100
    text = (
        f"{counts.failed} of {counts.attempts} attempts within "
        f"{duration_of(policy.window.total_seconds())} failed ({share:g} %, the limit is "
        f"{float(policy.ratio):g} %)"
    )
    return text if last_error is None else f"{text}; last error: {last_error}"

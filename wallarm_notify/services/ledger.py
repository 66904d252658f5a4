"""The ledger: proof that everything received has ended or is under way (spec 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.ledger import Figures, Ledger
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT

if TYPE_CHECKING:
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context


def balance(ctx: Context, scope: Scope) -> Ledger:
    """Return the ledger of all clients together, as it stands. Raise Unavailable.

    Raise NotFound where ``scope`` is of some clients alone.
    """
    if scope != EVERY_CLIENT:
        raise NotFound("There is no ledger of some clients alone.")
    return balanced(ctx.store.transact(lambda tx: tx.figures()))


def balanced(figures: Figures) -> Ledger:
    """Return the ledger of ``figures``, with a finding for each two that do not agree."""
    counts = figures.counts
    pruned_states = {
        state: sum(
            n
            for kind, n in counts.items()
            if kind.startswith("pruned:") and kind.endswith(f":{state}")
        )
        for state in State
    }
    by_state = {
        state: pruned_states[state]
        + sum(n for kind, n in figures.notifications.items() if kind.endswith(f":{state}"))
        for state in State
    }
    ledger = Ledger(
        received=counts.get("received", 0),
        rejected=counts.get("rejected", 0),
        unmatched=counts.get("unmatched", 0),
        matched=counts.get("matched", 0),
        notifications=by_state,
        findings=(),
    )
    return Ledger(
        ledger.received,
        ledger.rejected,
        ledger.unmatched,
        ledger.matched,
        by_state,
        [*_sums(ledger), *_rows(figures), *_origins(figures), *_forgotten(figures)],
        rejected_not_kept=counts.get("rejected_not_kept", 0),
        undecodable_not_kept=counts.get("undecodable_not_kept", 0),
        undecodable=figures.undecodable,
        set_aside=figures.set_aside,
        ahead=figures.ahead,
    )


def _sums(ledger: Ledger) -> list[str]:
    parts = ledger.rejected + ledger.unmatched + ledger.matched
    if ledger.received == parts:
        return []
    return [
        (
            f"received {ledger.received} is not rejected {ledger.rejected} + unmatched "
            f"{ledger.unmatched} + matched {ledger.matched} = {parts}"
        )
    ]


def _rows(figures: Figures) -> list[str]:
    held = {
        "rejected": figures.rejected,
        "unmatched": figures.events_unmatched,
        "matched": figures.events_matched,
        "fired": figures.firings,
        "ahead": figures.ahead,
    }
    findings = []
    for kind, rows in held.items():
        counter = figures.counts.get(kind, 0)
        pruned = figures.counts.get(f"pruned:{kind}", 0)
        if counter != rows + pruned:
            findings.append(f"{kind}: {counter} counted, but {rows} rows and {pruned} pruned")
    return findings


def _origins(figures: Figures) -> list[str]:
    origins = {kind.split(":")[1] for kind in figures.counts if kind.startswith("made:")}
    origins |= {kind.split(":")[0] for kind in figures.notifications}
    findings = []
    for origin in sorted(origins):
        made = figures.counts.get(f"made:{origin}", 0)
        rows = sum(n for kind, n in figures.notifications.items() if kind.startswith(f"{origin}:"))
        pruned = sum(
            n for kind, n in figures.counts.items() if kind.startswith(f"pruned:{origin}:")
        )
        if made != rows + pruned:
            findings.append(
                f"notifications of origin {origin}: {made} made, but {rows} rows and {pruned} pruned"
            )
    return findings


def _forgotten(figures: Figures) -> list[str]:
    checks = (
        (figures.fan_out_wrong, "events whose notifications are not as many as routing noted down"),
        (figures.without_event, "notifications without their event"),
        (figures.without_firing, "notifications of a trigger without their firing"),
        (
            figures.open_without_recheck,
            "open notifications without recheck_at: nobody would look for them",
        ),
        (
            figures.recheck_long_past,
            "open notifications overdue for 5 minutes: workers are behind, or nobody sweeps",
        ),
        (
            figures.ahead_long_due,
            "events kept apart whose time has come for 5 minutes: nobody takes them in",
        ),
        (figures.leases_long_dead, "claims whose lease ended over 5 minutes ago"),
        (figures.ended_with_recheck, "ended notifications that are still to be rechecked"),
        (figures.attempts_without_notification, "attempts without their notification"),
        (figures.attempts_short, "notifications with fewer attempts recorded than made"),
        (figures.counters_wrong, "minutes of the last hour whose counters are not their attempts"),
    )
    return [f"{number} {what}" for number, what in checks if number]

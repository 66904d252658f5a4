"""The ledger: proof that everything received has ended or is under way (spec 7).

The balance is that of counters, which move in the transactions that change the rows. Upkeep checks the rows against
them all the time, a slice in each run of PRUNE; a recount does so at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.ledger import AHEAD, FIRED, Ledger
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wallarm_notify.domain.ledger import Recount, Standing
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def balance(ctx: Context, scope: Scope) -> Ledger:
    """Return the ledger of all clients together, as its counters have it. Raise Unavailable.

    Raise NotFound where ``scope`` is of some clients alone.
    """
    _check_scope(scope)
    return balanced(ctx.store.transact(lambda tx: tx.standing()))


def recount(
    ctx: Context, scope: Scope, progress: Callable[[str, int, int], None] | None = None
) -> Ledger:
    """Return the ledger with every row counted, however long that takes. Raise Unavailable.

    ``progress`` is called before each step with what is counted, how many steps are done, and of how many. Raise
    NotFound where ``scope`` is of some clients alone.
    """
    _check_scope(scope)

    def work(tx: Transaction) -> Ledger:
        return balanced(tx.standing(), tx.recount(progress or _silent))

    return ctx.store.transact(work)


def _check_scope(scope: Scope) -> None:
    if scope != EVERY_CLIENT:
        raise NotFound("There is no ledger of some clients alone.")


def _silent(_what: str, _done: int, _of: int) -> None:
    """Show no progress."""


def balanced(standing: Standing, rows: Recount | None = None) -> Ledger:
    """Return the ledger of ``standing``, with a finding for each two figures that do not agree.

    With ``rows`` they are compared with the counters; else the last check by upkeep stands for that.
    """
    counts = standing.counts
    findings = [*_sums(counts), *_origins(counts), *_below_zero(counts), *_forgotten(standing)]
    findings += _checked(standing) if rows is None else [*_rows(counts, rows), *_alone(rows)]
    return Ledger(
        counts.get("received", 0),
        counts.get("rejected", 0),
        counts.get("unmatched", 0),
        counts.get("matched", 0),
        {
            state: sum(
                n
                for kind, n in counts.items()
                if kind.startswith(("state:", "pruned:")) and kind.endswith(f":{state}")
            )
            for state in State
        },
        findings,
        rejected_not_kept=counts.get("rejected_not_kept", 0),
        undecodable_not_kept=counts.get("undecodable_not_kept", 0),
        undecodable=standing.undecodable,
        set_aside=standing.set_aside,
        ahead=counts.get(AHEAD, 0),
        made=sum(n for kind, n in counts.items() if kind.startswith("made:")),
        checked_at=None if standing.last_check is None else standing.last_check.at,
    )


def _sums(counts: Mapping[str, int]) -> list[str]:
    received = counts.get("received", 0)
    rejected, unmatched, matched = (
        counts.get(kind, 0) for kind in ("rejected", "unmatched", "matched")
    )
    parts = rejected + unmatched + matched
    if received == parts:
        return []
    return [
        (
            f"received {received} is not rejected {rejected} + unmatched {unmatched} + matched {matched} "
            f"= {parts}"
        )
    ]


def _origins(counts: Mapping[str, int]) -> list[str]:
    origins = {kind.split(":")[1] for kind in counts if kind.startswith(("made:", "state:"))}
    findings = []
    for origin in sorted(origins):
        made = counts.get(f"made:{origin}", 0)
        stored, pruned = (
            sum(n for kind, n in counts.items() if kind.startswith(f"{what}:{origin}:"))
            for what in ("state", "pruned")
        )
        if made != stored + pruned:
            findings.append(
                f"notifications of origin {origin}: {made} made, but {stored} stored and {pruned} pruned"
            )
    return findings


def _below_zero(counts: Mapping[str, int]) -> list[str]:
    return [f"{kind}: {n} counted" for kind, n in sorted(counts.items()) if n < 0]


def _rows(counts: Mapping[str, int], rows: Recount) -> list[str]:
    held = {
        "rejected": rows.rejected,
        "unmatched": rows.events_unmatched,
        "matched": rows.events_matched,
        FIRED: rows.firings,
        AHEAD: rows.ahead,
    }
    findings = []
    for kind, number in held.items():
        counter, pruned = counts.get(kind, 0), counts.get(f"pruned:{kind}", 0)
        if counter != number + pruned:
            findings.append(f"{kind}: {counter} counted, but {number} rows and {pruned} pruned")
    states = {kind.removeprefix("state:") for kind in counts if kind.startswith("state:")}
    for kind in sorted(states | rows.notifications.keys()):
        counter, number = counts.get(f"state:{kind}", 0), rows.notifications.get(kind, 0)
        if counter != number:
            origin, _, state = kind.partition(":")
            findings.append(
                f"{state} notifications of origin {origin}: {counter} counted, but {number} rows"
            )
    return findings


def _alone(rows: Recount) -> list[str]:
    wrong = {
        kind: getattr(rows, kind)
        for kind in (
            *_OF_ROWS,
            "without_event",
            "attempts_without_notification",
            "counters_wrong",
        )
    }
    return _named(wrong)


_OF_ROWS: Final = ("fan_out_wrong", "without_firing", "ended_with_recheck", "attempts_short")

_WORDS: Final[Mapping[str, str]] = {
    "fan_out_wrong": "events whose notifications are not as many as routing noted down",
    "without_event": "notifications without their event",
    "without_firing": "notifications of a trigger without their firing",
    "ended_with_recheck": "ended notifications that are still to be rechecked",
    "attempts_without_notification": "attempts without their notification",
    "attempts_short": "notifications with fewer attempts recorded than made",
    "counters_wrong": "minutes of the last hour whose counters are not their attempts",
    "open_without_recheck": "open notifications without recheck_at: nobody would look for them",
    "recheck_long_past": "open notifications overdue for 5 minutes: workers are behind, or nobody sweeps",
    "leases_long_dead": "claims whose lease ended over 5 minutes ago",
    "ahead_long_due": "events kept apart whose time has come for 5 minutes: nobody takes them in",
    "events_differ": "events more or less than counted",
    "notifications_differ": "notifications more or less than counted",
    "firings_differ": "firings more or less than counted",
    "not_checked": "check of rows against the counters, which took the database too long",
}
"""What each figure that must be 0 is, for people."""


def _forgotten(standing: Standing) -> list[str]:
    kinds = ("open_without_recheck", "recheck_long_past", "ahead_long_due", "leases_long_dead")
    return _named({kind: getattr(standing, kind) for kind in kinds})


def _checked(standing: Standing) -> list[str]:
    return [] if standing.last_check is None else _named(standing.last_check.found)


def _named(wrong: Mapping[str, int]) -> list[str]:
    return [f"{number} {_WORDS[kind]}" for kind, number in wrong.items() if number]

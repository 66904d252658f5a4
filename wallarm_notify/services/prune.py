"""Prune: what ended longer ago than the retention is deleted, in slices, and counted (spec 5 and 7).

It works for a little while, often: one long run would take a worker's process, and the database, away from
what is to be delivered now.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from wallarm_notify.domain.computation import KEPT_FOR
from wallarm_notify.domain.errors import TooMuch
from wallarm_notify.domain.views import HOUR, HOURS_KEPT
from wallarm_notify.domain.words import counted
from wallarm_notify.store.retention import Slice, passed_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wallarm_notify.services.context import Context, ServiceSettings
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)

NAME: Final = "prune"

WORKS_FOR: Final = timedelta(seconds=1)
"""After so long a run begins no further slice, but for the first one of each kind; the next run goes on.

A fifth of the time between two runs: it deletes about twice as many events as can come in.
"""

CHECKS_FOR: Final = timedelta(seconds=0.2)
"""After so long a run begins no further slice of the ledger's check."""

EVENT_SLICE: Final = 2_500
"""So many rows of events and notifications are deleted in one transaction: one statement takes about 50 ms."""

SLICE: Final = 250
"""So many rows of other kinds are deleted in one transaction."""

CELL_SLICE: Final = 10_000
"""Cells of triggers and counters of minutes are small and many: a slice holds more of them."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much a run deleted."""

    events: int = 0
    rejected: int = 0
    is_more_left: bool = False
    ran: bool = True

    @property
    def words(self) -> str:
        """What it did in words, for people and for Flower."""
        if not self.ran:
            return "another run was there first"
        words = f"{counted(self.events, 'event')} deleted, {self.rejected} rejected ones"
        return f"{words}, more is left" if self.is_more_left else words


Deletion: TypeAlias = "Callable[[Transaction], Slice]"
"""What deletes a slice of one kind."""


def prune(ctx: Context, *, works_for: timedelta = WORKS_FOR) -> Pruned:
    """Delete what is past its retention or has left its window, and what deleted triggers left.

    A slice of each kind is deleted in turn, at least one of each, until nothing is left or ``works_for`` is
    over. What waits is never deleted. A kind whose slice takes the database too long is left out of this run.
    Raise Unavailable.
    """
    if not ctx.store.transact(lambda tx: tx.may_run(NAME, ctx.settings.prune_interval * 0.8)):
        return Pruned(ran=False)
    done = _delete_old(ctx, works_for)
    _check_rows(ctx)
    return done


def _delete_old(ctx: Context, works_for: timedelta) -> Pruned:
    left = _kinds(ctx.settings)
    until = ctx.clock() + works_for.total_seconds()
    deleted: Counter[str] = Counter()
    is_first_round = True
    while left:
        for kind, deletion in list(left.items()):
            is_time = is_first_round or ctx.clock() < until
            done = _delete(ctx, kind, deletion) if is_time else None
            if done is None:
                return _pruned(deleted, is_more_left=True)
            deleted[kind] += done.rows
            if done.is_last:
                del left[kind]
        is_first_round = False
    return _pruned(deleted, is_more_left=False)


def _pruned(deleted: Mapping[str, int], *, is_more_left: bool) -> Pruned:
    return Pruned(deleted["events"] + deleted["unmatched"], deleted["rejected"], is_more_left)


def _kinds(settings: ServiceSettings) -> dict[str, Deletion]:
    """Return, by kind, what deletes a slice of it."""
    retention, window = settings.retention, settings.policy.window

    def up_to(limit: int, rows: int) -> Slice:
        return Slice(rows, is_last=rows < limit)

    return {
        "unmatched": lambda tx: tx.prune_unmatched(unmatched_retention(tx, settings), EVENT_SLICE),
        "events": lambda tx: tx.prune_events(retention, EVENT_SLICE),
        "quarantine": lambda tx: up_to(1, tx.prune_quarantine(retention)),
        "rejected": lambda tx: tx.prune_rejected(retention, SLICE),
        "health": lambda tx: up_to(CELL_SLICE, tx.prune_health(window, retention, CELL_SLICE)),
        "hours": lambda tx: up_to(
            CELL_SLICE, tx.prune_ended_by_hour(HOURS_KEPT + HOUR, CELL_SLICE)
        ),
        "cells": lambda tx: up_to(CELL_SLICE, tx.prune_cells(CELL_SLICE)),
        "endpoints": lambda tx: up_to(SLICE, tx.prune_rogue_endpoints(SLICE)),
        "rules": lambda tx: up_to(SLICE, tx.prune_rules(retention, SLICE)),
        "activity": lambda tx: up_to(SLICE, tx.prune_activity(retention, SLICE)),
        "computations": lambda tx: up_to(
            SLICE, tx.prune_computations(min(KEPT_FOR, retention), SLICE)
        ),
        "triggers": lambda tx: up_to(SLICE, tx.prune_triggers(SLICE)),
        "sessions": lambda tx: up_to(SLICE, tx.prune_sessions(SLICE)),
    }


def _check_rows(ctx: Context) -> None:
    """Check slices of the rows against the ledger's counters for a while, whatever is left to delete."""
    until = ctx.clock() + CHECKS_FOR.total_seconds()

    def work(tx: Transaction) -> bool:
        return tx.goes_on(NAME) and tx.check_slice(EVENT_SLICE)

    try:
        while ctx.store.transact(work) and ctx.clock() < until:
            pass
    except TooMuch as error:
        # PRUNE should not come to this in every run.
        log.error("ledger.not_checked", extra={"error": str(error)})  # noqa: TRY400 - it says all
        ctx.store.transact(lambda tx: tx.end_check({"not_checked": 1}))


def unmatched_retention(tx: Transaction, settings: ServiceSettings) -> timedelta:
    """Return how long events are kept that nothing was made of (spec 5).

    The setting decides, or how it was installed.
    """
    kept = settings.unmatched_retention or tx.unmatched_retention()
    return settings.retention if kept is None else min(kept, settings.retention)


def prune_lag(tx: Transaction, settings: ServiceSettings) -> timedelta:
    """Return how long the oldest event that PRUNE has to look at is past its retention."""
    return tx.prune_lag(
        {
            "events": passed_after(settings.retention),
            "unmatched": unmatched_retention(tx, settings),
        }
    )


def _delete(ctx: Context, kind: str, deletion: Deletion) -> Slice | None:
    """Delete a slice and return it; None: another run is at work."""

    def work(tx: Transaction) -> Slice | None:
        if not tx.goes_on(NAME):
            return None
        done = deletion(tx)
        tx.count(done.counts)
        return done

    try:
        return ctx.store.transact(work)
    except TooMuch as error:
        # The other kinds should not wait for it for ever.
        log.error("prune.too_much", extra={"kind": kind, "error": str(error)})  # noqa: TRY400 - it says all
        return Slice(0, is_last=True)

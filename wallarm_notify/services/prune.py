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

from wallarm_notify.domain.errors import TooMuch
from wallarm_notify.domain.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wallarm_notify.services.context import Context, ServiceSettings
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)

NAME: Final = "prune"

WORKS_FOR: Final = timedelta(seconds=0.3)
"""After so long a run begins no further slice, but for the first one of each kind; the next run goes on."""

SLICE: Final = 250
"""So many rows, or events with about as many notifications, are deleted in one transaction."""

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


Slice: TypeAlias = "Callable[[Transaction], tuple[int, Mapping[str, int]]]"
"""What deletes a slice of one kind: it returns how many rows, and what the ledger counts of them."""


def prune(ctx: Context, *, works_for: timedelta = WORKS_FOR) -> Pruned:
    """Delete what is past its retention or has left its window, and what deleted triggers left.

    A slice of each kind is deleted in turn, at least one of each, until nothing is left or ``works_for`` is
    over. What waits is never deleted. A kind whose slice takes the database too long is left out of this run.
    Raise Unavailable.
    """
    if not ctx.store.transact(lambda tx: tx.may_run(NAME, ctx.settings.prune_interval * 0.8)):
        return Pruned(ran=False)
    left = _kinds(ctx.settings)
    until = ctx.clock() + works_for.total_seconds()
    deleted: Counter[str] = Counter()
    is_first_round = True
    while left:
        for kind, (one_slice, size) in list(left.items()):
            is_time = is_first_round or ctx.clock() < until
            rows = _delete(ctx, kind, one_slice) if is_time else None
            if rows is None:
                return Pruned(deleted["events"], deleted["rejected"], is_more_left=True)
            deleted[kind] += rows
            if rows < size:
                del left[kind]
        is_first_round = False
    return Pruned(deleted["events"], deleted["rejected"])


def _kinds(settings: ServiceSettings) -> dict[str, tuple[Slice, int]]:
    """Return, by kind, what deletes a slice of it; and how few rows mark a slice as the last one."""
    retention, window = settings.retention, settings.policy.window
    return {
        # How many events a slice has depends on their notifications: only the last one deletes nothing.
        "events": (lambda tx: tx.prune_events(retention, SLICE), 1),
        "quarantine": (lambda tx: (tx.prune_quarantine(retention), {}), 1),
        "rejected": (lambda tx: tx.prune_rejected(retention, SLICE), SLICE),
        "health": (lambda tx: (tx.prune_health(window, retention, CELL_SLICE), {}), CELL_SLICE),
        "cells": (lambda tx: (tx.prune_cells(CELL_SLICE), {}), CELL_SLICE),
        "things": (lambda tx: (tx.prune_rogue_endpoints(SLICE), {}), SLICE),
        "rules": (lambda tx: (tx.prune_rules(retention, SLICE), {}), SLICE),
        "activity": (lambda tx: (tx.prune_activity(retention, SLICE), {}), SLICE),
        "triggers": (lambda tx: (tx.prune_triggers(SLICE), {}), SLICE),
    }


def _delete(ctx: Context, kind: str, one_slice: Slice) -> int | None:
    """Delete a slice; return how many rows it had; None: another run is at work."""

    def work(tx: Transaction) -> int | None:
        if not tx.goes_on(NAME):
            return None
        rows, counts = one_slice(tx)
        tx.count(counts)
        return rows

    try:
        return ctx.store.transact(work)
    except TooMuch as error:
        # The other kinds should not wait for it for ever.
        log.error("prune.too_much", extra={"kind": kind, "error": str(error)})  # noqa: TRY400 - it says all
        return 0

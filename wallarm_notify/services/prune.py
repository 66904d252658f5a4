"""Prune: what ended longer ago than the retention is deleted, in slices, and counted (spec 5 and 7)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from wallarm_notify.domain.message import counted
from wallarm_notify.services.ports import Store

SLICE: Final = 1000
"""So many rows are deleted in one transaction."""

CELL_SLICE: Final = 10_000
"""Cells are small and many: a trigger with a period of a second fills 60 in each."""

SLICES: Final = 50
"""So many slices of a kind one run deletes; the next run goes on."""


class PruneQueries(Protocol):
    """What PRUNE asks of the database."""

    def may_run(self, name: str, interval: timedelta) -> bool:
        """Whether no other run of ``name`` is under way or began within ``interval``."""
        ...

    def prune_events(self, retention: timedelta, limit: int) -> tuple[int, Mapping[str, int]]:
        """Deletes ended events with all that was made of them; how many, and the counts by kind."""
        ...

    def prune_rejected(self, retention: timedelta, limit: int) -> tuple[int, Mapping[str, int]]:
        """Deletes rejections and undecodable messages; how many, and the counts by kind."""
        ...

    def prune_health(self, window: timedelta, retention: timedelta, limit: int) -> int:
        """Deletes counters that have left the failure window, and old decisions; how many counters."""
        ...

    def prune_cells(self, limit: int) -> int:
        """Deletes cells that nothing is judged by any more; how many."""
        ...

    def prune_things(self, limit: int) -> int:
        """Deletes the rogue endpoints of deleted triggers; how many."""
        ...

    def prune_triggers(self, limit: int) -> int:
        """Deletes the rows of deleted triggers that have nothing left; how many."""
        ...

    def count(self, changes: Mapping[str, int]) -> None:
        """Adds to the ledger's counters."""
        ...


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much a run deleted."""

    events: int = 0
    rejected: int = 0
    ran: bool = True

    @property
    def words(self) -> str:
        """For people, and for Flower."""
        if not self.ran:
            return "another run was there first"
        return f"{counted(self.events, 'event')} deleted, {self.rejected} rejected ones"


def prune(
    store: Store[PruneQueries], *, retention: timedelta, window: timedelta, interval: timedelta
) -> Pruned:
    """Deletes what is past ``retention``, counters that have left their windows, and what deleted triggers left.

    ``window`` is that of the failure ratio.

    What waits is never touched. Raises Unavailable.
    """
    if not store.transact(lambda tx: tx.may_run("prune", interval * 0.8)):
        return Pruned(ran=False)
    events = _all(store, lambda tx: tx.prune_events(retention, SLICE))
    rejected = _all(store, lambda tx: tx.prune_rejected(retention, SLICE))
    _all(store, lambda tx: (tx.prune_health(window, retention, SLICE), {}))
    _all(store, lambda tx: (tx.prune_cells(CELL_SLICE), {}), CELL_SLICE)
    _all(store, lambda tx: (tx.prune_things(SLICE), {}))
    _all(store, lambda tx: (tx.prune_triggers(SLICE), {}))
    return Pruned(events, rejected)


def _all(
    store: Store[PruneQueries],
    one_slice: Callable[[PruneQueries], tuple[int, Mapping[str, int]]],
    size: int = SLICE,
) -> int:
    def work(tx: PruneQueries) -> int:
        rows, counts = one_slice(tx)
        tx.count(counts)
        return rows

    deleted = 0
    for _ in range(SLICES):
        done = store.transact(work)
        deleted += done
        if done < size:
            break
    return deleted

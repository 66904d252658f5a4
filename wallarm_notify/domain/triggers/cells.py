"""Event time, cut into cells: a window is a cell and the 59 before it (spec 3)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

CELLS: Final = 60
"""So many cells are a window."""

LATE_BY: Final = timedelta(days=1)
"""Older than the period and this, an event is stored and not counted (spec 3)."""

LEAST_QUIET: Final = timedelta(seconds=60)
"""No two firings end closer together than this, however short the period is (spec 3)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch of event time that a firing counted in: ``start`` is within, ``end`` is not."""

    start: datetime
    end: datetime


def cell_of(moment: datetime, period: timedelta) -> int:
    """The number of the cell that ``moment`` lies in; exact to the microsecond."""
    return (moment - _EPOCH) // _MICROSECOND * CELLS // (period // _MICROSECOND)


def window_of(end: int, period: timedelta) -> Window:
    """The window of cell ``end``."""
    return Window(_start_of(end - CELLS + 1, period), _start_of(end + 1, period))


def _start_of(cell: int, period: timedelta) -> datetime:
    """The first microsecond of a cell."""
    return _EPOCH + -(-cell * (period // _MICROSECOND) // CELLS) * _MICROSECOND


def quiet_of(period: timedelta) -> int:
    """How many cells apart the ends of two firings' windows are at least."""
    return max(CELLS, -(-LEAST_QUIET * CELLS // period))


def is_late(occurred_at: datetime, period: timedelta, now: datetime) -> bool:
    """Whether an event is too old to be counted (spec 3)."""
    return now - occurred_at > period + LATE_BY


def expiry_of(cell: int, period: timedelta) -> datetime:
    """When a cell is of no more use: no event that is still counted is judged with it, or is quiet by it."""
    return _start_of(cell + 1, period) + 2 * period + LATE_BY + 2 * LEAST_QUIET


@dataclass(frozen=True, slots=True)
class Stretch:
    """Cells from ``low`` to ``high``, both within."""

    low: int
    high: int


def stretches(cells: Iterable[int], before: int, after: int) -> list[Stretch]:
    """The stretches that hold so many cells before and after each of ``cells``; they never overlap."""
    found: list[Stretch] = []
    for cell in sorted(set(cells)):
        if found and cell - before <= found[-1].high + 1:
            found[-1] = Stretch(found[-1].low, cell + after)
        else:
            found.append(Stretch(cell - before, cell + after))
    return found


def in_stretches(counts: Mapping[int, int], wanted: Iterable[Stretch]) -> dict[int, int]:
    """Those of ``counts`` that lie in the stretches ``wanted``."""
    return {
        cell: counts[cell]
        for one in wanted
        for cell in range(one.low, one.high + 1)
        if cell in counts
    }


CellKey = tuple[int, int]
"""A trigger's id and version: what its cells belong to."""


@dataclass(frozen=True, slots=True)
class CellChange:
    """What a batch adds to one cell: so many events, some of their ids, and whether a firing ends there."""

    key: CellKey
    cell: int
    added: int
    event_ids: tuple[UUID, ...]
    fired: bool
    expires_at: datetime


Reach = Mapping[CellKey, Sequence[Stretch]]
"""Stretches of cells, by trigger and version."""

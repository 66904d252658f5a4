"""Cells of event time: a sliding window is a cell and the 59 before it (spec 3)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

CELLS: Final = 60
"""The number of cells in a window."""

LATE_BY: Final = timedelta(days=1)
"""An event older than the period and this is stored and not counted (spec 3)."""

LEAST_QUIET: Final = timedelta(seconds=60)
"""The least time between the ends of two firings' windows, however short the period is (spec 3)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """The interval of event time that a firing counted in, without ``end`` itself."""

    start: datetime
    end: datetime


def cell_of(moment: datetime, period: timedelta) -> int:
    """Return the number of the cell of ``moment``, exact to the microsecond."""
    return (moment - _EPOCH) // _MICROSECOND * CELLS // (period // _MICROSECOND)


def window_of(end: int, period: timedelta) -> Window:
    """Return the window that ends with the cell ``end``."""
    return Window(start_of_cell(end - CELLS + 1, period), start_of_cell(end + 1, period))


def start_of_cell(cell: int, period: timedelta) -> datetime:
    """Return the first microsecond of a cell."""
    return _EPOCH + -(-cell * (period // _MICROSECOND) // CELLS) * _MICROSECOND


def quiet_of(period: timedelta) -> int:
    """Return the least number of cells between the ends of two firings' windows."""
    return max(CELLS, -(-LEAST_QUIET * CELLS // period))


def is_late(occurred_at: datetime, period: timedelta, now: datetime) -> bool:
    """Return whether an event is too old to be counted (spec 3)."""
    return now - occurred_at > period + LATE_BY


def expiry_of(cell: int, period: timedelta) -> datetime:
    """Return when a cell can be deleted: no event that is still counted needs it."""
    return start_of_cell(cell + 1, period) + 2 * period + LATE_BY + 2 * LEAST_QUIET


@dataclass(frozen=True, slots=True)
class Stretch:
    """The cells from ``low`` to ``high``, both included."""

    low: int
    high: int


def stretches(cells: Iterable[int], before: int, after: int) -> list[Stretch]:
    """Return stretches, which never overlap, with so many cells before and after each of ``cells``."""
    found: list[Stretch] = []
    for cell in sorted(set(cells)):
        if found and cell - before <= found[-1].high + 1:
            found[-1] = Stretch(found[-1].low, cell + after)
        else:
            found.append(Stretch(cell - before, cell + after))
    return found


def in_stretches(counts: Mapping[int, int], wanted: Iterable[Stretch]) -> dict[int, int]:
    """Return the ``counts`` that lie in the stretches ``wanted``."""
    return {
        cell: counts[cell]
        for one in wanted
        for cell in range(one.low, one.high + 1)
        if cell in counts
    }


CellKey = tuple[int, int]
"""The id and version of the trigger that cells belong to."""


@dataclass(frozen=True, slots=True)
class CellChange:
    """What a batch adds to one cell: a count, some event ids, and whether a firing ends there."""

    key: CellKey
    cell: int
    added: int
    event_ids: tuple[UUID, ...]
    fired: bool
    expires_at: datetime


Reach = Mapping[CellKey, Sequence[Stretch]]
"""Stretches of cells, by trigger and version."""

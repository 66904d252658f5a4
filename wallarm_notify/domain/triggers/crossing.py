"""Crossings: which event of a batch makes a window exceed, so that a trigger fires (spec 3).

Only windows that end in a cell with an event are evaluated: one that ends in an empty cell has no more
events than an earlier one.
"""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from wallarm_notify.domain.triggers.cells import CELLS


@dataclass(frozen=True, slots=True)
class Crossing:
    """The event at ``position`` of a batch, with which the window of cell ``end`` exceeds with ``count`` events."""

    position: int
    end: int
    count: int


@dataclass(slots=True)
class Near:
    """What a trigger has counted around a batch's cells: ``counts`` by cell, and the ends of firings."""

    counts: dict[int, int] = field(default_factory=dict)
    fired: list[int] = field(default_factory=list)


def crossings(cells: Sequence[int], near: Near, limit: int, quiet: int) -> list[Crossing]:
    """Return which of the events in ``cells``, in order, make a window exceed ``limit`` and fire.

    An event is evaluated in every window that contains it and ends in a cell with events. Of those that
    exceed, and do not end within ``quiet`` cells of a firing, the one with the earliest end fires. ``near``
    must have 59 cells on both sides of each event, and firings ``quiet`` cells beyond.
    """
    windows = _Windows(near, quiet)
    if not windows.can_exceed(cells, limit):
        return []
    found = []
    for position, cell in enumerate(cells):
        for end in windows.add(cell):
            if windows.sums[end] > limit and not windows.is_quiet(end):
                found.append(Crossing(position, end, windows.sums[end]))
                insort(windows.fired, end)
                break
    return found


class _Windows:
    """The sums of the windows that end in cells with events."""

    def __init__(self, near: Near, quiet: int) -> None:
        self._counts = dict(near.counts)
        self._held = sorted(near.counts)
        self._quiet = quiet
        self.fired = sorted(near.fired)
        self.sums: dict[int, int] = {}

    def can_exceed(self, cells: Sequence[int], limit: int) -> bool:
        """Return whether any window could fire with all of ``cells``: sums only grow, and quiet cells too."""
        counts = Counter(self._counts)
        counts.update(cells)
        held = sorted(counts)
        total = start = 0
        touched = set(cells)
        for place, end in enumerate(held):
            total += counts[end]
            while held[start] <= end - CELLS:
                total -= counts[held[start]]
                start += 1
            within = held[start : place + 1]
            if total > limit and not self.is_quiet(end) and not touched.isdisjoint(within):
                return True
        return False

    def is_quiet(self, end: int) -> bool:
        """Return whether a window that ends here is too close to a firing's, on either side."""
        after = bisect_left(self.fired, end)
        return any(
            abs(end - one) < self._quiet for one in self.fired[max(after - 1, 0) : after + 1]
        )

    def add(self, cell: int) -> list[int]:
        """Count one more event in ``cell``; return the ends of the windows that contain it, the earliest first."""
        if cell not in self._counts:
            insort(self._held, cell)
        self._counts[cell] = self._counts.get(cell, 0) + 1
        low, high = bisect_left(self._held, cell), bisect_right(self._held, cell + CELLS - 1)
        ends = self._held[low:high]
        for end in ends:
            if end in self.sums:
                self.sums[end] += 1
            else:
                first = bisect_left(self._held, end - CELLS + 1)
                last = bisect_right(self._held, end)
                self.sums[end] = sum(self._counts[c] for c in self._held[first:last])
        return ends

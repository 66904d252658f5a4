"""Clocks: whether the database's is wrong (spec 2), whether it was set back (spec 7), and a process's own."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from time import clock_gettime
from typing import Final

BACK_FROM: Final = timedelta(seconds=60)
"""The least amount of a clock set back that counts: less makes nothing later than a minute. A time this far
ahead, or further, that may not be so is from the clock before it was set back (spec 7).
"""

WITHIN: Final = 60.0
"""Seconds whose events are compared with the database's clock."""

COMPLAIN_EVERY: Final = 60.0
"""Seconds between two log lines about the database's clock."""

_STEP: Final = 1.0
"""Seconds whose events are kept as one number."""


class AheadTally:
    """One process's count of the last minute's events that were ahead of the database's clock.

    Times are seconds of a process's own clock. It is thread-safe.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._steps: deque[tuple[float, int, int]] = deque()
        self._complains_again_at = 0.0
        self.number = 0
        self.ahead = 0

    def add(self, number: int, ahead: int, at: float) -> None:
        """Count ``number`` events that came at ``at``, ``ahead`` of them ahead of the database's clock."""
        with self._lock:
            self._add(number, ahead, at)

    def _forget(self, at: float) -> None:
        while self._steps and self._steps[0][0] <= at - WITHIN:
            _, gone, gone_ahead = self._steps.popleft()
            self.number -= gone
            self.ahead -= gone_ahead

    def _add(self, number: int, ahead: int, at: float) -> None:
        self._forget(at)
        began, there, there_ahead = self._steps.pop() if self._steps else (at, 0, 0)
        if at - began >= _STEP:
            self._steps.append((began, there, there_ahead))
            began, there, there_ahead = at, 0, 0
        self._steps.append((began, there + number, there_ahead + ahead))
        self.number += number
        self.ahead += ahead

    @property
    def is_database_behind(self) -> bool:
        """Whether most of the events were ahead: then the database's clock is wrong, not every producer's."""
        return 2 * self.ahead > self.number

    def is_database_behind_with(self, number: int, ahead: int, at: float) -> bool:
        """Return whether most events are ahead with these, which are not counted before they are committed."""
        with self._lock:
            self._forget(at)
            return 2 * (self.ahead + ahead) > self.number + number

    def may_complain(self, at: float) -> bool:
        """Return whether the last complaint is a minute ago at ``at``; if so, this is the next one."""
        with self._lock:
            if at < self._complains_again_at:
                return False
            self._complains_again_at = at + COMPLAIN_EVERY
            return True


def set_back_by(latest: datetime, now: datetime) -> timedelta | None:
    """Return by how much a clock was set back from ``latest`` to ``now``; None if less than ``BACK_FROM``.

    In whole seconds, and a lower bound: the time that passed between the two readings is not known.
    """
    back = timedelta(seconds=int((latest - now).total_seconds()))
    return back if back >= BACK_FROM else None


Clock = Callable[[], float]
"""A process's own clock: seconds since some moment, which only ever grow."""


def since_boot() -> float:
    """Return the seconds since boot, counted while the machine sleeps if the system can: for the age of things.

    ``time.monotonic`` stops during sleep. Nobody sets this clock.
    """
    return clock_gettime(_SINCE_BOOT)


_SINCE_BOOT: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True)
class Mark:
    """The latest time of the clock that SWEEP has seen, in which transaction, and what it shows now."""

    latest: datetime
    transaction_id: int | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Jump:
    """A clock that was set back, and by how much.

    ``since_mark``: how many transactions ago SWEEP last saw the clock before. ``since_noticed``: how many
    transactions ago that was noticed.
    """

    id: int
    back: timedelta
    since_mark: int
    since_noticed: int

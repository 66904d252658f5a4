"""What is known of the database's clock: what events say of it (spec 2), and whether it was set back (spec 7)."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from time import clock_gettime
from typing import Final

BACK_FROM: Final = timedelta(seconds=60)
"""Set back by less nothing is later than a minute. What lies so far ahead, or further, and may not, is by the
clock from before (spec 7)."""

WITHIN: Final = 60.0
"""Seconds whose events are held against the database's clock."""

COMPLAIN_EVERY: Final = 60.0
"""Seconds between two lines that name the database's clock."""

_STEP: Final = 1.0
"""Seconds whose events are kept as one number."""


class AheadTally:
    """How many of the last minute's events were ahead of the database's clock, as one process counts them.

    Times are a process's own clock, in seconds. May be used from several threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._steps: deque[tuple[float, int, int]] = deque()
        self._complains_again_at = 0.0
        self.number = 0
        self.ahead = 0

    def add(self, number: int, ahead: int, at: float) -> None:
        """So many events came at ``at``, of which so many were ahead."""
        with self._lock:
            self._add(number, ahead, at)

    def _add(self, number: int, ahead: int, at: float) -> None:
        while self._steps and self._steps[0][0] <= at - WITHIN:
            _, gone, gone_ahead = self._steps.popleft()
            self.number -= gone
            self.ahead -= gone_ahead
        began, there, there_ahead = self._steps.pop() if self._steps else (at, 0, 0)
        if at - began >= _STEP:
            self._steps.append((began, there, there_ahead))
            began, there, there_ahead = at, 0, 0
        self._steps.append((began, there + number, there_ahead + ahead))
        self.number += number
        self.ahead += ahead

    @property
    def is_database_behind(self) -> bool:
        """Whether most of them were: then it is our clock that is wrong, rather than everybody else's."""
        return 2 * self.ahead > self.number

    def may_complain(self, at: float) -> bool:
        """Return whether the last complaint is a minute ago at ``at``; then this is the next one."""
        with self._lock:
            if at < self._complains_again_at:
                return False
            self._complains_again_at = at + COMPLAIN_EVERY
            return True


def set_back_by(latest: datetime, now: datetime) -> timedelta | None:
    """By how much a clock was set back that showed ``latest`` and shows ``now``; None: not by ``BACK_FROM``.

    In whole seconds, and at least that much: what passed between the two counts against it.
    """
    back = timedelta(seconds=int((latest - now).total_seconds()))
    return back if back >= BACK_FROM else None


Clock = Callable[[], float]
"""A process's own clock: seconds since some moment, which only ever grow."""


def since_boot() -> float:
    """A clock that also goes while the machine sleeps, where the system has one: how old things are.

    ``time.monotonic`` stands still then. Seconds; nobody sets it.
    """
    return clock_gettime(_SINCE_BOOT)


_SINCE_BOOT: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True)
class Mark:
    """The latest that SWEEP has seen of the clock, in which transaction, and what it shows now."""

    latest: datetime
    transaction_id: int | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Jump:
    """By how much the clock was set back.

    ``since_mark``: how many transactions ago SWEEP last saw the clock from before. ``since_noticed``: and since
    when it is known.
    """

    id: int
    back: timedelta
    since_mark: int
    since_noticed: int

"""Which clock is wrong: what one process's events say of the database's (spec 2)."""

from collections import deque
from typing import Final

WITHIN: Final = 60.0
"""Seconds whose events are held against the database's clock."""

_STEP: Final = 1.0
"""Seconds whose events are kept as one number."""


class AheadTally:
    """How many of the last minute's events were ahead of the database's clock, as one process counts them.

    Times are a process's own clock, in seconds.
    """

    def __init__(self) -> None:
        self._steps: deque[tuple[float, int, int]] = deque()
        self.number = 0
        self.ahead = 0

    def add(self, number: int, ahead: int, at: float) -> None:
        """So many events came at ``at``, of which so many were ahead."""
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

"""Beat's schedule, which stays regular when the clock of its machine is set (spec 7).

Celery's own scheduler knows the time of day alone: after the clock is set back by an hour, it sends nothing for
an hour.
"""

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from celery.beat import Scheduler

from wallarm_notify.domain.clock import since_boot

log = logging.getLogger(__name__)

NOTICED_FROM: Final = timedelta(seconds=0.5)
"""The smallest difference between the two clocks that counts as a clock that was set."""


class SteadyScheduler(Scheduler):
    """Celery's scheduler, with the times of the last runs moved by as much as the clock was set.

    At each tick, at least once a second, it compares the time of day with the time since boot, which nobody
    sets.
    """

    # Attributes of Celery's class that its published types lack.
    app: Any
    schedule: Any
    _heap: Any

    _booted_at: datetime | None = None

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Follow the clock, run one round of the schedule, and return the seconds until the next round."""
        self._follow_clock()
        return super().tick(*args, **kwargs)

    def _follow_clock(self) -> None:
        now: datetime = self.app.now()
        booted_at = now - timedelta(seconds=since_boot())
        if self._booted_at is None:
            self._booted_at = booted_at
        elif abs(jump := booted_at - self._booted_at) >= NOTICED_FROM:
            self._booted_at = booted_at
            for entry in self.schedule.values():
                # A task that ran after the jump, but before it was noticed, has run just now.
                entry.last_run_at = min(entry.last_run_at + jump, now)
            self._heap = None
            log.warning("beat.clock_was_set", extra={"seconds": round(jump.total_seconds(), 1)})

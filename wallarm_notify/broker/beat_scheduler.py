"""Beat's schedule, kept whichever way the clock of its machine jumps (spec 7).

Celery's own goes by the time of day alone: set back by an hour it sends nothing for an hour.
"""

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from celery.beat import Scheduler

from wallarm_notify.domain.clock import since_boot

log = logging.getLogger(__name__)

NOTICED_FROM: Final = timedelta(seconds=0.5)
"""By less the two clocks may differ without being compared anew."""


class SteadyScheduler(Scheduler):
    """Celery's, which moves the times of the last runs by as much as the clock was set.

    What tells is the machine's other clock, which nobody sets. Asked at each tick, once a second at least.
    """

    # Celery's, which its published types lack.
    app: Any
    schedule: Any
    _heap: Any

    _booted_at: datetime | None = None

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """One round of the schedule."""
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
                # One that was run after the jump and before it was noticed has run just now.
                entry.last_run_at = min(entry.last_run_at + jump, now)
            self._heap = None
            log.warning("beat.clock_was_set", extra={"seconds": round(jump.total_seconds(), 1)})

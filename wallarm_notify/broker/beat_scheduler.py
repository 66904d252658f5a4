"""Beat's schedule, regular even where its machine's clock is set (spec 7), with one task at a time.

Celery's own scheduler knows the time of day alone: after the clock is set back by an hour, it sends nothing for
an hour. And it sends all tasks of one interval at once: they would take as many processes of a worker at the same
moment, and events would wait for both.
"""

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from celery.beat import Scheduler

from wallarm_notify.broker.liveness import of_this_process
from wallarm_notify.domain.clock import since_boot

log = logging.getLogger(__name__)

NOTICED_FROM: Final = timedelta(seconds=0.5)
"""The smallest difference between the two clocks that counts as a clock that was set."""


class SteadyScheduler(Scheduler):
    """Celery's scheduler, with the times of the last runs moved by as much as the clock was set.

    At each tick, at least once a second, it compares the time of day with the time since boot, which nobody
    sets. The tasks have their places within the shortest interval, and keep them, however late one is sent.
    """

    # Attributes of Celery's class that its published types lack.
    app: Any
    schedule: Any
    connection: Any
    _heap: Any

    _booted_at: datetime | None = None

    def __init__(self, *given: Any, **options: Any) -> None:
        self._liveness = of_this_process()
        super().__init__(*given, **options)

    def _ensure_connected(self) -> Any:
        self._liveness.note_tries_of(self.connection)
        return super()._ensure_connected()  # type: ignore[misc]  # the published types lack it

    def setup_schedule(self) -> None:
        """Set up the schedule, with the tasks apart from each other."""
        super().setup_schedule()
        entries: list[Any] = [self.schedule[name] for name in self.app.conf.beat_schedule]
        shortest = min((entry.schedule.run_every for entry in entries), default=timedelta())
        for place, entry in enumerate(entries):
            entry.last_run_at += shortest * place / len(entries)

    def reserve(self, entry: Any) -> Any:
        """Return the entry for the next run, counted from when this one was due."""
        following: Any = super().reserve(entry)
        every = entry.schedule.run_every
        late = following.last_run_at - entry.last_run_at - every
        following.last_run_at -= late % every
        self._heap = None  # made anew from these times: Celery would count from now
        return following

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Follow the clock, run one round of the schedule, and return the seconds until the next round."""
        self._liveness.note()
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

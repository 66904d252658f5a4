"""Next links of the chain: gathered for a second, so that a message carries all that fall due together.

Outcomes are recorded a few at a time. A message for each few would make ever smaller messages of an
outage's large ones, attempt after attempt.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from wallarm_notify.domain.clock import Clock, since_boot
from wallarm_notify.domain.message import messages
from wallarm_notify.domain.notification import Notification
from wallarm_notify.services.ports import Publisher

GATHER: Final = timedelta(seconds=1)
"""How long links gather. If the process dies meanwhile SWEEP rings for them."""

SOON: Final = timedelta(seconds=1.5)
"""What is due within this is rung for at once."""

TICK: Final = 0.001
"""Seconds too few to wait for: what two readings of a clock differ by is not exact."""


class NextLinks:
    """One for a process; may be used from several threads."""

    def __init__(self, doorbell: Publisher, clock: Clock = since_boot) -> None:
        self._doorbell = doorbell
        self._clock = clock
        self._lock = Lock()
        self._gathered: list[Notification] = []
        # The database's time when the first of them came, and the process's own.
        self._since = (datetime.min.replace(tzinfo=UTC), 0.0)

    def add(self, notifications: Iterable[Notification], now: datetime) -> None:
        """Enqueues what is due soon after ``now``, the database's time; gathers the rest."""
        links = list(notifications)
        soon = [n for n in links if n.due_at - now <= SOON]
        later = [n for n in links if n.due_at - now > SOON]
        self._doorbell.publish(messages(soon, now))
        with self._lock:
            if later and not self._gathered:
                self._since = (now, self._clock())
            self._gathered += later

    def ring(self, *, at_once: bool = False) -> float | None:
        """Enqueues what has gathered for long enough, or ``at_once``.

        Seconds until it wants to be called again; None: nothing has gathered.
        """
        with self._lock:
            if not self._gathered:
                return None
            now, began = self._since
            passed = self._clock() - began
            rest = GATHER.total_seconds() - passed
            if rest > TICK and not at_once:
                return rest
            gathered, self._gathered = self._gathered, []
        self._doorbell.publish(messages(gathered, now + timedelta(seconds=passed)))
        return None

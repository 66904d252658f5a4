"""Retries that are to be enqueued: buffered for a second, so that a message carries all that fall due together.

Outcomes are recorded a few at a time. A message for each few would make ever smaller messages of an
outage's large ones, attempt after attempt.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.batches import messages
from wallarm_notify.domain.clock import Clock, since_boot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wallarm_notify.domain.notification import Notification
    from wallarm_notify.services.ports import Publisher

BUFFERED_FOR: Final = timedelta(seconds=1)
"""How long retries are buffered. If the process dies meanwhile SWEEP finds them."""

SOON: Final = timedelta(seconds=1.5)
"""What is due within this is enqueued at once."""

_TICK: Final = 0.001
"""Seconds too few to wait for: what two readings of a clock differ by is not exact."""


class RetryBuffer:
    """One for a process; may be used from several threads."""

    def __init__(self, publisher: Publisher, clock: Clock = since_boot) -> None:
        self._publisher = publisher
        self._clock = clock
        self._lock = Lock()
        self._buffered: list[Notification] = []
        # The database's time when the first of them came, and the process's own.
        self._since = (datetime.min.replace(tzinfo=UTC), 0.0)

    def add(self, notifications: Iterable[Notification], now: datetime) -> None:
        """Enqueue what is due soon after ``now``, the database's time; buffer the rest."""
        retries = list(notifications)
        later = [n for n in retries if n.due_at - now > SOON]
        with self._lock:
            if later and not self._buffered:
                self._since = (now, self._clock())
            self._buffered += later
        self._publisher.publish(messages([n for n in retries if n.due_at - now <= SOON], now))

    def publish(self, *, at_once: bool = False) -> float | None:
        """Enqueue what has been buffered for long enough, or ``at_once``.

        Return the seconds until it wants to be called again, None: nothing is buffered. What it has taken out
        has been enqueued when it returns, whichever thread did so.
        """
        with self._lock:
            if not self._buffered:
                return None
            now, began = self._since
            passed = self._clock() - began
            left = BUFFERED_FOR.total_seconds() - passed
            if left > _TICK and not at_once:
                return left
            buffered, self._buffered = self._buffered, []
            self._publisher.publish(messages(buffered, now + timedelta(seconds=passed)))
        return None

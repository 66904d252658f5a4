"""The retry buffer: one message carries all retries that fall due within a second.

Outcomes are recorded a few at a time. With a message for each few, an outage's large messages would become
smaller with every attempt.
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
"""How long retries are buffered. If the process dies meanwhile, SWEEP finds them."""

SOON: Final = timedelta(seconds=1.5)
"""Retries that are due within this are enqueued at once."""

_TICK: Final = 0.001
"""A wait too short to be worth it, in seconds: two readings of a clock are never exactly apart."""


class RetryBuffer:
    """The retry buffer of one process. It is thread-safe."""

    def __init__(self, publisher: Publisher, clock: Clock = since_boot) -> None:
        self._publisher = publisher
        self._clock = clock
        self._lock = Lock()
        self._buffered: list[Notification] = []
        # The database's time when the first of them came, and the process's.
        self._since = (datetime.min.replace(tzinfo=UTC), 0.0)

    def add(self, notifications: Iterable[Notification], now: datetime) -> None:
        """Enqueue the retries that are due soon after ``now``, the database's time; buffer the others."""
        retries = list(notifications)
        later = [n for n in retries if n.due_at - now > SOON]
        with self._lock:
            if later and not self._buffered:
                self._since = (now, self._clock())
            self._buffered += later
        self._publisher.publish(messages([n for n in retries if n.due_at - now <= SOON], now))

    def publish(self, *, at_once: bool = False) -> float | None:
        """Enqueue what has been buffered for long enough, or everything ``at_once``.

        Return the seconds until the next call is due, or None if nothing is buffered. Whatever left the
        buffer is enqueued when this returns, whichever thread enqueues it.
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

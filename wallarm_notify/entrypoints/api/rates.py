"""Rates: how often a token may ask, and how many slow calls are under way at once."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from wallarm_notify.entrypoints.api.faults import Overload

SLOW_AT_ONCE: Final = 2
"""So many calls of one client that wait for PagerDuty are under way at once."""

_FORGETS_EVERY: Final = 60.0
"""Seconds after which counts that have ended are forgotten."""


class Counts(MemoryStorage):
    """The counts of ``limits`` in memory, without the thread that it starts at nearly every request.

    To forget what has ended takes it longer than to count. Here whoever counts does so, once a minute.
    """

    _forgets_at = 0.0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add to a count, which ends after so many seconds; return it."""
        now = time.time()
        if now >= self._forgets_at:
            self._forgets_at = now + _FORGETS_EVERY
            for old in list(self.expirations):
                self.get(old)  # which forgets what has ended
        with self.locks[key]:
            self.expirations.setdefault(key, now + expiry)
            self.storage[key] += amount
            return self.storage[key]


class TokenRates:
    """The limit of requests of each token, or user without one, in any sliding 60 s; 0: none."""

    def __init__(self, per_minute: int, counts: Counts | None = None) -> None:
        self._limit = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = SlidingWindowCounterRateLimiter(counts or Counts())

    def take(self, who: str) -> None:
        """Note a request of a token or user. Raise Overload where it had its requests of this minute."""
        if self._limit is None or self._limiter.hit(self._limit, who):
            return
        resets_at = self._limiter.get_window_stats(self._limit, who).reset_time
        after = min(60, max(1, round(resets_at - time.time())))
        raise asked_too_often(self._limit.amount, after)


def asked_too_often(most: int, after: int) -> Overload:
    """Return the refusal of a token that asked ``most`` times within a minute, and may again ``after`` seconds."""
    sentence = f"This token may ask {most} times a minute; try again in {after} s."
    return Overload(429, sentence, after=after)


class SlowCalls:
    """The calls that wait for PagerDuty: a few for each client, and never all ``threads``."""

    def __init__(self, threads: int) -> None:
        self._most = max(1, threads // 2)
        self._under_way: Counter[object] = Counter()
        self._lock = Lock()

    @contextmanager
    def one_of(self, whose: object) -> Iterator[None]:
        """Hold a place for a slow call of a client. Raise Overload where there is none."""
        with self._lock:
            own, all_of_them = self._under_way[whose], self._under_way.total()
            if own >= SLOW_AT_ONCE or all_of_them >= self._most:
                raise Overload(
                    429,
                    "Other tests or drills are under way; try again when they are done.",
                    after=5,
                )
            self._under_way[whose] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[whose] -= 1
                self._under_way += Counter()  # without those that have none

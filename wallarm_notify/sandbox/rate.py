"""The rate limit of a key: how many events are accepted within a sliding minute."""

from collections import defaultdict, deque
from datetime import datetime, timedelta

WINDOW = timedelta(seconds=60)


class RateWindow:
    """The times at which each key's events of the last minute were accepted."""

    def __init__(self) -> None:
        self._accepted: defaultdict[str, deque[datetime]] = defaultdict(deque)

    def admit(self, key: str, limit: int, now: datetime) -> bool:
        """Return whether fewer than `limit` events were accepted in the last minute, and if so count one more.

        A limit of 0 accepts everything. An event leaves the window exactly 60 s after it came.
        """
        times = self._accepted[key]
        while times and now - times[0] >= WINDOW:
            times.popleft()
        if limit and len(times) >= limit:
            return False
        times.append(now)
        return True

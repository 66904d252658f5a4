"""Recording: what the courier hands in is stored by the use cases, and the links that follow gather."""

from collections.abc import Iterable, Mapping, Sequence

from wallarm_notify.domain.outcome import Attempt
from wallarm_notify.domain.sending import Sending
from wallarm_notify.services.bulkheads import mark_slow
from wallarm_notify.services.claim import put_back
from wallarm_notify.services.context import Context
from wallarm_notify.services.next_links import NextLinks
from wallarm_notify.services.record import follow_up, record


class Recording:
    """The courier's desk in a process that has a database; may be used from several threads."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._next_links = NextLinks(ctx.publisher, ctx.clock)

    def record(
        self,
        attempts: Sequence[Attempt],
        slow: Iterable[int] = (),
        lanes: Mapping[int, str] | None = None,
    ) -> None:
        """Store attempts and what follows from them. Raises Unavailable; the same again is harmless."""
        recorded = record(self._ctx, attempts)
        self._next_links.add(recorded.next_links, recorded.now)
        follow_up(self._ctx, attempts, recorded, set(slow), lanes)

    def ring_gathered(self, *, at_once: bool = False) -> float | None:
        """Enqueue the next links that have gathered: see ``NextLinks.ring``."""
        return self._next_links.ring(at_once=at_once)

    def mark_slow(self, integration_ids: Iterable[int]) -> None:
        """Set integrations apart whose answer is outstanding for a second."""
        mark_slow(self._ctx, integration_ids)

    def put_back(self, sendings: Sequence[Sending], *, behind_lane: bool) -> None:
        """Give back claims whose requests were not begun."""
        put_back(self._ctx, sendings, behind_bulkhead=behind_lane)

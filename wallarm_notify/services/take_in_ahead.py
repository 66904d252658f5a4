"""Take in ahead: events kept apart for their time are routed once it has come near enough (spec 2)."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.errors import TooMuch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.domain.clock import Clock
    from wallarm_notify.domain.event import Event
    from wallarm_notify.services.route import Router
    from wallarm_notify.store import Store

log = logging.getLogger(__name__)

AT_ONCE: Final = 500
"""So many events are read and routed at once."""

AT_ONCE_BYTES: Final = 4_000_000
"""No more are read at once when they have so many bytes: a worker's memory holds them several times."""

WORKS_FOR: Final = 2.0
"""Seconds after which a run begins no more; the next one goes on."""


class TakeInAhead:
    """What SWEEP does for events kept apart. Two runs at once, or one that is killed, harm nothing.

    ``router`` ends what it routes among those kept apart, in the transaction that takes it in.
    """

    def __init__(self, store: Store, router: Router, *, clock: Clock = monotonic) -> None:
        self._store = store
        self._router = router
        self._clock = clock

    def run(self) -> int:
        """Routes what is due, a batch after the other; how many events. Raises Unavailable."""
        until = self._clock() + WORKS_FOR
        routed = 0
        while True:
            events = self._store.transact(lambda tx: tx.no_longer_ahead(AT_ONCE, AT_ONCE_BYTES))
            if not events:
                return routed
            went_well = self._take_in(events)
            routed += len(events)
            if not went_well or self._clock() >= until:
                return routed

    def _take_in(self, events: Sequence[Event]) -> bool:
        """Routes ``events``; whether none of them has to be tried again."""
        went_well = True
        try:
            self._router.ingest(events, ())
        except TooMuch:
            # One of them is too much for the database: it must not keep the others from coming in.
            for event in events:
                try:
                    self._router.ingest([event], ())
                except TooMuch as error:
                    log.error("ahead.not_taken_in", extra={"event": event.id, "error": str(error)})  # noqa: TRY400 - it says all
                    went_well = False
        return went_well

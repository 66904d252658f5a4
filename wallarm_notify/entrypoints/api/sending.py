"""Sending: events of calls to the broker, and what is done while it is away.

A broker that hangs takes 10 s of each call. So calls are sent away at once for a while after one could not be served,
and where half of the threads wait for it already: the other half serves what needs no broker.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import Final

from wallarm_notify.domain.event import Event
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.api.faults import AGAIN_SECONDS, Overload
from wallarm_notify.producer import MAX_BATCH, NotSent, Producer
from wallarm_notify.settings import Settings

log = logging.getLogger(__name__)

HANGS_AFTER: Final = 1.0
"""A call that has waited for the broker for so many seconds shows that it hangs."""

AWAY: Final = "The broker is away; try again in a moment."


class BrokerWaits:
    """The calls that wait for the broker: any number while it answers, half of the ``threads`` while it hangs."""

    def __init__(self, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = max(1, threads // 2)
        self._clock = clock
        self._began: list[float] = []
        self._away_until = 0.0
        self._lock = Lock()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Hold a place while a call waits for the broker. Raise Overload where there is none; see NotSent."""
        began = self._clock()
        with self._lock:
            hangs = bool(self._began) and began - self._began[0] > HANGS_AFTER
            if began < self._away_until or (hangs and len(self._began) >= self._most):
                raise Overload(503, AWAY, after=AGAIN_SECONDS)
            self._began.append(began)
        try:
            yield
        except NotSent:
            with self._lock:
                self._away_until = self._clock() + AGAIN_SECONDS
            raise
        finally:
            with self._lock:
                self._began.remove(began)


class EventSender:
    """What hands events to the broker for the calls of a process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waits = BrokerWaits(settings.api_threads)

    @cached_property
    def _producer(self) -> Producer:
        settings = self._settings
        return Producer(
            settings.broker(),
            batch_size=MAX_BATCH,
            queue_type=settings.events_queue_type,
            ca_file=settings.trusted(),
            redis=settings.redis_setup,
        )

    def send(self, events: Sequence[Event], sent_by: str, given_at: str) -> None:
        """Return once the broker has all ``events``. Raise Overload, which says which ones it has.

        ``given_at`` is the time that events without one were given.
        """
        try:
            with self._waits.one_more():
                self._producer.send(events, sent_by=sent_by)
        except NotSent as error:
            log.warning("api.events_not_sent", extra={"events": len(events), "error": str(error)})
            raise _not_taken(events, error, given_at) from None


def _not_taken(events: Sequence[Event], error: NotSent, given_at: str) -> Overload:
    what = f"The broker did not confirm {len(events) - len(error.sent)} of {counted(len(events), 'event')}"
    return Overload(
        503,
        f"{what}; send the same call again with its Idempotency-Key, or the events with these ids and times. What "
        "comes twice is taken in once.",
        after=AGAIN_SECONDS,
        more={
            "ids": [str(event.id) for event in events],
            "sent": [str(one) for one in error.sent],
            "occurred_at": given_at,
        },
    )

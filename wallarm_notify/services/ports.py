"""What the use cases ask of the world beside their own queries."""

import time
from collections.abc import Callable, Sequence
from time import clock_gettime
from typing import Final, Protocol, TypeVar

from wallarm_notify.domain.message import Message

T = TypeVar("T")
QueriesT_co = TypeVar("QueriesT_co", covariant=True)

Clock = Callable[[], float]
"""A process's own clock: seconds since some moment, which only ever grow."""


def since_boot() -> float:
    """A clock that also goes while the machine sleeps, where the system has one: how old things are.

    ``time.monotonic`` stands still then. Seconds; nobody sets it.
    """
    return clock_gettime(_SINCE_BOOT)


_SINCE_BOOT: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Store(Protocol[QueriesT_co]):
    """The database."""

    def transact(self, work: Callable[[QueriesT_co], T]) -> T:
        """Runs ``work`` in one transaction and commits it.

        A deadlock or serialization failure runs the whole of it again. Raises Unavailable or BadRow.
        """
        ...


class Doorbell(Protocol):
    """The broker, which only wakes somebody up: what is lost here, SWEEP finds."""

    def ring(self, messages: Sequence[Message]) -> None:
        """Enqueues ``messages``. Call it after the commit. A broker's refusal is logged, not raised."""
        ...

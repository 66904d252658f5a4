"""What a worker or beat does with the broker, and what may speak against the broker it is given."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from wallarm_notify import task_names

MAY_EVICT: Final = "broker.may_evict"
"""The log event of a Redis that evicts, where a setting accepts that."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What speaks against a broker and refuses no start: ``event`` is the log's name for it."""

    event: str
    reason: str


@dataclass(frozen=True, slots=True)
class Uses:
    """The queues a process takes from and sends to, and its node name.

    A ``node`` has a mailbox for remote control; None: it has none, as beat.
    """

    takes: tuple[str, ...] = ()
    sends: tuple[str, ...] = ()
    node: str | None = None


def uses_of_worker(queues: Iterable[str], node: str) -> Uses:
    """Return the uses of a worker, which enqueues deliveries whatever else it does."""
    sends = (task_names.NOTIFICATIONS_QUEUE, task_names.RETRIES_QUEUE)
    return Uses(tuple(sorted(queues)), sends, node)


BEAT: Final = Uses(sends=(task_names.UPKEEP_QUEUE,))

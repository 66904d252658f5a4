"""What a worker or beat does with the broker, and warnings about the broker that it is given."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from wallarm_notify import task_names

MAY_EVICT: Final = "broker.may_evict"
"""The log event of a Redis that evicts messages, where a setting accepts that."""


@dataclass(frozen=True, slots=True)
class BrokerWarning:
    """A weakness of a broker that does not prevent the start; ``event`` is its name in the log."""

    event: str
    reason: str


@dataclass(frozen=True, slots=True)
class Uses:
    """The queues that a process takes from and sends to, and its node name.

    A ``node`` has a mailbox for remote control; beat has neither, and None.
    """

    takes: tuple[str, ...] = ()
    sends: tuple[str, ...] = ()
    node: str | None = None


def uses_of_worker(queues: Iterable[str], node: str) -> Uses:
    """Return the uses of a worker, which enqueues deliveries whatever queues it takes from."""
    sends = (task_names.NOTIFICATIONS_QUEUE, task_names.RETRIES_QUEUE)
    return Uses(tuple(sorted(queues)), sends, node)


BEAT: Final = Uses(sends=(task_names.UPKEEP_QUEUE,))

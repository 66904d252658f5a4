"""What the use cases ask of the world beside their own queries."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from wallarm_notify.domain.batches import Message

T = TypeVar("T")
QueriesT_co = TypeVar("QueriesT_co", covariant=True)


class Doorbell(Protocol):
    """The broker, which only wakes somebody up: what is lost here, SWEEP finds."""

    def ring(self, messages: Sequence[Message]) -> None:
        """Enqueues ``messages``. Call it after the commit. A broker's refusal is logged, not raised."""
        ...

"""The interfaces that use cases need beside the database: the publisher and the dispatcher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wallarm_notify.domain.batches import Message
    from wallarm_notify.domain.sending import Claim
    from wallarm_notify.domain.set_aside import TriedCall


class Publisher(Protocol):
    """What enqueues messages at the broker; where one is lost, SWEEP finds what it named (engine 6)."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Enqueue ``messages``. Call it after the commit; a broker's refusal is logged, not raised."""
        ...

    def length(self, *, first: bool) -> int | None:
        """Return how many messages wait in the queue of first attempts, or of retries; None: unknown."""
        ...

    def enqueue(self, call: TriedCall) -> bool:
        """Enqueue a call that was set aside, as it came; return whether the broker took it.

        A worker begins it alone, in quarantine.
        """
        ...


class Dispatcher(Protocol):
    """What makes this process's requests to PagerDuty."""

    def room(self, client_ids: Iterable[int]) -> Mapping[int, int]:
        """Return how many more of each client may be claimed now, so that all begin in time."""
        ...

    def dispatch(self, claim: Claim) -> None:
        """Take over a claim: send what it holds, and have the outcomes recorded."""
        ...

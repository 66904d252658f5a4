"""The interfaces that use cases need beside the database: the publisher, the dispatcher and the reporter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wallarm_notify.domain.batches import Message
    from wallarm_notify.domain.delivery_report import Report
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

    def lengths(self) -> Mapping[str, int]:
        """Return how many messages wait in each queue; where the broker does not say it, without that queue."""
        ...

    def enqueue(self, call: TriedCall) -> bool:
        """Enqueue a call that was set aside, as it came; return whether the broker took it.

        A worker begins it alone, in quarantine.
        """
        ...

    def request_replays(self) -> None:
        """Have a worker work on replay jobs and computations. A broker's refusal is logged: SWEEP asks again."""
        ...


class Dispatcher(Protocol):
    """What makes this process's requests to PagerDuty."""

    def room(self, client_ids: Iterable[int]) -> Mapping[int, int]:
        """Return how many more of each client may be claimed now, so that all begin in time."""
        ...

    def dispatch(self, claim: Claim) -> None:
        """Take over a claim: send what it holds, and have the outcomes recorded."""
        ...


class Reporter(Protocol):
    """What tells people who watch tasks what came of them."""

    def report(self, report: Report) -> None:
        """Take over a report and return at once; one that cannot be told is dropped."""
        ...

    def drain(self, seconds: float) -> None:
        """Tell what waits, within ``seconds``: the process ends."""
        ...

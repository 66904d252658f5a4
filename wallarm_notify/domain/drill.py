"""Drills: proof that an integration's key and way work, which pages nobody (spec 1)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.outcome import Answer

PERIODS_UNTIL_OVERDUE: Final = 2
"""A proof is overdue when it is older than so many periods of the schedule."""

WITHIN: Final = timedelta(seconds=5)
"""A drill of the schedule takes no longer; it must not keep a worker's process from other work."""

RUN_EVERY: Final = timedelta(minutes=1)
"""So often the schedule looks for drills that are due."""

SOONEST: Final = timedelta(minutes=10)
"""A drill that settled nothing is done again after so long at the earliest."""

SOONER: Final = 4
"""It is done again after this part of the interval: three times more before the proof is overdue."""

_BAD_REQUEST: Final = 400


@dataclass(frozen=True, slots=True)
class Drilled:
    """A drill that was done: its integration, and PagerDuty's answer.

    ``other_region`` is the region that the key works in instead, where it was tried and does; None: no such.
    """

    integration_id: int
    region: str
    answer: Answer
    other_region: str | None = None

    @property
    def passed(self) -> bool:
        """Whether PagerDuty took it: the key and the way are proven."""
        return self.answer.reason is None

    @property
    def settled(self) -> bool:
        """Whether the answer is about the key: it is taken, or unknown. All else says nothing of it."""
        return self.passed or is_unknown_key(self.answer)


@dataclass(frozen=True, slots=True)
class LastDrill:
    """The last drill of an integration that has an answer: its status, or why it failed (``error``)."""

    at: datetime
    status_code: int | None
    error: str | None

    @property
    def passed(self) -> bool:
        """Whether PagerDuty took it."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Unproven:
    """An enabled integration that was drilled, and whose proof is too old; ``proven_at`` None: it has none."""

    id: int
    client_id: int
    proven_at: datetime | None
    error: str | None
    status_code: int | None


def next_after(interval: timedelta, *, settled: bool) -> timedelta:
    """Return how long after the beginning of a drill the next one is due, on a schedule of ``interval``.

    One that is not ``settled`` met an outage, a limit or a broken way, or its process died: the key may be fine, and
    has to be proven before its proof is overdue.
    """
    return interval if settled else min(interval, max(SOONEST, interval / SOONER))


def is_unknown_key(answer: Answer) -> bool:
    """Return whether PagerDuty answered that it does not know the key: its words are ``Invalid routing key``."""
    return is_unknown_key_text(answer.status, answer.response)


def is_unknown_key_text(status: int | None, response: str) -> bool:
    """Return whether an answer of this status and text says that PagerDuty does not know the key."""
    return status == _BAD_REQUEST and "invalid routing key" in response.lower()

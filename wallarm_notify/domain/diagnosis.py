"""Diagnosis: what of an installation is well, odd or bad, and what to do about it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from wallarm_notify.domain.feed import QuietFeeds
from wallarm_notify.domain.health import FailureClass
from wallarm_notify.domain.words import counted

LATELY: Final = timedelta(hours=1)
"""The time within which rejected events and failing integrations are news."""


class Grade(StrEnum):
    """How it stands with a part: alerts are lost or late, something is odd, or all is well."""

    BAD = "bad"
    ODD = "odd"
    GOOD = "good"


_ORDER: Final = tuple(Grade)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part: a sentence, and what to do unless it is good.

    ``integration_id``: the integration that it is about, or the first of them.
    """

    part: str
    grade: Grade
    sentence: str
    todo: str | None = None
    integration_id: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where nothing is said to do about what is not good."""
        if (self.grade is Grade.GOOD) is not (self.todo is None):
            raise ValueError(
                f"What is {self.grade} of {self.part} says what to do unless it is good."
            )


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, the worst first."""

    findings: Sequence[Finding]

    @property
    def bad(self) -> int:
        """How many findings are bad."""
        return sum(one.grade is Grade.BAD for one in self.findings)

    @property
    def odd(self) -> int:
        """How many findings are odd."""
        return sum(one.grade is Grade.ODD for one in self.findings)

    @property
    def is_bad(self) -> bool:
        """Whether something is bad."""
        return self.bad > 0

    @property
    def headline(self) -> str:
        """How much of it needs somebody, in a few words."""
        if self.is_bad:
            return "One thing is bad" if self.bad == 1 else f"{self.bad} things are bad"
        return "Paging works"

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        bad, odd = self.bad, self.odd
        also = f", and {odd} odd" if odd else ""
        if bad == 1:
            return f"One thing is bad{also}: {self.findings[0].sentence}"
        if bad:
            return f"{bad} things are bad{also}, the first: {self.findings[0].sentence}"
        if odd:
            return f"Paging works; {counted(odd, 'thing')} {'is' if odd == 1 else 'are'} odd."
        return "Paging works."


def diagnosis_of(findings: Iterable[Finding]) -> Diagnosis:
    """Return a diagnosis with the worst findings first, in the order in which they were looked for."""
    return Diagnosis(sorted(findings, key=lambda one: _ORDER.index(one.grade)))


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL as a process meets it.

    ``pooled``: something stands between that hands out the server's connections. ``connections`` of ``most`` are in
    use. ``clock`` is its time.
    """

    version: str
    encoding: str
    pooled: bool
    connections: int
    most: int
    size: int
    clock: datetime


@dataclass(frozen=True, slots=True)
class FailingIntegration:
    """An enabled integration whose attempts of the last hour failed more often than not, and mostly why."""

    id: int
    client_id: int
    attempts: int
    failed: int
    mostly: FailureClass


@dataclass(frozen=True, slots=True)
class RateLimitedIntegration:
    """An enabled integration with ``alerts`` that wait for the rate limit of its key, the last for ``wait``.

    They were not tried yet. At most 1,000 are counted.
    """

    id: int
    client_id: int
    alerts: int
    wait: timedelta


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the database has of trouble that is not the installation's own.

    ``outages`` are the regions of PagerDuty that are down. ``off`` are the integrations that were disabled
    automatically, ``rejected`` how many events were rejected lately by the type and the reason, ``undecodable`` how
    many messages came lately that are no JSON or no task, ``set_aside`` how many calls workers died of. ``quiet`` are
    the feeds that stay away beyond their habit.
    """

    outages: Sequence[str] = ()
    off: Sequence[int] = ()
    failing: Sequence[FailingIntegration] = ()
    slow: Sequence[int] = ()
    rate_limited: Sequence[RateLimitedIntegration] = ()
    rejected: Mapping[tuple[str, str], int] = field(default_factory=dict)
    undecodable: int = 0
    set_aside: int = 0
    quiet: QuietFeeds = field(default_factory=QuietFeeds)

"""Health: from an integration's attempts of the last hours to whether it is switched off (spec 6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from wallarm_notify.domain.outcome import Attempt, FailureReason
from wallarm_notify.domain.retry import ATTEMPTS, SCHEDULE

MINUTE: Final = timedelta(minutes=1)

LONGEST_WINDOW: Final = timedelta(days=7)
LARGEST_MINIMUM: Final = 1_000_000

WARNINGS: Final = (30, 45, 55)
"""Per cent of failed attempts at which a warning is given, long before the limit."""


class FailureClass(StrEnum):
    """What kind of failure it was: as many kinds as the rules and people tell apart."""

    NETWORK = "network"
    SERVER = "server"
    THROTTLED = "throttled"
    CLIENT = "client"
    OTHER = "other"


EXCUSABLE: Final = (FailureClass.NETWORK, FailureClass.SERVER, FailureClass.THROTTLED)
"""The failures that an outage of PagerDuty explains: 5xx, 429 and network errors (spec 6)."""

_ANSWERED: Final = {
    FailureReason.SERVER: FailureClass.SERVER,
    FailureReason.THROTTLED: FailureClass.THROTTLED,
    FailureReason.CLIENT: FailureClass.CLIENT,
    FailureReason.REDIRECT: FailureClass.OTHER,
    FailureReason.STATUS: FailureClass.OTHER,
}


def class_of(reason: FailureReason) -> FailureClass:
    """The class of a failure; what was not answered is a network error."""
    return _ANSWERED.get(reason, FailureClass.NETWORK)


@dataclass(frozen=True, slots=True)
class Policy:
    """When an integration is switched off (spec 6).

    ``ratio`` is in per cent and is reached by *at least* so many. ``window`` is in whole minutes.
    ``min_attempts`` 0 and ``min_span`` 0 turn their guards off; the guard of the span also asks
    that the last attempt failed.
    """

    ratio: Decimal = Decimal(60)
    window: timedelta = timedelta(hours=12)
    min_attempts: int = ATTEMPTS
    min_span: timedelta = SCHEDULE
    outage_guard: bool = True

    def window_from(self, now: datetime) -> datetime:
        """Where the window begins: so many whole minutes before the current one."""
        return minute_of(now) - self.window

    @property
    def warnings(self) -> tuple[int, ...]:
        """The warnings that lie below the limit."""
        return tuple(level for level in WARNINGS if level < self.ratio)

    @property
    def least_failures(self) -> int:
        """With fewer failed attempts nothing is reached, neither the limit nor a warning."""
        lowest = min([self.ratio, *map(Decimal, self.warnings)])
        needed = lowest * self.min_attempts / 100
        return max(int(needed.to_integral_value(rounding="ROUND_CEILING")), 1)


@dataclass(frozen=True, slots=True)
class Counts:
    """Attempts of one integration, counted: a minute's, or the sum of many.

    ``excusable_*`` are the times of the failures that an outage explains, ``own_*`` of all others:
    when the first and the last of them began. All None where there were none.
    """

    attempts: int = 0
    network: int = 0
    server: int = 0
    throttled: int = 0
    client: int = 0
    other: int = 0
    excusable_first_at: datetime | None = None
    excusable_last_at: datetime | None = None
    own_first_at: datetime | None = None
    own_last_at: datetime | None = None
    succeeded_last_at: datetime | None = None

    @property
    def excusable(self) -> int:
        """Failed attempts that an outage of PagerDuty explains."""
        return self.network + self.server + self.throttled

    @property
    def failed(self) -> int:
        """All failed attempts."""
        return self.excusable + self.client + self.other

    @property
    def first_failed_at(self) -> datetime | None:
        """When the first failed attempt began."""
        return _first(self.excusable_first_at, self.own_first_at)

    @property
    def last_failed_at(self) -> datetime | None:
        """When the last failed attempt began."""
        return _last(self.excusable_last_at, self.own_last_at)

    @property
    def span(self) -> timedelta:
        """How far the first and the last failed attempt lie apart."""
        if self.first_failed_at is None or self.last_failed_at is None:
            return timedelta()
        return self.last_failed_at - self.first_failed_at

    @property
    def last_attempt_failed(self) -> bool:
        """Whether the attempt that began last failed."""
        if self.last_failed_at is None:
            return False
        return self.succeeded_last_at is None or self.last_failed_at > self.succeeded_last_at

    @property
    def without_excusable(self) -> "Counts":
        """What is left when the failures that an outage explains are taken out of both sides."""
        return Counts(
            attempts=self.attempts - self.excusable,
            client=self.client,
            other=self.other,
            own_first_at=self.own_first_at,
            own_last_at=self.own_last_at,
            succeeded_last_at=self.succeeded_last_at,
        )

    def reaches(self, per_cent: Decimal | int) -> bool:
        """Whether at least so many per cent failed, exactly."""
        return self.attempts > 0 and 100 * self.failed >= per_cent * self.attempts

    def __add__(self, more: "Counts") -> "Counts":
        return Counts(
            self.attempts + more.attempts,
            self.network + more.network,
            self.server + more.server,
            self.throttled + more.throttled,
            self.client + more.client,
            self.other + more.other,
            _first(self.excusable_first_at, more.excusable_first_at),
            _last(self.excusable_last_at, more.excusable_last_at),
            _first(self.own_first_at, more.own_first_at),
            _last(self.own_last_at, more.own_last_at),
            _last(self.succeeded_last_at, more.succeeded_last_at),
        )


NUMBERS: Final = ("attempts", "network", "server", "throttled", "client", "other")
TIMES: Final = (
    "excusable_first_at",
    "excusable_last_at",
    "own_first_at",
    "own_last_at",
    "succeeded_last_at",
)
COUNTED: Final = (*NUMBERS, *TIMES)
"""The names of what Counts holds, in their order."""


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """Whose attempts, and of which minute. ``generation`` is a clean window's number (spec 6)."""

    integration_id: int
    generation: int
    minute: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """An integration's attempts of the window, in two parts, and whether its region is down now.

    ``in_outage`` are those of minutes that belonged to an outage there.
    """

    normal: Counts = Counts()
    in_outage: Counts = Counts()
    outage: bool = False

    @property
    def all(self) -> Counts:
        """Every attempt of the window."""
        return self.normal + self.in_outage

    def counted(self, policy: Policy) -> Counts:
        """The attempts that the rule goes by: an outage's failures are nobody's (spec 6)."""
        if not policy.outage_guard:
            return self.all
        if self.outage:
            return self.all.without_excusable
        return self.normal + self.in_outage.without_excusable


class Guard(StrEnum):
    """What keeps the rule from cutting retries short."""

    ATTEMPTS = "attempts"
    SPAN = "span"
    LAST_ATTEMPT = "last_attempt"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rule says of one window.

    ``counts`` are the attempts that it went by, ``left_out`` how many an outage excused.
    ``guards`` are those that stand in the way; ``reached``: the ratio is over the limit.
    ``level`` is the highest warning that the ratio reached, 0 for none.
    """

    counts: Counts
    left_out: int
    reached: bool
    guards: tuple[Guard, ...]
    level: int

    @property
    def disables(self) -> bool:
        """Whether the integration is to be disabled."""
        return self.reached and not self.guards

    def warned(self, before: int) -> int:
        """The warning that stands after this judgement, where ``before`` stood.

        It rises only when the guards are met, and falls with the ratio: so a warning is given once
        for each crossing.
        """
        return min(before, self.level) if self.guards else self.level


def evaluate(window: Window, policy: Policy) -> Decision:
    """The rule of the failure ratio with its guards (spec 6)."""
    counts = window.counted(policy)
    guards = []
    if counts.attempts < policy.min_attempts:
        guards.append(Guard.ATTEMPTS)
    if policy.min_span:
        if counts.span < policy.min_span:
            guards.append(Guard.SPAN)
        if not counts.last_attempt_failed:
            guards.append(Guard.LAST_ATTEMPT)
    return Decision(
        counts=counts,
        left_out=window.all.attempts - counts.attempts,
        reached=counts.reaches(policy.ratio),
        guards=tuple(guards),
        level=max((level for level in policy.warnings if counts.reaches(level)), default=0),
    )


def ratio_of(decision: Decision) -> float | None:
    """Return the failure ratio from 0 to 1, as events and documents have it; None: no attempts.

    It is rounded down, so that what is under the limit never looks as if it were not.
    """
    counts = decision.counts
    return 10_000 * counts.failed // counts.attempts / 10_000 if counts.attempts else None


def failures_to_limit(counts: Counts, policy: Policy) -> int | None:
    """How many more attempts in a row must fail until the ratio is reached.

    0: it is reached. None: never, as all must fail and one succeeded.
    """
    if counts.reaches(policy.ratio):
        return 0
    if counts.attempts == 0:
        return 1
    spare = 100 - policy.ratio
    if spare == 0:
        return None
    missing = policy.ratio * counts.attempts - 100 * counts.failed
    return int((missing / spare).to_integral_value(rounding="ROUND_CEILING"))


def minute_of(moment: datetime) -> datetime:
    """The minute that ``moment`` lies in, by its beginning in UTC: a window has no summer time."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def counts_of_attempt(at: datetime, reason: FailureReason | None) -> Counts:
    """One attempt, counted; ``reason`` None: it succeeded."""
    if reason is None:
        return Counts(attempts=1, succeeded_last_at=at)
    kind = class_of(reason)
    kinds: dict[str, Any] = {kind: 1}
    number = replace(Counts(attempts=1), **kinds)
    if kind in EXCUSABLE:
        return replace(number, excusable_first_at=at, excusable_last_at=at)
    return replace(number, own_first_at=at, own_last_at=at)


def by_minute(attempts: Iterable[Attempt]) -> Mapping[Cell, Counts]:
    """What recorded attempts add to the counters; those outside of the ratio are left out."""
    cells: dict[Cell, Counts] = {}
    for a in attempts:
        if a.generation is not None:
            cell = Cell(a.integration_id, a.generation, minute_of(a.at))
            cells[cell] = cells.get(cell, Counts()) + counts_of_attempt(a.at, a.answer.reason)
    return cells


def _first(a: datetime | None, b: datetime | None) -> datetime | None:
    return min(a, b) if a and b else a or b


def _last(a: datetime | None, b: datetime | None) -> datetime | None:
    return max(a, b) if a and b else a or b

"""Health: a circuit breaker, which decides from the last hours' attempts whether to disable (spec 6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.outcome import Attempt, FailureReason
from wallarm_notify.domain.retry import ATTEMPTS, SCHEDULE
from wallarm_notify.domain.words import duration_of

MINUTE: Final = timedelta(minutes=1)

LONGEST_WINDOW: Final = timedelta(days=7)
LARGEST_MINIMUM: Final = 1_000_000

WARNINGS: Final = (30, 45, 55)
"""Per cent of failed attempts at which a warning is given, long before the limit."""


class FailureClass(StrEnum):
    """The kinds of failure that the rules and people distinguish."""

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
    """Return the class of a failure; a request without an answer is a network error."""
    return _ANSWERED.get(reason, FailureClass.NETWORK)


@dataclass(frozen=True, slots=True)
class Policy:
    """When an integration is disabled (spec 6).

    ``ratio`` is in per cent, and a ratio equal to it has reached it. ``window`` is in whole minutes. 0 as
    ``min_attempts`` or ``min_span`` turns that guard off; the guard of the span also requires that the last
    attempt failed.
    """

    ratio: Decimal = Decimal(60)
    window: timedelta = timedelta(hours=12)
    min_attempts: int = ATTEMPTS
    min_span: timedelta = SCHEDULE
    outage_guard: bool = True

    def window_from(self, now: datetime) -> datetime:
        """Return when the window begins: that many whole minutes before the current one."""
        return minute_of(now) - self.window

    @property
    def warnings(self) -> tuple[int, ...]:
        """The warnings that lie below the limit."""
        return tuple(level for level in WARNINGS if level < self.ratio)

    @property
    def least_failures(self) -> int:
        """The number of failed attempts below which neither the limit nor a warning is reached."""
        lowest = min([self.ratio, *map(Decimal, self.warnings)])
        needed = lowest * self.min_attempts / 100
        return max(int(needed.to_integral_value(rounding="ROUND_CEILING")), 1)


def check_span(policy: Policy, field: str) -> None:
    """Raise Refused, which names ``field``, where the failures can never be as far apart as a policy asks for."""
    if policy.min_span > policy.window:
        raise Refused(
            f"{duration_of(policy.min_span.total_seconds())} do not fit into a window of "
            f"{duration_of(policy.window.total_seconds())}; nobody would ever be disabled. Give a "
            "shorter one; 0 turns the guard off.",
            field=field,
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """Counted attempts of one integration: of a minute, or the sum of many.

    ``excusable_*`` are the times of failures that an outage explains, ``own_*`` those of all others: when
    the first and the last of them began. They are None without failures.
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
        """The number of failed attempts that an outage of PagerDuty explains."""
        return self.network + self.server + self.throttled

    @property
    def failed(self) -> int:
        """The number of failed attempts."""
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
        """The time between the first and the last failed attempt."""
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
        """The counts without the failures that an outage explains, which are neither attempts nor failures then."""
        return Counts(
            attempts=self.attempts - self.excusable,
            client=self.client,
            other=self.other,
            own_first_at=self.own_first_at,
            own_last_at=self.own_last_at,
            succeeded_last_at=self.succeeded_last_at,
        )

    def reaches(self, per_cent: Decimal | int) -> bool:
        """Return whether at least that many per cent failed, without rounding."""
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
"""The names of the fields of Counts, in their order."""


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """The counter of one integration in one minute. ``generation`` numbers its clean window (spec 6)."""

    integration_id: int
    generation: int
    minute: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """An integration's attempts of the window, in two parts, and whether its region has an outage now.

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
        """Return the attempts that count under ``policy``: failures of an outage do not (spec 6)."""
        if not policy.outage_guard:
            return self.all
        if self.outage:
            return self.all.without_excusable
        return self.normal + self.in_outage.without_excusable


class Guard(StrEnum):
    """The guards, which keep the rule from cutting retries short."""

    ATTEMPTS = "attempts"
    SPAN = "span"
    LAST_ATTEMPT = "last_attempt"


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of the rule on one window.

    ``counts`` are the attempts that count, ``left_out`` the number excused by an outage. ``guards`` are
    those that prevent a disabling; ``reached``: the ratio has reached the limit. ``level`` is the highest
    warning that the ratio reached, 0 for none.
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
        """Return the warning that stands after this decision; ``before`` is the one before it.

        It rises only if no guard prevents it, and falls with the ratio: so a warning is given once for each
        crossing.
        """
        return min(before, self.level) if self.guards else self.level


def evaluate(window: Window, policy: Policy) -> Decision:
    """Return the decision of the failure ratio and its guards on ``window`` (spec 6)."""
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
    """Return the failure ratio from 0 to 1, as events and documents have it; None without attempts.

    It is rounded down, so that a ratio below the limit is never shown as the limit.
    """
    counts = decision.counts
    return 10_000 * counts.failed // counts.attempts / 10_000 if counts.attempts else None


def failures_to_limit(counts: Counts, policy: Policy) -> int | None:
    """Return how many more attempts in a row must fail until the ratio is reached; 0 if it is.

    None: never, because all attempts must fail and one succeeded.
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
    """Return the beginning of the minute of ``moment`` in UTC: a window has no summer time."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def counts_of_attempt(at: datetime, reason: FailureReason | None) -> Counts:
    """Return the counts of one attempt; a ``reason`` of None means success."""
    if reason is None:
        return Counts(attempts=1, succeeded_last_at=at)
    kind = class_of(reason)
    kinds: dict[str, Any] = {kind: 1}
    number = replace(Counts(attempts=1), **kinds)
    if kind in EXCUSABLE:
        return replace(number, excusable_first_at=at, excusable_last_at=at)
    return replace(number, own_first_at=at, own_last_at=at)


def by_minute(attempts: Iterable[Attempt]) -> Mapping[Cell, Counts]:
    """Return what recorded attempts add to each counter; attempts that do not count in the ratio are left out."""
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

"""Outages: whether a region of PagerDuty fails, rather than single integrations (spec 6)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.integration import REGIONS

OUTAGE_WINDOW: Final = timedelta(hours=1)
OUTAGE_SHARE: Final = 60
"""Per cent of an integration's attempts of the last hour: with so many excusable failures it is in outage (spec 6)."""
OUTAGE_LEAST: Final = 10
"""The least number of integrations with attempts in the hour that shows an outage, not a coincidence (spec 6)."""
SMALL_OUTAGE_LEAST: Final = 3
"""The least number of integrations, all with different keys and all in outage, that shows a small outage (spec 6)."""
SMALL_OUTAGE_LONGEST: Final = timedelta(hours=2)
"""The longest time for which a small outage excuses failures (spec 6)."""
TAKEN_AND_QUIET: Final = timedelta(minutes=5)
"""The time after which a small outage is over, if the last requests succeeded and none followed for an hour."""


@dataclass(frozen=True, slots=True)
class Hour:
    """One integration's last hour: region, key, number of attempts, and of those that an outage would explain.

    ``taken``: the last attempt succeeded.
    """

    region: str
    key: bytes
    attempts: int
    excusable: int
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Outage:
    """The last hour of one region (spec 6).

    ``attempted`` integrations of ``keys`` different keys sent, ``affected`` of them are in outage; the last
    attempt of ``taken`` succeeded.
    """

    attempted: int = 0
    affected: int = 0
    keys: int = 0
    taken: int = 0

    @property
    def is_wide(self) -> bool:
        """Whether PagerDuty fails, rather than single integrations."""
        return self.attempted >= OUTAGE_LEAST and 2 * self.affected >= self.attempted

    @property
    def looks_small(self) -> bool:
        """Whether PagerDuty may fail, as far as so few integrations show."""
        enough = min(self.attempted, self.keys) >= SMALL_OUTAGE_LEAST
        return enough and self.attempted < OUTAGE_LEAST and self.affected == self.attempted

    @property
    def somebody_is_well(self) -> bool:
        """Whether any integration is not in outage."""
        return self.affected < self.attempted

    def is_on(self, small: "SmallOutage | None", now: datetime) -> bool:
        """Return whether excusable failures are left out; ``small`` is the small outage that this review knows of."""
        if self.is_wide:
            return True
        if small is None or not self.looks_small:
            return False
        return now - small.began_at <= SMALL_OUTAGE_LONGEST


@dataclass(frozen=True, slots=True)
class SmallOutage:
    """A region's small outage: when it began, and when a review last saw it.

    It goes on until any integration there is not in outage; rare requests do not begin two new hours. After
    PagerDuty accepts requests again, the hour may still look like an outage: ``seen_at`` is then set so far
    back that only further failures continue this outage, see ``TAKEN_AND_QUIET``.
    """

    began_at: datetime
    seen_at: datetime


def small_outage(
    before: SmallOutage | None, hour: Outage, now: datetime, window: timedelta
) -> SmallOutage | None:
    """Return a region's small outage after ``hour``, or None; ``before`` is the one known until then.

    One that no review saw within a whole failure ``window`` is another one.
    """
    if hour.somebody_is_well:
        return None
    if not hour.looks_small:
        return before
    seen_at = min(now, now - window + TAKEN_AND_QUIET) if hour.taken else now
    if before is None or before.seen_at < now - window:
        return SmallOutage(now, seen_at)
    return replace(before, seen_at=seen_at)


def is_in_outage(attempts: int, excusable: int) -> bool:
    """Return whether an integration with so many attempts in the last hour is in outage."""
    return attempts > 0 and 100 * excusable >= OUTAGE_SHARE * attempts


def outages_of(hours: Iterable[Hour]) -> dict[str, Outage]:
    """Return the last hour of each region, from the hours of the integrations."""
    attempted: dict[str, list[Hour]] = {region: [] for region in REGIONS}
    for hour in hours:
        if hour.attempts > 0:
            attempted.setdefault(hour.region, []).append(hour)
    return {
        region: Outage(
            attempted=len(those),
            affected=sum(is_in_outage(h.attempts, h.excusable) for h in those),
            keys=len({h.key for h in those}),
            taken=sum(h.taken for h in those),
        )
        for region, those in attempted.items()
    }


@dataclass(frozen=True, slots=True)
class Place:
    """Where an integration sends to: PagerDuty's region, and its key."""

    region: str
    key: bytes

"""Outages: whether it is a region of PagerDuty that fails, and not our customers (spec 6)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.integration import REGIONS

OUTAGE_WINDOW: Final = timedelta(hours=1)
OUTAGE_SHARE: Final = 60
"""Per cent of an integration's attempts of the last hour: so many, and it is in outage (spec 6)."""
OUTAGE_LEAST: Final = 10
"""So many integrations of a region attempted in the hour tell an outage from bad luck (spec 6)."""
SMALL_OUTAGE_LEAST: Final = 3
"""So many, of as many keys, can tell one where all of them are in outage (spec 6)."""
SMALL_OUTAGE_LONGEST: Final = timedelta(hours=2)
"""For so long at the most so few are believed (spec 6)."""
TAKEN_AND_QUIET: Final = timedelta(minutes=5)
"""Where PagerDuty took what came last, and then nobody has sent anything for the hour and so long: it was over."""


@dataclass(frozen=True, slots=True)
class Hour:
    """One integration's last hour: its region and key, its attempts, those that an outage would explain.

    ``taken``: the last of them succeeded.
    """

    region: str
    key: bytes
    attempts: int
    excusable: int
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Outage:
    """How the last hour went in one region (spec 6).

    ``attempted`` integrations of ``keys`` different keys, ``affected`` of them in outage; the last attempt of
    ``taken`` succeeded.
    """

    attempted: int = 0
    affected: int = 0
    keys: int = 0
    taken: int = 0

    @property
    def is_wide(self) -> bool:
        """Whether it is PagerDuty that fails, not its customers."""
        return self.attempted >= OUTAGE_LEAST and 2 * self.affected >= self.attempted

    @property
    def looks_small(self) -> bool:
        """Whether it may be PagerDuty, as far as so few can tell."""
        enough = min(self.attempted, self.keys) >= SMALL_OUTAGE_LEAST
        return enough and self.attempted < OUTAGE_LEAST and self.affected == self.attempted

    @property
    def somebody_is_well(self) -> bool:
        """Whether PagerDuty takes what anybody sends."""
        return self.affected < self.attempted

    def is_on(self, small: "SmallOutage | None", now: datetime) -> bool:
        """Whether what an outage explains is left out; ``small`` is what this review knows of a small one."""
        if self.is_wide:
            return True
        if small is None or not self.looks_small:
            return False
        return now - small.began_at <= SMALL_OUTAGE_LONGEST


@dataclass(frozen=True, slots=True)
class SmallOutage:
    """Since when a region looks like a small outage, and when a review found so last.

    It is the same one until anybody there is well: who sends now and then begins no two hours anew. Where
    PagerDuty takes again what it is sent the hour may still look like it: ``seen_at`` is then put so far back
    that nothing but more of the same is the same one, see ``TAKEN_AND_QUIET``.
    """

    began_at: datetime
    seen_at: datetime


def small_outage(
    before: SmallOutage | None, hour: Outage, now: datetime, window: timedelta
) -> SmallOutage | None:
    """What is known of a region's small outage after ``hour``, where ``before`` was known.

    One that nobody saw within a whole failure ``window`` is another one.
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
    """Whether an integration with so many attempts in the last hour is in outage."""
    return attempts > 0 and 100 * excusable >= OUTAGE_SHARE * attempts


def outages_of(hours: Iterable[Hour]) -> dict[str, Outage]:
    """How the last hour went in each region, from each integration's."""
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
    """Where an integration sends to: PagerDuty's region, by which key."""

    region: str
    key: bytes

"""Overview: what needs somebody, and what became of notifications in the last 24 hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.diagnosis import Finding, Grade
from wallarm_notify.domain.integration_card import Card, IntegrationCounts
from wallarm_notify.domain.story import Row
from wallarm_notify.domain.views import EndedInHour, ShownNotification

LOOKED_BACK: Final = timedelta(hours=24)
"""So far back goes what an overview counts."""

PATIENCE: Final = timedelta(minutes=1)
"""What is being retried for longer needs somebody: the first cycle of attempts is nearly over."""

PROVES_FOR: Final = timedelta(days=30)
"""So long a drill proves an integration where no schedule repeats it."""

NEW_FOR: Final = timedelta(days=1)
"""So long a new integration need not be proven: who made it is still at it."""

COUNTED_UP_TO: Final = 1000
"""So many notifications of one integration, and rejected events, are counted."""

SHOWN: Final = 5
"""So many things of one kind are shown."""

MOST: Final = 100
"""So many things of one kind are looked for."""


@dataclass(frozen=True, slots=True)
class Troubled:
    """An enabled integration whose alerts are not through, were not accepted, or fail too often.

    ``warned`` is the warning about its failure ratio that stands, in per cent; 0: none. Of what is ``retrying``,
    ``waiting`` for its first attempt for too long, or ``failed`` after all attempts each has a time: since when, or
    the last; ``retrying_id`` is the oldest that is being retried.
    """

    id: int
    client_id: int
    name: str
    warned: int
    retrying: int
    retrying_since: datetime | None
    retrying_id: int | None
    waiting: int
    waiting_since: datetime | None
    failed: int
    failed_last_at: datetime | None

    def needs_somebody(self, now: datetime) -> bool:
        """Return whether it is more than an attempt that failed just now."""
        since = self.retrying_since
        is_stuck = since is not None and now - since >= PATIENCE
        return bool(is_stuck or self.waiting or self.failed or self.warned)


@dataclass(frozen=True, slots=True)
class Unproven:
    """An enabled integration that no drill and no accepted alert has proven lately.

    ``proven_at`` is the last drill that passed; None: there is none by its key.
    """

    id: int
    client_id: int
    name: str
    created_at: datetime
    proven_at: datetime | None


@dataclass(frozen=True, slots=True)
class RejectedLately:
    """How many events were rejected in the last 24 hours and not resubmitted, and when the last one was."""

    number: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """Which of the first steps are done: ``integration_id`` is the first integration that is on, if there is one.

    ``is_proven``: a drill passed, or PagerDuty accepted an alert in the days that are kept. ``is_used``: there is a
    trigger, or a notification was made.
    """

    integration_id: int | None = None
    is_proven: bool = False
    is_used: bool = False


@dataclass(frozen=True, slots=True)
class Overview:
    """What somebody is shown first, as far as the role may see it.

    ``switched_off`` are at most a few of those that their failures disabled; ``untold`` are clients that no enabled
    integration is there for. ``findings`` are of what delivers alerts and is not well: they are the operators' alone.
    ``hours`` are of the last 24.
    ``retrying`` is how many notifications are being retried now, and ``oldest`` the oldest of an integration, by
    its id.
    """

    counts: IntegrationCounts
    troubled: Sequence[Troubled]
    unproven: Sequence[Unproven]
    untold: Sequence[int]
    rejected: RejectedLately
    findings: Sequence[Finding]
    hours: Sequence[EndedInHour]
    retrying: int
    steps: FirstSteps
    switched_off: Sequence[Card] = ()
    last: Sequence[Row] = ()
    oldest: Mapping[int, ShownNotification] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """How many things need somebody."""
        off = max(len(self.switched_off), self.counts.automatically if self.switched_off else 0)
        others = (self.troubled, self.unproven, self.untold, self.findings)
        return off + sum(map(len, others)) + bool(self.rejected.number)

    @property
    def is_bad(self) -> bool:
        """Whether alerts are lost or late: somebody is not told what happened."""
        return bool(
            self.switched_off
            or self.untold
            or any(one.failed for one in self.troubled)
            or any(one.grade is Grade.BAD for one in self.findings)
        )

    @property
    def working(self) -> int:
        """How many enabled integrations need nobody."""
        return self.counts.enabled - len(
            {one.id for one in self.troubled} | {one.id for one in self.unproven}
        )

    @property
    def off_by_people(self) -> int:
        """How many integrations somebody disabled."""
        return self.counts.disabled - self.counts.automatically

    @property
    def is_first_run(self) -> bool:
        """Whether nothing is set up yet."""
        return not (self.counts.all and self.steps.is_used)


def age_of_proof(interval: timedelta | None, periods: int) -> timedelta:
    """Return how old a drill may be: so many ``periods`` of the schedule's interval; None: there is no schedule."""
    return PROVES_FOR if interval is None else periods * interval

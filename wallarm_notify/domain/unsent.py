"""What an integration missed while it was broken or off, by severity and age.

It is offered once the integration is enabled again (spec 6); nothing is sent again by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.notification import REPLAYABLE, State
from wallarm_notify.domain.views import Wanted


class Age(StrEnum):
    """How long ago a notification was made."""

    HOUR = "last hour"
    DAY = "1 to 24 h"
    OLDER = "older"


AGES: Final = {Age.HOUR: timedelta(hours=1), Age.DAY: timedelta(hours=24)}
"""Up to which age each goes, the edge included; what is older has none."""

OFFERED_SEVERITIES: Final = (Severity.CRITICAL, Severity.ERROR)
OFFERED_FOR: Final = AGES[Age.DAY]
"""What is offered first: severe, and not older. The rest is rarely worth a call in the night."""


@dataclass(frozen=True, slots=True)
class UnsentGroup:
    """How many notifications of one state, severity and age ended undelivered."""

    state: State
    severity: Severity
    age: Age
    number: int


@dataclass(frozen=True, slots=True)
class Unsent:
    """Which of an integration's notifications ended undelivered ``since`` it broke.

    It broke at the first of the failures that it was disabled for, or when somebody disabled it. Ages are as
    of ``counted_at``, the database's time.
    """

    since: datetime
    counted_at: datetime
    groups: Sequence[UnsentGroup]

    @property
    def counts(self) -> Mapping[State, int]:
        """How many there are of each state."""
        return {
            state: sum(g.number for g in self.groups if g.state is state) for state in REPLAYABLE
        }

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(g.number for g in self.groups)

    @property
    def offered(self) -> int:
        """How many of them are offered first."""
        return sum(
            g.number
            for g in self.groups
            if g.severity in OFFERED_SEVERITIES and g.age is not Age.OLDER
        )

    def number_of(self, severity: Severity, age: Age) -> int:
        """Return how many there are of this severity and age."""
        return sum(g.number for g in self.groups if (g.severity, g.age) == (severity, age))


def offered_of(integration_id: int, unsent: Unsent) -> Wanted:
    """Return which notifications are offered first."""
    return Wanted(
        integration_id,
        REPLAYABLE,
        since=unsent.counted_at - OFFERED_FOR,
        ended_since=unsent.since,
        severities=OFFERED_SEVERITIES,
    )

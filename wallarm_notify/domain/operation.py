"""Operation: what operators see of an installation at a glance, beside its readiness."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.health import MINUTE, minute_of
from wallarm_notify.domain.lateness import Lateness
from wallarm_notify.domain.readiness import Node, QueueLength

LATELY: Final = timedelta(minutes=10)
"""The time over which attempts are added up: long enough for a steady rate, short enough to be news."""

SHOWN: Final = timedelta(hours=1)
"""The time over which attempts are shown minute by minute."""


@dataclass(frozen=True, slots=True)
class Recent:
    """The attempts that began within ``LATELY`` and count in failure ratios, and how many of them failed."""

    attempts: int
    failed: int


@dataclass(frozen=True, slots=True)
class AttemptsInMinute:
    """The attempts that began in a minute and count in failure ratios, and how many of them failed."""

    minute: datetime
    attempts: int = 0
    failed: int = 0


def every_minute(
    counted: Sequence[AttemptsInMinute], now: datetime, within: timedelta
) -> list[AttemptsInMinute]:
    """Return an item for each minute up to that of ``now``, the oldest first; the others had no attempt."""
    known = {one.minute: one for one in counted}
    last = minute_of(now)
    minutes = (last - n * MINUTE for n in reversed(range(within // MINUTE)))
    return [known.get(minute, AttemptsInMinute(minute)) for minute in minutes]


@dataclass(frozen=True, slots=True)
class Operation:
    """The nodes, the queues, how late attempts begin, and what was attempted lately, at ``now``.

    ``minutes`` is the last hour, minute by minute. ``outages`` are the regions of PagerDuty that were down at the last
    review.
    """

    now: datetime
    nodes: Sequence[Node]
    queues: Sequence[QueueLength]
    lateness: Sequence[Lateness]
    recent: Recent
    outages: Sequence[str]
    minutes: Sequence[AttemptsInMinute] = ()

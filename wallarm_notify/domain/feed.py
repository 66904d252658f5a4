"""A feed: the events of one client as they come, and when it is quiet beyond its habit.

A feed has a habit once events came on three days of the last week. It is quiet when none came for twice as long as the
longest time without one in that week, and for an hour at least. So nights and weekends are no news, and a feed that
ended is forgotten with its week.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

WEEK: Final = timedelta(days=7)
"""For so long the habit of a feed is remembered."""

DAYS: Final = 3
"""The days of the week on which events must have come, so that a feed has a habit."""

TIMES: Final = 2
"""How many times the longest time without an event has to pass."""

AT_LEAST: Final = timedelta(hours=1)
"""No feed is quiet after less."""

NAMED: Final = 3
"""So many quiet feeds are named; of more their number is said."""


@dataclass(frozen=True, slots=True)
class QuietFeed:
    """A client whose events stay away.

    ``quiet`` is for how long by now, ``longest`` for how long at most in the last week.
    """

    client_id: int
    quiet: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class QuietFeeds:
    """How many feeds are quiet, and those of them that have been for longest."""

    number: int = 0
    longest: Sequence[QuietFeed] = ()

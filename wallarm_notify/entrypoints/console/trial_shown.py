"""A trial as a page shows it: a sentence, a row of limits, and a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.trial import LastFiring, Trial
from wallarm_notify.domain.why_words import NOUNS
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.console.charts import LevelChart, level_chart
from wallarm_notify.entrypoints.console.times import Times

_HOURS: Final = 168
_HOUR: Final = timedelta(hours=1)

NIGHT_BEGINS, NIGHT_ENDS = 23, 6
"""The hours between which it is night, where the reader is."""


@dataclass(frozen=True, slots=True)
class LimitShown:
    """What one limit would have come to."""

    limit: int
    alerts: int
    at_night: int
    is_chosen: bool

    @property
    def alerts_words(self) -> str:
        """``14 alerts``, ``no alerts``."""
        return counted(self.alerts, "alert") if self.alerts else "no alerts"

    @property
    def night_words(self) -> str:
        """``3 at night``, ``none at night``."""
        return f"{self.at_night or 'none'} at night"


@dataclass(frozen=True, slots=True)
class TrialShown:
    """A trial for people; ``chart`` None: nothing came that matches. ``last`` are its last firings, newest first."""

    since: datetime
    is_whole: bool
    matched: int
    noun: str
    alerts: int
    at_night: int
    limits: Sequence[LimitShown]
    chart: LevelChart | None
    last: Sequence[LastFiring]


def shown_trial(trial: Trial, condition: Condition, limit: int | None, times: Times) -> TrialShown:
    """Return a trial as a page shows it, with ``limit`` chosen; None: each event fires."""

    def is_night(at: datetime) -> bool:
        hour = at.astimezone(times.zone).hour
        return hour >= NIGHT_BEGINS or hour < NIGHT_ENDS

    def nightly(firings: Sequence[datetime]) -> int:
        return sum(map(is_night, firings))

    firings = trial.firings[limit]
    chart = None
    if trial.matched:
        last_hour = times.now.replace(minute=0, second=0, microsecond=0).astimezone(times.zone)
        starts = [last_hour - (_HOURS - 1 - n) * _HOUR for n in range(_HOURS + 1)]
        local = [one.astimezone(times.zone) for one in starts]
        chart = level_chart(local, trial.highest_by(starts), limit, is_night)
    return TrialShown(
        since=trial.since,
        is_whole=trial.is_whole,
        matched=trial.matched,
        noun=condition.terms.counted or NOUNS[condition.terms.event_type],
        alerts=len(firings),
        at_night=nightly(firings),
        limits=[
            LimitShown(one, len(found), nightly(found), one == limit)
            for one, found in sorted(
                (one, f) for one, f in trial.firings.items() if one is not None
            )
        ],
        chart=chart,
        last=trial.last,
    )

"""Replay jobs: replays of many notifications that a worker works on, slice by slice (spec 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Final

from wallarm_notify.domain.actor import Actor
from wallarm_notify.domain.views import Wanted

SAMPLE: Final = 10
"""So many of the notifications are named when a job is made."""


class JobState(StrEnum):
    """Where a job is: open while it is waiting or running."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Extent:
    """What a filter means when a job is made: how many notifications, the last id, and the first few."""

    total: int
    last_id: int
    sample: Sequence[int]


@dataclass(frozen=True, slots=True)
class ReplayJob:
    """A replay job.

    ``last_id`` is where it ends: what is made later is not replayed. ``reached`` is the id of the last notification
    that it looked at, ``replayed`` how many it replayed. ``problem`` is why it failed.
    """

    id: int
    client_id: int
    actor: Actor
    wanted: Wanted
    extent: Extent
    takes_at_least: timedelta
    state: JobState
    reached: int
    replayed: int
    problem: str | None
    created_at: datetime
    worked_at: datetime | None
    ended_at: datetime | None
    cancelled_by: str | None

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self.ended_at is None


def at_the_rate_limit(number: int, per_minute: int) -> timedelta:
    """Return how long so many requests of one key take at least; 0 a minute: there is no limit."""
    return timedelta() if per_minute == 0 else timedelta(seconds=ceil(number * 60 / per_minute))

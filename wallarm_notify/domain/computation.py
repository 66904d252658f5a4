"""Computations: explanations and simulations that take longer than a page may, stored and done by workers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from wallarm_notify.domain.actor import Actor
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.replay_job import JobState
from wallarm_notify.domain.words import duration_of

OPEN_AT_MOST: Final = 2
"""So many computations of a client wait or run at once; those of all clients count as a client's."""

KEPT_AT_MOST: Final = 50
"""So many computations of a client that have ended are kept."""

KEPT_FOR: Final = timedelta(days=7)
"""After so long one that has ended is deleted, or after the retention where that is shorter."""

AT_ONCE: Final = 2
"""So many are done at once by all workers together: the processes that do them deliver alerts too."""

IDLE: Final = timedelta(minutes=6)
"""One that nothing was noted of for so long has lost its worker. A statement may take 5 minutes."""

DEATHS: Final = 3
"""The deaths of workers that had a computation in hand, after which it has failed."""

LONGEST: Final = timedelta(minutes=10)
"""After so long a worker gives one up."""

MOST_ITEMS: Final = 1000
"""So many firings or disablings of a result are kept, the first ones."""

MOST_EVENTS: Final = 500_000
"""So many events of its type a simulation of a trigger counts at most: a worker has them in memory."""


class Kind(StrEnum):
    """What is computed."""

    EXPLAIN = "explain"
    SIMULATE_POLICY = "simulate_policy"
    SIMULATE_TRIGGER = "simulate_trigger"


@dataclass(frozen=True, slots=True)
class Computation:
    """A computation.

    ``client_id`` None: it is of all clients. ``asked`` is what was asked for, and ``result`` what came of it, as
    documents: ``schemas.documents.computations`` has their fields. ``share`` is how much is done, from 0 to 1.
    ``left_out`` is how many items the result lacks, ``problem`` why it failed. ``fence`` numbers its beginnings, of
    which ``deaths`` is how many a worker did not live to end.
    """

    id: int
    client_id: int | None
    kind: Kind
    actor: Actor
    asked: Mapping[str, Any]
    state: JobState
    share: float
    result: Mapping[str, Any] | None
    left_out: int
    problem: str | None
    created_at: datetime
    worked_at: datetime | None
    ended_at: datetime | None
    cancelled_by: str | None
    fence: int
    deaths: int

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self.ended_at is None

    @property
    def percent(self) -> int:
        """How much is done, in whole per cent, rounded down."""
        return int(100 * self.share)

    @property
    def words(self) -> str:
        """How far it has come, in a sentence for people."""
        match self.state:
            case JobState.WAITING:
                return "It waits for a worker."
            case JobState.RUNNING:
                return f"{self.percent} % is done."
            case JobState.DONE:
                return "It is done."
            case JobState.CANCELLED:
                return f"{self.cancelled_by} cancelled it."
            case JobState.FAILED:
                return f"It failed: {self.problem}"


def check_time(since: datetime, until: datetime, now: datetime, kept: timedelta) -> None:
    """Raise Refused where nothing recorded, which is ``kept`` so long, can be between two times."""
    if since >= now:
        raise Refused("it lies ahead; give a time that is past.", field="since")
    if since >= until:
        raise Refused("it is not before until.", field="since")
    if now - since > kept + timedelta(minutes=1):
        days = duration_of(kept.total_seconds())
        raise Refused(f"what happened is kept {days}; give a later time.", field="since")


def bounded(document: Mapping[str, Any], most: int = MOST_ITEMS) -> tuple[dict[str, Any], int]:
    """Return a result with its first ``most`` items, and how many it lacks by that."""
    items = document.get("items", ())
    if len(items) <= most:
        return dict(document), 0
    return {**document, "items": items[:most]}, len(items) - most

"""The document of a replay job."""

from datetime import datetime

from typing_extensions import TypedDict

from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.replay_job import ReplayJob


class ReplayJobDocument(TypedDict):
    """A replay of many notifications that workers work on."""

    id: int
    """Its number; later ones have higher numbers."""
    client_id: int
    """The client of the integration."""
    integration_id: int
    """The integration that is replayed to."""
    state: str
    """waiting, running, done, cancelled or failed."""
    total: int
    """How many notifications it meant when it was made."""
    replayed: int
    """How many were replayed so far: one that somebody else replayed meanwhile is none of them."""
    sample: list[int]
    """The first few of the notifications, by id."""
    seconds_at_rate_limit: int
    """How many seconds sending all of them takes at least, at the rate limit of a key; 0: there is none."""
    states: list[str]
    """The states of the notifications that are replayed."""
    severities: list[str]
    """Their severities."""
    since: datetime | None
    """Only those made since then; null: of any time."""
    ended_since: datetime | None
    """Only those that ended since then; null: at any time."""
    type: str | None
    """Only those of events of this type; null: of any type."""
    problem: str | None
    """Why it failed; null: it did not."""
    created_at: datetime
    """When it was made."""
    created_by: str
    """Who made it."""
    source: str
    """By which way in it was made: api, console or command_line."""
    worked_at: datetime | None
    """When something of it was replayed last; null: nothing was yet."""
    ended_at: datetime | None
    """When it ended; null: something is still to be done."""
    cancelled_by: str | None
    """Who cancelled it; null: nobody."""


def replay_job_document(job: ReplayJob) -> ReplayJobDocument:
    """Return the document of a job."""
    wanted = job.wanted
    return {
        "id": job.id,
        "client_id": job.client_id,
        "integration_id": wanted.integration_id,
        "state": job.state,
        "total": job.extent.total,
        "replayed": job.replayed,
        "sample": list(job.extent.sample),
        "seconds_at_rate_limit": int(job.takes_at_least.total_seconds()),
        "states": [str(state) for state in wanted.states],
        "severities": [Severity(one).word for one in wanted.severities],
        "since": wanted.since,
        "ended_since": wanted.ended_since,
        "type": wanted.event_type,
        "problem": job.problem,
        "created_at": job.created_at,
        "created_by": job.actor.name,
        "source": job.actor.source,
        "worked_at": job.worked_at,
        "ended_at": job.ended_at,
        "cancelled_by": job.cancelled_by,
    }

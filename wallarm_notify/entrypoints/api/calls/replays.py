"""Replays: many notifications are sent again by a job that workers work on, whoever asked for it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.event import Severity, check_event_type
from wallarm_notify.domain.notification import REPLAYABLE, State
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.views import Wanted
from wallarm_notify.entrypoints.api.answers import answer, page_answer
from wallarm_notify.entrypoints.api.fields import EventTypeWord, Id, Moment, Paged, PathId, Sent
from wallarm_notify.entrypoints.api.parts import Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs
from wallarm_notify.schemas.documents.listing import Listing
from wallarm_notify.schemas.documents.replay_jobs import ReplayJobDocument, replay_job_document
from wallarm_notify.services.replay_jobs import (
    cancel_replay_job,
    create_replay_job,
    list_replay_jobs,
    show_replay_job,
)

router = APIRouter(prefix="/notify/v1/replays", tags=["replays"], route_class=CheckedRoute)

SeverityWord = Literal["critical", "error", "warning", "info"]
_TIME = Field(strict=False)


class ReplayWanted(Sent):
    """What is replayed to an integration: by default all that was not delivered."""

    integration_id: Id
    states: Annotated[
        list[Literal["failed", "skipped", "cancelled"]],
        Field(
            default_factory=list,
            max_length=3,
            description="Only those that ended in one of these states.",
        ),
    ]
    severities: Annotated[
        list[SeverityWord],
        Field(default_factory=list, max_length=4, description="Only those of these severities."),
    ]
    since: Annotated[Moment | None, _TIME] = None
    ended_since: Annotated[Moment | None, _TIME] = None
    type: Annotated[
        EventTypeWord | None, Field(description="Only those of events of this type.")
    ] = None

    @property
    def wanted(self) -> Wanted:
        """Which notifications are meant. Raise Refused for an unknown type of events."""
        return Wanted(
            self.integration_id,
            tuple(dict.fromkeys(map(State, self.states))) or REPLAYABLE,
            self.since,
            self.ended_since,
            None if self.type is None else check_event_type(self.type),
            tuple(Severity[word.upper()] for word in dict.fromkeys(self.severities))
            or tuple(Severity),
        )


class ReplaysAsked(Paged):
    """Which replays are listed."""

    client_id: Annotated[Id | None, Field(description="Only this client's.")] = None


@router.post("", response_model=ReplayJobDocument, status_code=202)
@needs(Thing.NOTIFICATIONS, Verb.REPLAY)
def create(call: Called, sent: ReplayWanted) -> Response:
    """Have what was not delivered to an integration sent again, by a job that goes on without its caller.

    What is made or fails after this is not part of it. An integration has one at a time.
    """
    job = create_replay_job(call.ctx, call.actor, call.scope, sent.wanted)
    return answer(replay_job_document(job), 202)


@router.get("", response_model=Listing[ReplayJobDocument])
@needs(Thing.NOTIFICATIONS, Verb.VIEW)
def list_them(call: Called, asked: Annotated[ReplaysAsked, Query()]) -> Response:
    """List replays, the newest first."""
    page = list_replay_jobs(
        *(call.pages, call.scope),
        client_id=asked.client_id,
        cursor=asked.after,
        limit=asked.limit,
    )
    return page_answer(page, replay_job_document)


@router.get("/{replay_id}", response_model=ReplayJobDocument)
@needs(Thing.NOTIFICATIONS, Verb.VIEW)
def show(call: Called, replay_id: PathId) -> Response:
    """Show how far a replay has come."""
    return answer(replay_job_document(show_replay_job(call.pages, call.scope, replay_id)))


@router.post("/{replay_id}/cancel", response_model=ReplayJobDocument)
@needs(Thing.NOTIFICATIONS, Verb.REPLAY)
def cancel(call: Called, replay_id: PathId) -> Response:
    """Cancel a replay once the present slice of 500 is done; what was replayed until then stays so."""
    job = cancel_replay_job(call.ctx, call.actor, call.scope, replay_id)
    return answer(replay_job_document(job))

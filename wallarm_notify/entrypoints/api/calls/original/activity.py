"""``/v1/activity_log`` and ``/v1/audit_log``: the activity log, on both paths that clients know."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field, WithJsonSchema
from starlette.responses import Response

from wallarm_notify.domain.activity import ActivityFilter, ObjectType
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.rights import Thing, Verb, visible_in_log
from wallarm_notify.entrypoints.api.answers import answer
from wallarm_notify.entrypoints.api.calls.original.words import (
    ClientId,
    OriginalAsked,
    OriginalSent,
    about,
    client_of,
    scope_in,
)
from wallarm_notify.entrypoints.api.fields import DIGITS, LARGEST_ID, Id, MomentOrSeconds, PathId
from wallarm_notify.entrypoints.api.parts import Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs
from wallarm_notify.schemas.documents.original.activity import (
    ACTIONS,
    AUDITED,
    AUDITED_ACTIONS,
    SOURCES,
    SUCCESS,
    ActivityAnswer,
    ActivityFiltersAnswer,
    activity_answer,
    activity_filters_answer,
    audit_answer,
)
from wallarm_notify.services.activity import find_activity, show_activity

MOST_WORDS = 100
LARGEST_LIMIT = 1000
LARGEST_OFFSET = 10_000

router = APIRouter(prefix="/v1", tags=["of the original: activity log"], route_class=CheckedRoute)

ActionWord = Literal[
    "create", "update", "enable", "disable", "delete", "replay", "resubmit", "rotate", "renew"
]
AuditedAction = Literal["create", "update", "delete"]
AuditedType = Literal["integration", "triggers.trigger", "client", "user", "pool"]
SourceWord = Literal["unknown", "ui_page", "node", "api_token"]
Limit = Annotated[int, Field(ge=0, le=LARGEST_LIMIT), DIGITS]
Offset = Annotated[int, Field(ge=0, le=LARGEST_OFFSET), DIGITS]
Time = Annotated[
    MomentOrSeconds,
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}),
]


class EventsAsked(OriginalAsked):
    """Which lines of the log are listed."""

    object_types: Annotated[
        list[ObjectType],
        Field(alias="filter[object_types][]", default_factory=list, max_length=MOST_WORDS),
    ]
    action_types: Annotated[
        list[ActionWord],
        Field(alias="filter[action_types][]", default_factory=list, max_length=MOST_WORDS),
    ]
    outcomes: Annotated[
        list[Literal["success", "failure"]],
        Field(alias="filter[outcomes][]", default_factory=list, max_length=MOST_WORDS),
    ]
    sources: Annotated[
        list[SourceWord],
        Field(alias="filter[sources][]", default_factory=list, max_length=MOST_WORDS),
    ]
    actor_ids: Annotated[
        list[Annotated[int, Field(ge=0, le=LARGEST_ID)]],
        Field(alias="filter[actor_ids][]", default_factory=list, max_length=MOST_WORDS),
    ]
    time_start: Annotated[Time | None, Field(alias="filter[time_start]")] = None
    time_end: Annotated[Time | None, Field(alias="filter[time_end]")] = None
    offset: Offset = 0
    limit: Limit = 50
    order_by: Literal["timestamp"] = "timestamp"
    order_desc: bool = True

    def wanted(self) -> ActivityFilter:
        """Return which lines are wanted."""
        sources = {one for word in self.sources for one in SOURCES[word]}
        return ActivityFilter(
            object_types=frozenset(self.object_types) if self.object_types else None,
            actions=frozenset(ACTIONS[one] for one in self.action_types)
            if self.action_types
            else None,
            sources=frozenset(sources) if self.sources else None,
            user_ids=frozenset(self.actor_ids) if self.actor_ids else None,
            period=Period(self.time_start, self.time_end),
            oldest_first=not self.order_desc,
        )


class AuditFilter(OriginalSent):
    """Which lines are listed: by the names that the answer has for what they are of."""

    action: AuditedAction | None = None
    object_type: AuditedType | None = None
    object_userid: Annotated[int, Field(ge=0, le=LARGEST_ID)] | None = None
    object_clientid: Id | None = None


class AuditSent(OriginalSent):
    """Which lines are listed, and how many."""

    limit: Limit = 20
    filter: AuditFilter | None = None

    def wanted(self) -> ActivityFilter:
        """Return which lines are wanted."""
        asked = self.filter or AuditFilter()
        return ActivityFilter(
            object_types=frozenset(
                one for one, word in AUDITED.items() if asked.object_type in (None, word)
            ),
            actions=frozenset(
                one for one, word in AUDITED_ACTIONS.items() if asked.action in (None, word)
            ),
            user_ids=None if asked.object_userid is None else frozenset({asked.object_userid}),
        )


@router.get("/activity_log/events_get_filters", response_model=ActivityFiltersAnswer)
@needs(Thing.ACTIVITY, Verb.VIEW)
def list_filters(call: Called) -> Response:
    """List what the activity log can be searched by."""
    return answer(activity_filters_answer(visible_in_log(call.actor.role)))


@router.get("/activity_log/{client_id}/events", response_model=ActivityAnswer)
@needs(Thing.ACTIVITY, Verb.VIEW)
def list_lines(
    call: Called, client_id: ClientId, asked: Annotated[EventsAsked, Query()]
) -> Response:
    """List what was changed of a client's, the newest first unless otherwise asked."""
    scope, wanted = scope_in(call, client_id), asked.wanted()
    if asked.outcomes and SUCCESS not in asked.outcomes:
        return answer(activity_answer([]))
    found = find_activity(
        *(call.pages, scope, call.actor.role, wanted),
        client_id=client_id,
        offset=asked.offset,
        limit=asked.limit,
    )
    return answer(activity_answer(found))


@router.get("/activity_log/{client_id}/events/{line_id}", response_model=ActivityAnswer)
@needs(Thing.ACTIVITY, Verb.VIEW)
def show_line(call: Called, client_id: ClientId, line_id: PathId) -> Response:
    """Show one line of the log."""
    scope = scope_in(call, client_id)
    with about("event", line_id):
        return answer(activity_answer([show_activity(call.pages, scope, call.actor.role, line_id)]))


@router.post("/audit_log", response_model=ActivityAnswer)
@needs(Thing.ACTIVITY, Verb.VIEW)
def list_audited(call: Called, sent: AuditSent) -> Response:
    """List the newest changes of what older clients know, as they read them."""
    asked = None if sent.filter is None else sent.filter.object_clientid
    client_id = None if asked is None else client_of(call, asked)
    found = find_activity(
        *(call.pages, call.scope, call.actor.role, sent.wanted()),
        client_id=client_id,
        offset=0,
        limit=sent.limit,
    )
    return answer(audit_answer(found))

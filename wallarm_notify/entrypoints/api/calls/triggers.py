"""Triggers: listed, made, changed, switched, copied and deleted."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field, WithJsonSchema
from starlette.responses import Response

from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.triggers.alert_group import parse_alert_group
from wallarm_notify.domain.triggers.condition import (
    Condition,
    Filter,
    check_number,
    read_condition,
    read_filter,
)
from wallarm_notify.domain.triggers.trigger import (
    DEFAULT_SEVERITY,
    LARGEST_COUNT,
    LONGEST_PERIOD,
    SHORTEST_PERIOD,
    Threshold,
    TriggerChange,
    TriggerDraft,
    check_criteria,
    check_threshold,
    parse_severity,
)
from wallarm_notify.entrypoints.api.answers import answer, page_answer
from wallarm_notify.entrypoints.api.fields import (
    ConditionWord,
    GroupWord,
    Id,
    Moment,
    Name,
    Paged,
    PathId,
    Reason,
    Sent,
    fields_named,
    one_of,
)
from wallarm_notify.entrypoints.api.parts import Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs
from wallarm_notify.schemas.documents.listing import Listing
from wallarm_notify.schemas.documents.triggers import (
    DeletedTriggerDocument,
    ShownTriggerDocument,
    TriggerDocument,
    shown_trigger_document,
    trigger_document,
)
from wallarm_notify.services.manage_triggers import (
    apply_trigger,
    create_trigger,
    delete_trigger,
    disable_trigger,
    duplicate_trigger,
    enable_trigger,
)
from wallarm_notify.services.trigger_listings import find_trigger, list_triggers, show_trigger

_NAMES = {"integration": "integration_ids", "filter": "filters"}
"""The rules' names of fields, and those here."""

MOST_SENT = 1000
"""So many items of a list are read at most; how many are permitted, its rule says."""

LONGEST_READ = 10**9
"""Seconds that are read at most."""

# What rules of the domain permit, for the description.
COUNT = WithJsonSchema({"type": "integer", "minimum": 0, "maximum": LARGEST_COUNT})
PERIOD = WithJsonSchema(
    {
        "type": "integer",
        "minimum": SHORTEST_PERIOD // timedelta(seconds=1),
        "maximum": LONGEST_PERIOD // timedelta(seconds=1),
    }
)
SeverityWord = Annotated[str, one_of([*(one.word for one in Severity), DEFAULT_SEVERITY])]

router = APIRouter(prefix="/notify/v1/triggers", tags=["triggers"], route_class=CheckedRoute)


class TriggersAsked(Paged):
    """Which triggers are listed."""

    client_id: Annotated[Id | None, Field(description="Only this client's.")] = None


class FilterSent(Sent):
    """One filter: its values are alternatives."""

    id: str
    operator: str = "eq"
    values: Annotated[list[int | str], Field(max_length=MOST_SENT)]


class ThresholdSent(Sent):
    """More than so many events within a time, which is in seconds."""

    count: Annotated[int, COUNT]
    period: Annotated[int, Field(ge=0, le=LONGEST_READ), PERIOD]
    operator: Literal["gt"] = "gt"


Filters = Annotated[list[FilterSent], Field(max_length=MOST_SENT)]
Ids = Annotated[list[Id], Field(max_length=MOST_SENT, json_schema_extra={"minItems": 1})]


class TriggerSent(Sent):
    """A new trigger."""

    client_id: Annotated[Id | None, Field(description="Default: the token's own client.")] = None
    condition: ConditionWord
    filters: Annotated[Filters, Field(default_factory=list)]
    threshold: ThresholdSent | None = None
    integration_ids: Ids
    severity: Annotated[
        SeverityWord | None,
        Field(description="critical, error, warning or info; null: the condition's."),
    ] = None
    group: Annotated[GroupWord, Field(description="each, trigger, host, ip or application.")] = (
        "each"
    )
    name: Name | None = None
    comment: Reason = ""
    enabled: bool = True


class TriggerChangeSent(Sent):
    """What is changed of a trigger; what is not named, or null, stays. Lists replace those before."""

    condition: ConditionWord | None = None
    filters: Filters | None = None
    threshold: ThresholdSent | None = None
    integration_ids: Ids | None = None
    severity: Annotated[
        SeverityWord | None, Field(description="default: the condition's again.")
    ] = None
    group: GroupWord | None = None
    name: Name | None = None
    comment: Reason | None = None


class PauseSent(Sent):
    """When a trigger that is disabled is enabled by itself; null: somebody has to."""

    until: Annotated[Moment | None, Field(strict=False)] = None


class CopySent(Sent):
    """What a copy is called; null: a default."""

    name: Name | None = None


@router.get("", response_model=Listing[TriggerDocument])
@needs(Thing.TRIGGERS, Verb.VIEW)
def list_them(call: Called, asked: Annotated[TriggersAsked, Query()]) -> Response:
    """List triggers, by their ids."""
    page = list_triggers(
        *(call.pages, call.scope),
        client_id=asked.client_id,
        limit=asked.limit,
        cursor=asked.after,
    )
    return page_answer(page, trigger_document)


@router.post("", response_model=TriggerDocument, status_code=201)
@needs(Thing.TRIGGERS, Verb.CREATE)
@fields_named(_NAMES)
def create(call: Called, sent: TriggerSent) -> Response:
    """Store a new trigger; it counts the events that come in from now on."""
    condition = read_condition(sent.condition)
    threshold = None if sent.threshold is None else threshold_of(sent.threshold)
    draft = TriggerDraft(
        client_id=call.client(sent.client_id),
        criteria=check_criteria(condition, filters_of(condition, sent.filters), threshold),
        integration_ids=tuple(sent.integration_ids),
        name=sent.name,
        comment=sent.comment,
        enabled=sent.enabled,
        chosen_severity=None if sent.severity is None else parse_severity(sent.severity),
        group=parse_alert_group(sent.group),
    )
    made = create_trigger(call.ctx, call.actor, call.scope, draft)
    return answer(trigger_document(made), 201)


@router.get("/{trigger_id}", response_model=ShownTriggerDocument)
@needs(Thing.TRIGGERS, Verb.VIEW)
def show(call: Called, trigger_id: PathId, asked: Annotated[Paged, Query()]) -> Response:
    """Show one trigger with a page of its firings, the newest first."""
    shown = show_trigger(call.pages, call.scope, trigger_id, asked.limit, asked.after)
    return answer(shown_trigger_document(*shown))


@router.patch("/{trigger_id}", response_model=TriggerDocument)
@needs(Thing.TRIGGERS, Verb.UPDATE)
@fields_named(_NAMES)
def update(call: Called, trigger_id: PathId, sent: TriggerChangeSent) -> Response:
    """Change a trigger; another condition, filters or threshold start counting afresh."""
    condition = None if sent.condition is None else read_condition(sent.condition)
    filters = None
    if sent.filters is not None:
        of = condition or find_trigger(call.pages, call.scope, trigger_id).criteria.condition
        filters = filters_of(of, sent.filters)
    severity = None if sent.severity is None else parse_severity(sent.severity)
    change = TriggerChange(
        name=sent.name,
        comment=sent.comment,
        condition=condition,
        filters=filters,
        threshold=None if sent.threshold is None else threshold_of(sent.threshold),
        integration_ids=None if sent.integration_ids is None else tuple(sent.integration_ids),
        chosen_severity=severity,
        unsets_severity=sent.severity is not None and severity is None,
        group=None if sent.group is None else parse_alert_group(sent.group),
    )
    applied = apply_trigger(call.ctx, call.actor, call.scope, trigger_id, change)
    return answer(trigger_document(applied.trigger))


@router.delete("/{trigger_id}", response_model=DeletedTriggerDocument)
@needs(Thing.TRIGGERS, Verb.DELETE)
def delete(call: Called, trigger_id: PathId) -> Response:
    """Delete a trigger for ever; what it fired already is sent."""
    delete_trigger(call.ctx, call.actor, call.scope, trigger_id)
    return answer(DeletedTriggerDocument(id=trigger_id, deleted=True))


@router.post("/{trigger_id}/enable", response_model=TriggerDocument)
@needs(Thing.TRIGGERS, Verb.UPDATE)
def enable(call: Called, trigger_id: PathId) -> Response:
    """Enable a trigger, which counts afresh."""
    return answer(trigger_document(enable_trigger(call.ctx, call.actor, call.scope, trigger_id)))


@router.post("/{trigger_id}/disable", response_model=TriggerDocument)
@needs(Thing.TRIGGERS, Verb.UPDATE)
def disable(call: Called, trigger_id: PathId, sent: PauseSent) -> Response:
    """Disable a trigger, for good or until a time (a pause); what it fired already is sent."""
    disabled = disable_trigger(call.ctx, call.actor, call.scope, trigger_id, until=sent.until)
    return answer(trigger_document(disabled))


@router.post("/{trigger_id}/duplicate", response_model=TriggerDocument, status_code=201)
@needs(Thing.TRIGGERS, Verb.CREATE)
def duplicate(call: Called, trigger_id: PathId, sent: CopySent) -> Response:
    """Store a copy of a trigger, which counts for itself."""
    made = duplicate_trigger(call.ctx, call.actor, call.scope, trigger_id, name=sent.name)
    return answer(trigger_document(made), 201)


def filters_of(condition: Condition, sent: Sequence[FilterSent]) -> tuple[Filter, ...]:
    """Return the filters that were sent for a condition. Raise Refused."""
    check_number(sent)
    return tuple(read_filter(condition, one.id, one.operator, one.values) for one in sent)


def threshold_of(sent: ThresholdSent) -> Threshold:
    """Return the threshold that was sent. Raise Refused."""
    return check_threshold(sent.count, timedelta(seconds=sent.period))

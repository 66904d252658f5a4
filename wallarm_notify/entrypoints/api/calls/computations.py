"""Computations: explanations and simulations that workers do, whoever asked for them."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.computation import Computation
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.health import LARGEST_MINIMUM, LONGEST_WINDOW, Policy
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.triggers.condition import read_condition
from wallarm_notify.domain.triggers.trigger import Criteria, check_criteria
from wallarm_notify.entrypoints.api.answers import answer, page_answer
from wallarm_notify.entrypoints.api.calls.triggers import (
    Filters,
    ThresholdSent,
    filters_of,
    threshold_of,
)
from wallarm_notify.entrypoints.api.fields import ConditionWord, Id, Moment, Paged, PathId, Sent
from wallarm_notify.entrypoints.api.parts import Call, Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs
from wallarm_notify.schemas.documents.computations import (
    ComputationDocument,
    ComputationItem,
    computation_document,
    computation_item,
)
from wallarm_notify.schemas.documents.listing import Listing
from wallarm_notify.services.computations import (
    cancel_computation,
    create_explanation,
    create_policy_simulation,
    create_trigger_simulation,
    list_computations,
    show_computation,
)
from wallarm_notify.services.trigger_listings import find_trigger

router = APIRouter(
    prefix="/notify/v1/computations", tags=["computations"], route_class=CheckedRoute
)

_LONGEST = int(LONGEST_WINDOW.total_seconds())
_TIME = Field(strict=False)
_LOCATION = {"description": "Where the computation is.", "schema": {"type": "string"}}
_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"headers": {"Location": _LOCATION}}}


class ComputationsAsked(Paged):
    """Which computations are listed."""

    client_id: Annotated[Id | None, Field(description="Only this client's.")] = None


class ExplanationSent(Sent):
    """What is explained: an integration's failure ratio, of now or of its last automatic disabling."""

    integration_id: Id
    last_disabling: bool = False


class PolicySent(Sent):
    """A policy that is tried on recorded attempts; what is null is as it is set."""

    ratio: Annotated[
        float | None, Field(ge=0.01, le=100, description="Per cent of failed attempts.")
    ] = None
    window_seconds: Annotated[
        int | None, Field(ge=60, le=_LONGEST, description="In whole minutes.")
    ] = None
    min_attempts: Annotated[int | None, Field(ge=0, le=LARGEST_MINIMUM)] = None
    min_span_seconds: Annotated[int | None, Field(ge=0, le=_LONGEST)] = None
    outage_guard: bool | None = None
    since: Annotated[Moment, _TIME]


class TriggerTrialSent(Sent):
    """Criteria that are tried on events: those of a saved trigger, changed or not, or others of a client."""

    trigger_id: Annotated[Id | None, Field(description="null: give condition.")] = None
    client_id: Annotated[Id | None, Field(description="Default: the token's own client.")] = None
    condition: ConditionWord | None = None
    filters: Annotated[
        Filters | None, Field(description="In place of those of the saved trigger.")
    ] = None
    threshold: ThresholdSent | None = None
    since: Annotated[Moment, _TIME]
    until: Annotated[Moment | None, _TIME] = None


@router.post("/explain", response_model=ComputationDocument, status_code=202, responses=_ACCEPTED)
@needs(Thing.INTEGRATIONS, Verb.VIEW)
def explain(call: Called, sent: ExplanationSent) -> Response:
    """Have a failure ratio and its guards explained, by a worker."""
    made = create_explanation(
        *(call.ctx, call.actor, call.scope, sent.integration_id),
        last_disabling=sent.last_disabling,
    )
    return _accepted(made)


@router.post(
    "/simulate-policy", response_model=ComputationDocument, status_code=202, responses=_ACCEPTED
)
@needs(Thing.POLICY, Verb.SIMULATE)
def simulate_policy(call: Called, sent: PolicySent) -> Response:
    """Have a policy tried on the recorded attempts of all clients, by a worker."""
    policy = _tried(call.ctx.settings.policy, sent)
    return _accepted(create_policy_simulation(call.ctx, call.actor, policy, sent.since))


@router.post(
    "/simulate-trigger", response_model=ComputationDocument, status_code=202, responses=_ACCEPTED
)
@needs(Thing.TRIGGERS, Verb.SIMULATE)
def simulate_trigger(call: Called, sent: TriggerTrialSent) -> Response:
    """Have it found out when a trigger would have fired on stored events, by a worker; nothing is sent."""
    client_id, criteria = (
        _unsaved(call, sent) if sent.trigger_id is None else _saved(call, sent.trigger_id, sent)
    )
    made = create_trigger_simulation(
        *(call.ctx, call.actor, client_id, criteria),
        trigger_id=sent.trigger_id,
        since=sent.since,
        until=sent.until,
    )
    return _accepted(made)


@router.get("", response_model=Listing[ComputationItem])
@needs(Thing.COMPUTATIONS, Verb.VIEW)
def list_them(call: Called, asked: Annotated[ComputationsAsked, Query()]) -> Response:
    """List computations without their results, the newest first."""
    page = list_computations(
        *(call.pages, call.scope),
        client_id=asked.client_id,
        cursor=asked.after,
        limit=asked.limit,
    )
    return page_answer(page, computation_item)


@router.get("/{computation_id}", response_model=ComputationDocument)
@needs(Thing.COMPUTATIONS, Verb.VIEW)
def show(call: Called, computation_id: PathId) -> Response:
    """Show how far a computation has come, and what came of it."""
    return answer(computation_document(show_computation(call.pages, call.scope, computation_id)))


@router.post("/{computation_id}/cancel", response_model=ComputationDocument)
@needs(Thing.COMPUTATIONS, Verb.UPDATE)
def cancel(call: Called, computation_id: PathId) -> Response:
    """Cancel a computation; its worker stops soon."""
    one = cancel_computation(call.ctx, call.actor, call.scope, computation_id)
    return answer(computation_document(one))


def _accepted(made: Computation) -> Response:
    accepted = answer(computation_document(made), 202)
    accepted.headers["Location"] = f"{router.prefix}/{made.id}"
    return accepted


def _tried(as_set: Policy, sent: PolicySent) -> Policy:
    window = as_set.window
    if sent.window_seconds is not None:
        window = timedelta(seconds=sent.window_seconds)
    if window % timedelta(minutes=1):
        raise Refused("give whole minutes, as 3600.", field="window_seconds")
    span = sent.min_span_seconds
    return Policy(
        ratio=as_set.ratio if sent.ratio is None else Decimal(str(sent.ratio)),
        window=window,
        min_attempts=as_set.min_attempts if sent.min_attempts is None else sent.min_attempts,
        min_span=as_set.min_span if span is None else timedelta(seconds=span),
        outage_guard=as_set.outage_guard if sent.outage_guard is None else sent.outage_guard,
    )


def _saved(call: Call, trigger_id: int, sent: TriggerTrialSent) -> tuple[int, Criteria]:
    for name in ("client_id", "condition"):
        if getattr(sent, name) is not None:
            raise Refused("give either trigger_id, or client_id and condition.", field=name)
    found = find_trigger(call.pages, call.scope, trigger_id)
    as_set = found.criteria
    filters, threshold = as_set.filters, as_set.threshold
    if sent.filters is not None:
        filters = filters_of(as_set.condition, sent.filters)
    if sent.threshold is not None:
        threshold = threshold_of(sent.threshold)
    return found.client_id, check_criteria(as_set.condition, filters, threshold)


def _unsaved(call: Call, sent: TriggerTrialSent) -> tuple[int, Criteria]:
    client_id = call.client(sent.client_id)
    if sent.condition is None:
        raise Refused("give either trigger_id, or client_id and condition.", field="condition")
    condition = read_condition(sent.condition)
    threshold = None if sent.threshold is None else threshold_of(sent.threshold)
    return client_id, check_criteria(
        condition, filters_of(condition, sent.filters or ()), threshold
    )

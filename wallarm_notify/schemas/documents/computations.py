"""Documents of computations: what is asked for, how far one has come, and what came of it."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from typing_extensions import TypedDict

from wallarm_notify.domain.computation import Computation
from wallarm_notify.domain.health import Policy
from wallarm_notify.domain.triggers.condition import read_condition, read_filter
from wallarm_notify.domain.triggers.trigger import Criteria, check_criteria, check_threshold
from wallarm_notify.schemas.documents.encoding import json_value
from wallarm_notify.schemas.documents.health import (
    ExplanationDocument,
    PolicyDocument,
    SimulationDocument,
    policy_document,
)
from wallarm_notify.schemas.documents.triggers import (
    CriteriaDocument,
    TriggerSimulationDocument,
    criteria_document,
)


class AskedExplanationDocument(TypedDict):
    """An integration whose failure ratio is to be explained."""

    integration_id: int
    """The integration."""
    last_disabling: bool
    """Whether what decided its last automatic disabling is asked for, in place of what there is now."""


class AskedPolicyDocument(TypedDict):
    """A policy that is to be tried."""

    policy: PolicyDocument
    """The policy."""
    since: str
    """Attempts from then on are to be counted."""


class AskedTriggerDocument(CriteriaDocument):
    """What is to be tried as a trigger's."""

    trigger_id: int | None
    """The trigger that it is for; null: it is not saved."""
    since: str
    """Events that came from then on are to be counted."""
    until: str
    """Events that came before then are to be counted."""


class ComputationItem(TypedDict):
    """An explanation or a simulation that workers work on."""

    id: int
    """Its number; later ones have higher numbers."""
    client_id: int | None
    """The client whose things it is about; null: those of all."""
    kind: str
    """explain, simulate_policy or simulate_trigger."""
    asked: AskedExplanationDocument | AskedPolicyDocument | AskedTriggerDocument
    """What was asked for."""
    state: str
    """waiting, running, done, cancelled or failed."""
    percent: int
    """How much of it is done, from 0 to 100."""
    words: str
    """How far it has come, in a sentence."""
    problem: str | None
    """Why it failed; null: it did not."""
    created_at: datetime
    """When it was made."""
    created_by: str
    """Who made it."""
    source: str
    """By which way in it was made: api, console or command_line."""
    worked_at: datetime | None
    """When its worker noted last how far it is; null: no worker has it."""
    ended_at: datetime | None
    """When it ended; null: something is still to be done."""
    cancelled_by: str | None
    """Who cancelled it; null: nobody."""


class ComputationDocument(ComputationItem):
    """An explanation or a simulation with what came of it."""

    result: ExplanationDocument | SimulationDocument | TriggerSimulationDocument | None
    """What came of it, as it is printed by the command of its kind; null: nothing did, or not yet."""
    left_out: int
    """How many items its result lacks: it has the first 1,000."""


def asked_explanation(integration_id: int, *, last_disabling: bool) -> AskedExplanationDocument:
    """Return what is asked for where a failure ratio is to be explained."""
    return {"integration_id": integration_id, "last_disabling": last_disabling}


def asked_policy(policy: Policy, since: datetime) -> AskedPolicyDocument:
    """Return what is asked for where a policy is to be tried."""
    return {"policy": policy_document(policy), "since": json_value(since)}


def asked_trigger(
    trigger_id: int | None, criteria: Criteria, since: datetime, until: datetime
) -> AskedTriggerDocument:
    """Return what is asked for where criteria are to be tried; ``trigger_id`` None: of no saved trigger."""
    return {
        "trigger_id": trigger_id,
        **criteria_document(criteria),
        "since": json_value(since),
        "until": json_value(until),
    }


def policy_of(document: PolicyDocument) -> Policy:
    """Return the policy in its document."""
    return Policy(
        ratio=Decimal(str(document["ratio"])),
        window=timedelta(seconds=document["window_seconds"]),
        min_attempts=document["min_attempts"],
        min_span=timedelta(seconds=document["min_span_seconds"]),
        outage_guard=document["outage_guard"],
    )


def criteria_of(document: CriteriaDocument) -> Criteria:
    """Return the criteria in their document. Raise Refused where a newer program knows others."""
    condition = read_condition(document["condition"])
    filters = [
        read_filter(condition, one["id"], one["operator"], one["values"])
        for one in document["filters"]
    ]
    threshold = document["threshold"]
    return check_criteria(
        condition,
        filters,
        None
        if threshold is None
        else check_threshold(threshold["count"], timedelta(seconds=threshold["period"])),
    )


def result_text(document: Mapping[str, Any]) -> str:
    """Return the JSON text of a result, with times as documents have them."""
    return json.dumps(document, default=json_value)


def computation_item(one: Computation) -> ComputationItem:
    """Return the document of a computation in a listing."""
    return {
        "id": one.id,
        "client_id": one.client_id,
        "kind": one.kind,
        "asked": cast("AskedTriggerDocument", one.asked),  # as it was made here
        "state": one.state,
        "percent": one.percent,
        "words": one.words,
        "problem": one.problem,
        "created_at": one.created_at,
        "created_by": one.actor.name,
        "source": one.actor.source,
        "worked_at": one.worked_at,
        "ended_at": one.ended_at,
        "cancelled_by": one.cancelled_by,
    }


def computation_document(one: Computation) -> ComputationDocument:
    """Return the document of a computation with its result."""
    return {
        **computation_item(one),
        "result": cast("TriggerSimulationDocument | None", one.result),  # as it was made here
        "left_out": one.left_out,
    }

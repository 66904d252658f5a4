"""Triggers as Wallarm's own API shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NotRequired

from typing_extensions import TypedDict

from wallarm_notify.domain.triggers.condition import Condition, Filter
from wallarm_notify.domain.triggers.filters import FILTERS, FilterValue, Operator
from wallarm_notify.domain.triggers.original import NOTIFY
from wallarm_notify.domain.triggers.trigger import Threshold, Trigger
from wallarm_notify.schemas.documents.original.times import text_of


class OriginalFilter(TypedDict):
    """A filter of a trigger."""

    id: str
    """What of an event it looks at."""
    operator: str
    """eq or ne."""
    values: list[FilterValue]
    """Its values, which are alternatives."""
    type: str
    """integer where all values are whole numbers, else string."""


class OriginalThreshold(TypedDict):
    """More than so many events within a time."""

    operator: str
    """gt."""
    period: int
    """The time, in seconds."""
    count: int
    """One more than this many events fires."""


class OriginalAction(TypedDict):
    """What a trigger does."""

    id: str
    """send_notification."""
    params: Mapping[str, Sequence[int]]
    """The integrations that it notifies, as integration_ids."""


class OriginalTemplate(TypedDict):
    """The condition of a trigger, and what it can be given."""

    id: str
    """Its name."""
    filters: list[dict[str, Any]]
    """The filters that it takes."""
    threshold: dict[str, Any]
    """The threshold that it takes; empty where each event fires."""
    actions: list[dict[str, Any]]
    """The actions that it takes."""


class OriginalTrigger(TypedDict):
    """A trigger."""

    id: int
    """Its number."""
    name: str
    """What people call it."""
    comment: str
    """A note for colleagues."""
    enabled: bool
    """Whether it counts and fires."""
    client_id: int
    """The client whose it is."""
    template_id: str
    """Its condition."""
    filters: list[OriginalFilter]
    """What an event must have besides: all of these."""
    actions: list[OriginalAction]
    """What it does."""
    threshold: OriginalThreshold | None
    """How many events fire; null: each one does."""
    thresholds: list[OriginalThreshold]
    """The same as a list, which is empty where each event fires."""
    created_at: str
    """When it was made."""
    updated_at: str
    """When it was changed last, as far as is known."""
    template: NotRequired[OriginalTemplate]
    """Its condition, where that is asked for."""


class TriggersAnswer(TypedDict):
    """All triggers of a client."""

    triggers: list[OriginalTrigger]
    """Them."""


class TriggerAnswer(TypedDict):
    """One trigger."""

    trigger: OriginalTrigger
    """The whole trigger."""


def triggers_answer(
    triggers: Sequence[tuple[Trigger, datetime]], *, denormalize: bool
) -> TriggersAnswer:
    """Return the answer with all triggers of a client, each with when it was changed last."""
    return {
        "triggers": [
            _document(one, changed, with_template=denormalize) for one, changed in triggers
        ]
    }


def trigger_answer(trigger: Trigger, changed_at: datetime) -> TriggerAnswer:
    """Return the answer with one trigger."""
    return {"trigger": _document(trigger, changed_at, with_template=True)}


def _document(trigger: Trigger, changed_at: datetime, *, with_template: bool) -> OriginalTrigger:
    criteria = trigger.criteria
    threshold = None if criteria.threshold is None else _threshold(criteria.threshold)
    document: OriginalTrigger = {
        "id": trigger.id,
        "name": trigger.name,
        "comment": trigger.comment,
        "enabled": trigger.enabled,
        "client_id": trigger.client_id,
        "template_id": str(criteria.condition),
        "filters": [_filter(one) for one in criteria.filters],
        "actions": [{"id": NOTIFY, "params": {"integration_ids": list(trigger.integration_ids)}}],
        "threshold": threshold,
        "thresholds": [] if threshold is None else [threshold],
        "created_at": text_of(trigger.created_at),
        "updated_at": text_of(changed_at),
    }
    if with_template:
        document["template"] = _template(criteria.condition)
    return document


def _filter(one: Filter) -> OriginalFilter:
    are_numbers = all(isinstance(value, int) for value in one.values)
    return {
        "id": one.id,
        "operator": str(one.operator),
        "values": list(one.values),
        "type": "integer" if are_numbers else "string",
    }


def _threshold(threshold: Threshold) -> OriginalThreshold:
    seconds = int(threshold.period.total_seconds())
    return {"operator": "gt", "period": seconds, "count": threshold.count}


def _template(condition: Condition) -> OriginalTemplate:
    threshold: dict[str, Any] = {}
    if condition.terms.counted is not None:
        threshold = {"allowed_operators": ["gt"], "operator": "gt", "period": 60, "count": 0}
    return {
        "id": str(condition),
        "filters": [
            {
                "id": one,
                "required": False,
                "values": [],
                "allowed_operators": [str(operator) for operator in FILTERS[one].operators],
                "operator": str(Operator.EQ),
            }
            for one in condition.terms.filters
        ],
        "threshold": threshold,
        "actions": [{"id": NOTIFY, "params": {}}],
    }

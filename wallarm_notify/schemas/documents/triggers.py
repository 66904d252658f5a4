"""Documents of triggers: as they stand, what they fired, and what they would have fired."""

from datetime import datetime
from uuid import UUID

from typing_extensions import TypedDict

from wallarm_notify.domain.page import Page
from wallarm_notify.domain.pause import text_of
from wallarm_notify.domain.simulation import TriggerSimulation
from wallarm_notify.domain.triggers.cells import Window
from wallarm_notify.domain.triggers.condition import Condition, Filter
from wallarm_notify.domain.triggers.filters import FILTERS, FilterValue, Operator
from wallarm_notify.domain.triggers.trigger import Criteria, Threshold, Trigger
from wallarm_notify.domain.views import ShownFiring


class FilterDocument(TypedDict):
    """One filter of a trigger."""

    id: str
    """What of an event it looks at, as attack_type or pool."""
    operator: str
    """eq: any of the values; ne: none of them."""
    values: list[FilterValue]
    """Texts and whole numbers."""


class ThresholdDocument(TypedDict):
    """More than so many events within a time."""

    count: int
    """One more than this many events fires."""
    period: int
    """The time that they are counted in, in seconds."""
    operator: str
    """gt: strictly greater (spec 3)."""


class CriteriaDocument(TypedDict):
    """What has to be met for a trigger to fire."""

    condition: str
    """Which type of event it looks at, by the original's template id."""
    filters: list[FilterDocument]
    """What an event must have besides: all of these."""
    threshold: ThresholdDocument | None
    """How many such events fire; null: each one fires."""


class TriggerSettings(CriteriaDocument):
    """What an administrator sets of a trigger."""

    name: str
    """What people call it."""
    comment: str
    """A note for colleagues."""
    enabled: bool
    """Whether it counts and fires."""
    disabled_until: str | None
    """When it is enabled by itself, in UTC; null: somebody has to, or it is enabled."""
    integration_ids: list[int]
    """The integrations that it notifies."""
    severity: str | None
    """That of its alerts: critical, error, warning or info; null: the condition's."""
    group: str
    """Which of its alerts are one in PagerDuty: each, trigger, host, ip or application."""


class TriggerDocument(TriggerSettings):
    """A trigger as it stands."""

    id: int
    """Its number."""
    client_id: int
    """The client whose it is."""
    created_by: str
    """Who made it."""
    created_at: datetime
    """When it was made."""
    last_fired_at: datetime | None
    """When it fired last; null: not within the time that firings are kept."""


WindowDocument = TypedDict("WindowDocument", {"from": datetime, "to": datetime})
"""The stretch of event time that a firing counted in: ``from`` is within, ``to`` is not."""


class FiringNotification(TypedDict):
    """A notification that a firing made."""

    id: int
    """The notification's number."""
    integration_id: int
    """The integration that it is sent to."""
    state: str
    """pending, retrying, delivered, failed, cancelled or skipped."""
    grant_at: datetime | None
    """About when its turn comes, where the rate limit makes it wait; null: it waits for none, as far as is known."""


class FiringDocument(TypedDict):
    """A trigger that was met once."""

    id: UUID
    """The firing's id; the same trigger and event make the same."""
    fired_at: datetime
    """When it fired, by the database's clock."""
    window: WindowDocument | None
    """What it counted in; null: each event fires."""
    count: int
    """How many events it counted."""
    event_id: UUID
    """The event that met the trigger."""
    event_ids: list[UUID]
    """Up to 100 of the events that it counted, that one first."""
    notifications: list[FiringNotification]
    """The notifications that it made."""


class ShownTriggerDocument(TriggerDocument):
    """A trigger with a page of its firings."""

    firings: list[FiringDocument]
    """Its firings, the newest first."""
    next: str | None
    """The cursor under which its older firings go on; null: these are the last."""


class DeletedTriggerDocument(TypedDict):
    """A trigger that is no more."""

    id: int
    """The number it had."""
    deleted: bool
    """True."""


class ConditionDocument(TypedDict):
    """A condition that a trigger can have."""

    condition: str
    """Its name, the original's template id."""
    event_type: str
    """The type of event that it looks at."""
    fires: str
    """threshold: it counts, and needs one; each event: it takes none."""
    filters: str
    """The filters that it takes, separated by commas; those marked so take no ne."""


class WouldFireDocument(TypedDict):
    """A firing that there would have been."""

    at: datetime
    """When it would have fired: when the event that met the trigger came."""
    occurred_at: datetime
    """When that event happened."""
    window: WindowDocument | None
    """What would have been counted in; null: each event fires."""
    count: int
    """How many events would have been counted."""
    event_id: UUID
    """The event that would have met the trigger."""


class TriggerSimulationDocument(CriteriaDocument):
    """What a trigger would have done with the events that came in between two times."""

    trigger_id: int | None
    """The trigger's number; null: it is not saved."""
    since: datetime
    """Events that came from then on are counted."""
    until: datetime
    """Events that came before then are counted."""
    events: int
    """How many events of its type came."""
    matched: int
    """How many of these pass its filters."""
    items: list[WouldFireDocument]
    """What it would have fired, in the order of time."""


def criteria_document(criteria: Criteria) -> CriteriaDocument:
    """Return the document of what has to be met; subscribers get it for a changed trigger."""
    return {
        "condition": str(criteria.condition),
        "filters": [filter_document(one) for one in criteria.filters],
        "threshold": None if criteria.threshold is None else threshold_document(criteria.threshold),
    }


def filter_document(one: Filter) -> FilterDocument:
    """Return the document of a filter."""
    return {"id": one.id, "operator": str(one.operator), "values": list(one.values)}


def threshold_document(threshold: Threshold) -> ThresholdDocument:
    """Return the document of a threshold."""
    return {
        "count": threshold.count,
        "period": int(threshold.period.total_seconds()),
        "operator": "gt",
    }


def trigger_settings(trigger: Trigger) -> TriggerSettings:
    """Return what an administrator sets of a trigger; changes are found by comparing it."""
    return {
        "name": trigger.name,
        "comment": trigger.comment,
        "enabled": trigger.enabled,
        "disabled_until": text_of(trigger.disabled_until),
        **criteria_document(trigger.criteria),
        "integration_ids": list(trigger.integration_ids),
        "severity": None if trigger.chosen_severity is None else trigger.chosen_severity.word,
        "group": str(trigger.group),
    }


def trigger_document(trigger: Trigger) -> TriggerDocument:
    """Return the document of a trigger."""
    return {
        "id": trigger.id,
        "client_id": trigger.client_id,
        **trigger_settings(trigger),
        "created_by": trigger.created_by,
        "created_at": trigger.created_at,
        "last_fired_at": trigger.last_fired_at,
    }


def shown_trigger_document(trigger: Trigger, firings: Page[ShownFiring]) -> ShownTriggerDocument:
    """Return the document of a trigger with a page of its firings."""
    return {
        **trigger_document(trigger),
        "firings": [firing_document(one) for one in firings.items],
        "next": None if firings.following is None else str(firings.following),
    }


def firing_document(shown: ShownFiring) -> FiringDocument:
    """Return the document of a firing."""
    return {
        "id": shown.firing.id,
        "fired_at": shown.fired_at,
        "window": window_document(shown.firing.window),
        "count": shown.firing.count,
        "event_id": shown.firing.event_id,
        "event_ids": list(shown.firing.event_ids),
        "notifications": [
            {
                "id": n.notification_id,
                "integration_id": n.integration_id,
                "state": n.state,
                "grant_at": n.grant_at,
            }
            for n in shown.notifications
        ],
    }


def window_document(window: Window | None) -> WindowDocument | None:
    """Return the document of a window; None where each event fires."""
    return None if window is None else {"from": window.start, "to": window.end}


def condition_document(condition: Condition) -> ConditionDocument:
    """Return the document of a condition."""
    return {
        "condition": str(condition),
        "event_type": condition.terms.event_type,
        "fires": "threshold" if condition.terms.counted else "each event",
        "filters": ", ".join(
            f"{one}{'' if Operator.NE in FILTERS[one].operators else ' (= only)'}"
            for one in condition.terms.filters
        ),
    }


def trigger_simulation_document(
    done: TriggerSimulation, trigger_id: int | None
) -> TriggerSimulationDocument:
    """Return the document of a simulation; ``trigger_id`` None: the trigger is not saved."""
    return {
        "trigger_id": trigger_id,
        **criteria_document(done.trigger.criteria),
        "since": done.since,
        "until": done.until,
        "events": done.events,
        "matched": done.matched,
        "items": [
            {
                "at": one.at,
                "occurred_at": one.occurred_at,
                "window": window_document(one.firing.window),
                "count": one.firing.count,
                "event_id": one.firing.event_id,
            }
            for one in done.firings
        ],
    }

"""Documents of integrations: as they stand, and what a change of one came to."""

from collections.abc import Sequence
from datetime import datetime

from typing_extensions import TypedDict

from wallarm_notify.domain.advice import advice_on
from wallarm_notify.domain.drill import Drilled
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.integration import Integration, SwitchedOff
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.outcome import Tested
from wallarm_notify.domain.pause import text_of
from wallarm_notify.domain.unsent import Age, Unsent
from wallarm_notify.domain.views import EndedInHour


class LastDrillDocument(TypedDict):
    """The last drill of an integration."""

    at: datetime
    """When it began."""
    passed: bool
    """Whether PagerDuty took it."""
    status_code: int | None
    """The HTTP status of the answer; null: there was none."""
    error: str | None
    """Why it failed, one of a closed list (spec 5); null where it passed."""


class DrillDocument(TypedDict):
    """A drill of an integration that was just done."""

    integration_id: int
    """The integration."""
    passed: bool
    """Whether PagerDuty took it: key and way are proven, and nothing of who is on call."""
    region: str
    """PagerDuty's service region that it was sent to: us or eu."""
    status_code: int | None
    """The HTTP status of the answer; null: there was none."""
    error: str | None
    """Why it failed, one of a closed list (spec 5); null where it passed."""
    response: str
    """The first 2,048 bytes of the answer, or the network error's text; without the key."""
    works_in_region: str | None
    """The other region, where the key is unknown here and PagerDuty took a drill there; else null."""


class IntegrationDocument(TypedDict):
    """An integration as it stands."""

    id: int
    """Its number."""
    client_id: int
    """The client whose it is."""
    name: str
    """What people call it."""
    region: str
    """PagerDuty's service region: us or eu."""
    key: str
    """Its integration key, of which only the last four characters are ever shown."""
    subscriptions: list[str]
    """What it is sent, in the order of the card; security issues by risk."""
    summary: str
    """The form of its alerts' summaries: original, brief or full."""
    enabled: bool
    """Whether it is sent anything."""
    state: str
    """enabled; disabled, by somebody; disabled_automatically, by its failures."""
    disabled_by: str | None
    """Who disabled it; null while it is enabled."""
    disabled_at: datetime | None
    """When it was disabled; null while it is enabled."""
    disabled_reason: str | None
    """Why it was disabled; null while it is enabled."""
    disabled_until: datetime | None
    """When it is enabled by itself; null: somebody has to, or it is enabled."""
    failed_24h: int
    """Its notifications that ended as failed within the last 24 hours."""
    created_by: str
    """Who made it."""
    created_at: datetime
    """When it was made."""
    proven_at: datetime | None
    """When PagerDuty took a drill by its present key and region last; null: it never did."""
    last_drill: LastDrillDocument | None
    """The last drill by its present key and region; null: there was none."""


class IntegrationSettings(TypedDict):
    """What is set of an integration: what the activity log has of it (spec 9)."""

    name: str
    """What people call it."""
    region: str
    """PagerDuty's service region: us or eu."""
    key: str
    """Its integration key, of which only the last four characters are ever shown."""
    subscriptions: list[str]
    """What it is sent, in the order of the card; security issues by risk."""
    summary: str
    """The form of its alerts' summaries: original, brief or full."""
    enabled: bool
    """Whether it is sent anything."""
    disabled_reason: str | None
    """Why it was disabled; null while it is enabled."""
    disabled_until: str | None
    """When it is enabled by itself, in UTC; null: somebody has to, or it is enabled."""


class HourDocument(TypedDict):
    """What became of an integration's notifications in an hour.

    One that was replayed has ended twice, and so has one that a late answer delivered.
    """

    hour: datetime
    """When it began."""
    delivered: int
    """Those that PagerDuty took."""
    failed: int
    """Those that were given up."""
    skipped: int
    """Those that were made while the integration was disabled."""
    cancelled: int
    """Those that waited when it was disabled."""


class UnsentCounts(TypedDict):
    """How many notifications ended undelivered, by state."""

    skipped: int
    """Made while the integration was disabled."""
    cancelled: int
    """Waiting when it was disabled."""
    failed: int
    """Given up after the last attempt."""


class UnsentAges(TypedDict):
    """How many notifications of one severity ended undelivered, by when they were made."""

    severity: str
    """PagerDuty's word: critical, error, warning or info."""
    last_hour: int
    """Made within the last hour."""
    last_day: int
    """Made within the last 24 hours, but not within the last one."""
    older: int
    """Made before that."""


class EnabledDocument(IntegrationDocument):
    """An integration that has just been enabled."""

    unsent: UnsentCounts
    """What was not delivered since it broke, and can be replayed."""
    unsent_by_severity: list[UnsentAges]
    """The same ones by severity, the highest first, and by age."""
    unsent_since: datetime
    """When it broke: the first of the failures that it was disabled for, or when somebody disabled it."""


class SwitchedOffFigures(TypedDict):
    """The result of disabling or deleting an integration."""

    told: int
    """Notifications made for the client's integrations that subscribe to such news."""
    cancelled: int
    """Notifications that waited for it and will not be sent."""
    last_notification: bool
    """Whether it is sent a notification of its own end."""


class DisabledDocument(IntegrationDocument, SwitchedOffFigures):
    """An integration that has just been disabled."""


class DeletedIntegrationDocument(SwitchedOffFigures):
    """An integration that is no more."""

    id: int
    """The number it had."""
    deleted: bool
    """True."""
    triggers: list[int]
    """The triggers that it was taken off, ascending."""


class AlertAnswerDocument(TypedDict):
    """A test alert, and PagerDuty's answer to it."""

    summary: str
    """The alert's headline."""
    passed: bool
    """Whether PagerDuty took it."""
    status_code: int | None
    """The HTTP status of the answer; null: there was none."""
    error: str | None
    """Why it failed, one of a closed list (spec 5); null where it passed."""
    response: str
    """The first 2,048 bytes of the answer, or the network error's text; without the key."""
    advice: str | None
    """What to do about it, in a sentence; null where it passed."""


class AlertAnswersDocument(TypedDict):
    """The result of testing an integration."""

    passed: bool
    """Whether PagerDuty took all of them."""
    tests: list[AlertAnswerDocument]
    """The test alerts, in the order they were sent."""
    works_in_region: str | None
    """The other region, where the key is unknown here and PagerDuty took a drill there; else null."""
    closed: int | None
    """How many PagerDuty took a resolve for; null: that was not asked for."""


def integration_document(integration: Integration) -> IntegrationDocument:
    """Return the document of an integration."""
    return {
        "id": integration.id,
        "client_id": integration.client_id,
        "name": integration.name,
        "region": integration.region,
        "key": integration.key,
        "subscriptions": list(integration.subscriptions),
        "summary": str(integration.summary),
        "enabled": integration.enabled,
        "state": integration.state,
        "disabled_by": integration.disabled_by,
        "disabled_at": integration.disabled_at,
        "disabled_reason": integration.disabled_reason,
        "disabled_until": integration.disabled_until,
        "failed_24h": integration.failed_24h,
        "created_by": integration.created_by,
        "created_at": integration.created_at,
        "proven_at": integration.proven_at,
        "last_drill": None
        if (drill := integration.last_drill) is None
        else {
            "at": drill.at,
            "passed": drill.passed,
            "status_code": drill.status_code,
            "error": drill.error,
        },
    }


def drill_document(done: Drilled) -> DrillDocument:
    """Return the document of a drill."""
    return {
        "integration_id": done.integration_id,
        "passed": done.passed,
        "region": done.region,
        "status_code": done.answer.status,
        "error": done.answer.reason,
        "response": done.answer.response,
        "works_in_region": done.other_region,
    }


def hour_document(one: EndedInHour) -> HourDocument:
    """Return the document of an hour of an integration."""
    return {
        "hour": one.hour,
        "delivered": one.delivered,
        "failed": one.failed,
        "skipped": one.skipped,
        "cancelled": one.cancelled,
    }


def integration_settings(integration: Integration) -> IntegrationSettings:
    """Return what is set of an integration."""
    return {
        "name": integration.name,
        "region": integration.region,
        "key": integration.key,
        "subscriptions": list(integration.subscriptions),
        "summary": str(integration.summary),
        "enabled": integration.enabled,
        "disabled_reason": integration.disabled_reason,
        "disabled_until": text_of(integration.disabled_until),
    }


def enabled_document(integration: Integration, unsent: Unsent) -> EnabledDocument:
    """Return the document of an integration that has just been enabled."""
    return {
        **integration_document(integration),
        "unsent": {
            "skipped": unsent.counts[State.SKIPPED],
            "cancelled": unsent.counts[State.CANCELLED],
            "failed": unsent.counts[State.FAILED],
        },
        "unsent_by_severity": [
            {
                "severity": severity.word,
                "last_hour": unsent.number_of(severity, Age.HOUR),
                "last_day": unsent.number_of(severity, Age.DAY),
                "older": unsent.number_of(severity, Age.OLDER),
            }
            for severity in sorted(Severity, reverse=True)
        ],
        "unsent_since": unsent.since,
    }


def disabled_document(integration: Integration, done: SwitchedOff) -> DisabledDocument:
    """Return the document of an integration that has just been disabled."""
    return {**integration_document(integration), **_figures(done)}


def deleted_integration_document(
    integration_id: int, done: SwitchedOff
) -> DeletedIntegrationDocument:
    """Return the document of an integration that has just been deleted."""
    return {
        "id": integration_id,
        "deleted": True,
        **_figures(done),
        "triggers": sorted(done.triggers),
    }


def alert_answers_document(
    tested: Sequence[Tested], other_region: str | None, closed: int | None
) -> AlertAnswersDocument:
    """Return the document of the answers to test alerts."""
    return {
        "passed": all(one.passed for one in tested),
        "tests": [
            {
                "summary": one.summary,
                "passed": one.passed,
                "status_code": one.answer.status,
                "error": one.answer.reason,
                "response": one.answer.response,
                "advice": advice_on(one.answer.reason, one.answer.status, one.answer.response),
            }
            for one in tested
        ],
        "works_in_region": other_region,
        "closed": closed,
    }


def _figures(done: SwitchedOff) -> SwitchedOffFigures:
    return {"told": done.told, "cancelled": done.cancelled, "last_notification": done.closing}

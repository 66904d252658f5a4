"""Documents of integrations: as they stand, and what a change of one came to."""

from collections.abc import Sequence
from datetime import datetime

from typing_extensions import TypedDict

from wallarm_notify.domain.integration import Integration, SwitchedOff, Unsent
from wallarm_notify.domain.outcome import Tested


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
    enabled: bool
    """Whether it is sent anything."""
    disabled_by: str | None
    """Who disabled it; null while it is enabled."""
    disabled_at: datetime | None
    """When it was disabled; null while it is enabled."""
    disabled_reason: str | None
    """Why it was disabled; null while it is enabled."""
    failed_24h: int
    """Its notifications that ended as failed within the last 24 hours."""
    created_by: str
    """Who made it."""
    created_at: datetime
    """When it was made."""


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
    enabled: bool
    """Whether it is sent anything."""
    disabled_reason: str | None
    """Why it was disabled; null while it is enabled."""


class UnsentCounts(TypedDict):
    """How many notifications ended undelivered, by state."""

    skipped: int
    """Made while the integration was disabled."""
    cancelled: int
    """Waiting when it was disabled."""
    failed: int
    """Given up after the last attempt."""


class EnabledDocument(IntegrationDocument):
    """An integration that has just been enabled."""

    unsent: UnsentCounts
    """What was not delivered since it broke, and can be replayed."""
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


class AlertAnswersDocument(TypedDict):
    """The result of testing an integration."""

    passed: bool
    """Whether PagerDuty took all of them."""
    tests: list[AlertAnswerDocument]
    """The test alerts, in the order they were sent."""


def integration_document(integration: Integration) -> IntegrationDocument:
    """Return the document of an integration."""
    return {
        "id": integration.id,
        "client_id": integration.client_id,
        "name": integration.name,
        "region": integration.region,
        "key": integration.key,
        "subscriptions": list(integration.subscriptions),
        "enabled": integration.enabled,
        "disabled_by": integration.disabled_by,
        "disabled_at": integration.disabled_at,
        "disabled_reason": integration.disabled_reason,
        "failed_24h": integration.failed_24h,
        "created_by": integration.created_by,
        "created_at": integration.created_at,
    }


def integration_settings(integration: Integration) -> IntegrationSettings:
    """Return what is set of an integration."""
    return {
        "name": integration.name,
        "region": integration.region,
        "key": integration.key,
        "subscriptions": list(integration.subscriptions),
        "enabled": integration.enabled,
        "disabled_reason": integration.disabled_reason,
    }


def enabled_document(integration: Integration, unsent: Unsent) -> EnabledDocument:
    """Return the document of an integration that has just been enabled."""
    return {
        **integration_document(integration),
        "unsent": {
            "skipped": unsent.counts.get("skipped", 0),
            "cancelled": unsent.counts.get("cancelled", 0),
            "failed": unsent.counts.get("failed", 0),
        },
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


def alert_answers_document(tested: Sequence[Tested]) -> AlertAnswersDocument:
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
            }
            for one in tested
        ],
    }


def _figures(done: SwitchedOff) -> SwitchedOffFigures:
    return {"told": done.told, "cancelled": done.cancelled, "last_notification": done.closing}

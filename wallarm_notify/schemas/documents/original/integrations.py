"""Integrations as Wallarm's own API shows them."""

from collections.abc import Iterable

from typing_extensions import TypedDict

from wallarm_notify.domain.event import Subscription
from wallarm_notify.domain.integration import Integration, IntegrationState
from wallarm_notify.domain.original import TYPE
from wallarm_notify.schemas.documents.original.times import seconds_of


class SubscribedDocument(TypedDict):
    """A kind of events."""

    event: str
    """Its word, as security_issue_high."""
    active: bool
    """Whether the integration is notified of it."""


class OriginalIntegration(TypedDict):
    """An integration."""

    id: int
    """Its number."""
    active: bool
    """Whether it is enabled."""
    name: str
    """What people call it."""
    type: str
    """pager_duty."""
    created_at: int
    """When it was made, in seconds since 1970."""
    created_by: str
    """Who made it."""
    target: str
    """The end of its key, which may be written back."""
    events: list[SubscribedDocument]
    """All seven kinds of events."""
    system_active: bool
    """False where its failures disabled it."""
    resource_type: str
    """integration."""
    region: str
    """PagerDuty's service region: us or eu. The original has no such field."""


class IntegrationsBody(TypedDict):
    """What an answer with all integrations holds."""

    result: str
    """success."""
    object: list[OriginalIntegration]
    """All integrations of the client."""


class IntegrationsAnswer(TypedDict):
    """All integrations of a client."""

    body: IntegrationsBody
    """Them."""


class IntegrationBody(TypedDict):
    """What an answer with one integration holds."""

    result: str
    """success."""
    object: OriginalIntegration
    """The whole integration."""


class IntegrationAnswer(TypedDict):
    """One integration."""

    body: IntegrationBody
    """It."""


class DoneAnswer(TypedDict):
    """Something that is done."""

    status: int
    """200."""


DONE: DoneAnswer = {"status": 200}


def integrations_answer(integrations: Iterable[Integration]) -> IntegrationsAnswer:
    """Return the answer with all integrations of a client."""
    return {"body": {"result": "success", "object": [_document(one) for one in integrations]}}


def integration_answer(integration: Integration) -> IntegrationAnswer:
    """Return the answer with one integration."""
    return {"body": {"result": "success", "object": _document(integration)}}


def _document(integration: Integration) -> OriginalIntegration:
    chosen = set(integration.subscriptions)
    return {
        "id": integration.id,
        "active": integration.enabled,
        "name": integration.name,
        "type": TYPE,
        "created_at": seconds_of(integration.created_at),
        "created_by": integration.created_by,
        "target": integration.key,
        "events": [{"event": str(one), "active": one in chosen} for one in Subscription],
        "system_active": integration.state is not IntegrationState.DISABLED_AUTOMATICALLY,
        "resource_type": "integration",
        "region": integration.region,
    }

"""A model of each event type for Python services: an editor completes its fields, a type checker checks them.

::

    producer.emit(RuleCreated(client_id=1, rule_id=7, name="Block admin"))

Each is a model of ``schemas.catalogue``, whose fields it has, with an ``id`` and an ``occurred_at`` where none
is given. A field that the type lacks is refused; a subclass may add fields, which are kept and not sent.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID, uuid4

from pydantic import AwareDatetime, Field

from wallarm_notify.schemas import catalogue
from wallarm_notify.schemas.catalogue import Actor

__all__ = [
    "Actor",
    "ApiChanged",
    "ApplicationCreated",
    "ApplicationDeleted",
    "ApplicationRenamed",
    "AttackDetected",
    "EventModel",
    "GivenEvent",
    "HitDetected",
    "IncidentDetected",
    "IntegrationAutoDisabled",
    "IntegrationDeleted",
    "IntegrationDisabled",
    "IpDenylisted",
    "RogueApiDetected",
    "RuleCreated",
    "RuleDeleted",
    "RuleUpdated",
    "SecurityIssueDetected",
    "SpecificationUpdateFailed",
    "TriggerCreated",
    "TriggerDeleted",
    "TriggerUpdated",
    "UserCreated",
    "UserDeleted",
    "UserRoleChanged",
    "body_of",
]


def _now() -> datetime:
    return datetime.now(UTC)


class EventModel(catalogue.EventObject):
    """What the models of all types have. Id and time are made where they are missing."""

    id: UUID = Field(default_factory=uuid4)
    occurred_at: AwareDatetime = Field(default_factory=_now)


GivenEvent: TypeAlias = Mapping[str, Any] | EventModel
"""What a producer takes for an event: an object as it travels, or a model of it."""


def body_of(event: GivenEvent) -> dict[str, Any]:
    """Return the object of ``event`` as it travels; of a model, what was given besides id, type and time."""
    if not isinstance(event, EventModel):
        return dict(event)
    given = event.model_dump(exclude_unset=True)
    for name in ("type", "id", "occurred_at"):
        given[name] = getattr(event, name)
    return {name: _as_json(value) for name, value in given.items()}


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


class UserCreated(EventModel, catalogue.UserCreated, extra="forbid"):
    """A user was added to the company account."""

    type: Literal["user.created"] = "user.created"


class UserDeleted(EventModel, catalogue.UserDeleted, extra="forbid"):
    """A user was deleted from the company account."""

    type: Literal["user.deleted"] = "user.deleted"


class UserRoleChanged(EventModel, catalogue.UserRoleChanged, extra="forbid"):
    """A user has another role now."""

    type: Literal["user.role_changed"] = "user.role_changed"


class IntegrationDisabled(EventModel, catalogue.IntegrationDisabled, extra="forbid"):
    """An integration was disabled by somebody."""

    type: Literal["integration.disabled"] = "integration.disabled"


class IntegrationDeleted(EventModel, catalogue.IntegrationDeleted, extra="forbid"):
    """An integration was deleted."""

    type: Literal["integration.deleted"] = "integration.deleted"


class IntegrationAutoDisabled(EventModel, catalogue.IntegrationAutoDisabled, extra="forbid"):
    """An integration was disabled because too many of its requests failed."""

    type: Literal["integration.auto_disabled"] = "integration.auto_disabled"


class ApplicationCreated(EventModel, catalogue.ApplicationCreated, extra="forbid"):
    """An application was created."""

    type: Literal["application.created"] = "application.created"


class ApplicationDeleted(EventModel, catalogue.ApplicationDeleted, extra="forbid"):
    """An application was deleted."""

    type: Literal["application.deleted"] = "application.deleted"


class ApplicationRenamed(EventModel, catalogue.ApplicationRenamed, extra="forbid"):
    """An application has another name now."""

    type: Literal["application.renamed"] = "application.renamed"


class SpecificationUpdateFailed(EventModel, catalogue.SpecificationUpdateFailed, extra="forbid"):
    """The regular update of an API specification failed."""

    type: Literal["specification.update_failed"] = "specification.update_failed"


class RuleCreated(EventModel, catalogue.RuleCreated, extra="forbid"):
    """A rule was created."""

    type: Literal["rule.created"] = "rule.created"


class RuleUpdated(EventModel, catalogue.RuleUpdated, extra="forbid"):
    """A rule was changed."""

    type: Literal["rule.updated"] = "rule.updated"


class RuleDeleted(EventModel, catalogue.RuleDeleted, extra="forbid"):
    """A rule was deleted."""

    type: Literal["rule.deleted"] = "rule.deleted"


class TriggerCreated(EventModel, catalogue.TriggerCreated, extra="forbid"):
    """A trigger was created."""

    type: Literal["trigger.created"] = "trigger.created"


class TriggerUpdated(EventModel, catalogue.TriggerUpdated, extra="forbid"):
    """A trigger was changed, enabled or disabled."""

    type: Literal["trigger.updated"] = "trigger.updated"


class TriggerDeleted(EventModel, catalogue.TriggerDeleted, extra="forbid"):
    """A trigger was deleted."""

    type: Literal["trigger.deleted"] = "trigger.deleted"


class SecurityIssueDetected(EventModel, catalogue.SecurityIssueDetected, extra="forbid"):
    """A security issue was found, or found again."""

    type: Literal["security_issue.detected"] = "security_issue.detected"


class AttackDetected(EventModel, catalogue.AttackDetected, extra="forbid"):
    """An attack: hits of one type on one address."""

    type: Literal["attack.detected"] = "attack.detected"


class HitDetected(EventModel, catalogue.HitDetected, extra="forbid"):
    """One malicious request."""

    type: Literal["hit.detected"] = "hit.detected"


class IncidentDetected(EventModel, catalogue.IncidentDetected, extra="forbid"):
    """An attack that exploited a security issue."""

    type: Literal["incident.detected"] = "incident.detected"


class ApiChanged(EventModel, catalogue.ApiChanged, extra="forbid"):
    """An endpoint of the API is new, changed or unused."""

    type: Literal["api.changed"] = "api.changed"


class IpDenylisted(EventModel, catalogue.IpDenylisted, extra="forbid"):
    """An address was put on the denylist; without ``expires_at`` it stays there for ever."""

    type: Literal["ip.denylisted"] = "ip.denylisted"
    expires_at: AwareDatetime | None = None


class RogueApiDetected(EventModel, catalogue.RogueApiDetected, extra="forbid"):
    """An endpoint and the API's specification disagree."""

    type: Literal["rogue_api.detected"] = "rogue_api.detected"

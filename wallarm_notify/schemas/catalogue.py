"""The catalogue of events: one model per event type (spec 2), and the JSON Schema for producers.

Docstrings and fields of the models are what ``json_schema`` shows.
"""

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, Strict, TypeAdapter

from wallarm_notify.schemas.complaints import CONTRACT
from wallarm_notify.schemas.fields import (
    MAX_INT64,
    Count,
    EventId,
    EventTime,
    Flag,
    Id,
    Time,
    Whole,
    Words,
)
from wallarm_notify.schemas.storable import MAX_DEPTH, MAX_DIGITS, MAX_EVENT_BYTES


class Actor(BaseModel):
    """Who did it, where somebody did."""

    model_config = ConfigDict(extra="allow")

    id: Id | None = None
    name: str | None = None
    email: str | None = None


class EventObject(BaseModel):
    """What every event has. Unknown fields are kept in the record and not sent."""

    model_config = ConfigDict(extra="allow")

    id: EventId
    client_id: Annotated[int, Strict(), Field(ge=1, le=MAX_INT64)]
    occurred_at: EventTime
    actor: Actor | None = None


class UserCreated(EventObject):
    """A user was added to the company account."""

    type: Literal["user.created"]
    user_name: Words
    user_email: Words
    user_role: Words


class UserDeleted(EventObject):
    """A user was deleted from the company account."""

    type: Literal["user.deleted"]
    user_name: Words
    user_email: Words
    user_role: str | None = None


class UserRoleChanged(EventObject):
    """A user has another role now."""

    type: Literal["user.role_changed"]
    user_name: Words
    user_email: Words
    user_role: Words
    previous_role: Words


class _OfIntegration(EventObject):
    integration_id: Id
    integration_name: Words
    integration_type: str | None = None
    reason: str | None = None


class IntegrationDisabled(_OfIntegration):
    """An integration was disabled by somebody."""

    type: Literal["integration.disabled"]


class IntegrationDeleted(_OfIntegration):
    """An integration was deleted."""

    type: Literal["integration.deleted"]


class IntegrationAutoDisabled(_OfIntegration):
    """An integration was disabled because too many of its requests failed."""

    type: Literal["integration.auto_disabled"]
    failure_ratio: Annotated[float, Strict(), Field(ge=0, le=1)]
    attempts: Count
    failed: Count
    last_error: str | None = None


class _OfApplication(EventObject):
    application_id: Whole
    application_name: Words


class ApplicationCreated(_OfApplication):
    """An application was created."""

    type: Literal["application.created"]


class ApplicationDeleted(_OfApplication):
    """An application was deleted."""

    type: Literal["application.deleted"]


class ApplicationRenamed(_OfApplication):
    """An application has another name now."""

    type: Literal["application.renamed"]
    previous_name: Words


class SpecificationUpdateFailed(EventObject):
    """The regular update of an API specification failed."""

    type: Literal["specification.update_failed"]
    specification_id: Id
    specification_title: Words
    error: Words
    url: str | None = None
    used_for: Literal["rogue_api_detection", "specification_enforcement"] | None = None


class _OfRule(EventObject):
    rule_id: Id
    name: str | None = None
    rule_type: str | None = None
    changes: dict[str, Any] | None = None


class RuleCreated(_OfRule):
    """A rule was created."""

    type: Literal["rule.created"]


class RuleUpdated(_OfRule):
    """A rule was changed."""

    type: Literal["rule.updated"]


class RuleDeleted(_OfRule):
    """A rule was deleted."""

    type: Literal["rule.deleted"]


class _OfTrigger(EventObject):
    trigger_id: Id
    name: Words
    template_id: str | None = None
    changes: dict[str, Any] | None = None


class TriggerCreated(_OfTrigger):
    """A trigger was created."""

    type: Literal["trigger.created"]


class TriggerUpdated(_OfTrigger):
    """A trigger was changed, enabled or disabled."""

    type: Literal["trigger.updated"]


class TriggerDeleted(_OfTrigger):
    """A trigger was deleted."""

    type: Literal["trigger.deleted"]


class SecurityIssueDetected(EventObject):
    """A security issue was found, or found again."""

    type: Literal["security_issue.detected"]
    issue_id: Id
    title: Words
    risk: Literal["critical", "high", "medium", "low", "info"]
    host: str | None = None
    port: Annotated[int, Strict(), Field(ge=0, le=65_535)] | None = None
    path: str | None = None
    url: str | None = None
    method: str | None = None
    parameter: str | None = None
    discovered_by: str | None = None
    issue_type: str | None = None
    reopened: Flag | None = None
    link: str | None = None


class _OfTraffic(EventObject):
    attack_type: Words
    ip: str | None = None
    host: str | None = None
    application_id: Whole | None = None
    application_name: str | None = None
    path: str | None = None
    response_status: Annotated[int, Strict(), Field(ge=0, le=999)] | None = None
    target: Literal["server", "client", "database"] | None = None
    experimental: Flag | None = False


class AttackDetected(_OfTraffic):
    """An attack: hits of one type on one address."""

    type: Literal["attack.detected"]
    attack_id: Id


class HitDetected(_OfTraffic):
    """One malicious request."""

    type: Literal["hit.detected"]
    hit_id: Id
    in_sample: Flag | None = True


class IncidentDetected(_OfTraffic):
    """An attack that exploited a security issue."""

    type: Literal["incident.detected"]
    incident_id: Id
    issue_id: Id | None = None


class ApiChanged(EventObject):
    """An endpoint of the API is new, changed or unused."""

    type: Literal["api.changed"]
    method: Words
    host: Words
    path: Words
    change_type: Literal["added", "changed", "unused"]
    application_id: Whole | None = None
    application_name: str | None = None
    changed_parameters: list[Any] | None = None
    # One wrong item is enough: a hundred thousand error messages take half a second.
    sensitive_data: Annotated[list[str], Field(fail_fast=True)] | None = None
    link: str | None = None


class IpDenylisted(EventObject):
    """An address was put on the denylist; without ``expires_at`` it stays there for ever."""

    type: Literal["ip.denylisted"]
    ip: Words
    reason: Words
    expires_at: Time | None = None
    application_id: Whole | None = None
    application_name: str | None = None


class RogueApiDetected(EventObject):
    """An endpoint and the API's specification disagree."""

    type: Literal["rogue_api.detected"]
    method: Words
    host: Words
    path: Words
    kind: Literal["shadow", "zombie", "orphan"]
    application_id: Whole | None = None
    application_name: str | None = None
    specification_id: Id | None = None
    specification_title: str | None = None
    link: str | None = None


AnyEvent = Annotated[
    UserCreated
    | UserDeleted
    | UserRoleChanged
    | IntegrationDisabled
    | IntegrationDeleted
    | IntegrationAutoDisabled
    | ApplicationCreated
    | ApplicationDeleted
    | ApplicationRenamed
    | SpecificationUpdateFailed
    | RuleCreated
    | RuleUpdated
    | RuleDeleted
    | TriggerCreated
    | TriggerUpdated
    | TriggerDeleted
    | SecurityIssueDetected
    | AttackDetected
    | HitDetected
    | IncidentDetected
    | ApiChanged
    | IpDenylisted
    | RogueApiDetected,
    Field(discriminator="type"),
]

EVENT: Final[TypeAdapter[AnyEvent]] = TypeAdapter(AnyEvent)
"""The validator of an event of any type, chosen by its field ``type``."""


def _names(kind: Any) -> dict[str, tuple[str, ...]]:
    """Return the fields of each event type that may have a value of ``kind``."""
    models = get_args(get_args(AnyEvent)[0])
    return {
        get_args(model.model_fields["type"].annotation)[0]: tuple(
            name for name, field in model.model_fields.items() if _takes(field.annotation, kind)
        )
        for model in models
    }


def _takes(annotation: Any, kind: Any) -> bool:
    return annotation is kind or any(_takes(part, kind) for part in get_args(annotation))


WHOLE_FIELDS: Final = _names(int)
"""The fields that may have a whole number, by event type."""

TIME_FIELDS: Final = _names(AwareDatetime)
"""The fields that may have a time, by event type."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one event, for producers in other languages."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event",
        "description": (
            f"One event of a client's account. {CONTRACT}. It is a Celery task (JSON serializer), "
            'sent to the queue «events»: the message\'s body is [[], {"events": [event, …]}, {}]. '
            f"An event has at most {MAX_EVENT_BYTES} bytes of UTF-8, as JSON without blanks, "
            f"{MAX_DEPTH} levels, and numbers of at most {MAX_DIGITS} digits that a double can hold. "
            "Times are dates that exist, up to the year 9999; occurred_at is neither before 2015 nor "
            "more than 24 hours ahead, and more than 5 minutes ahead the event waits until it is not. "
            "Whole numbers may be written 12.0 or 1.2e1; a leap second (:60) is :59; NUL and half surrogate "
            "pairs in texts become U+FFFD. The same id of a client with the same body is a duplicate and harmless: "
            "values are compared, not their spelling."
        ),
        **EVENT.json_schema(),
    }

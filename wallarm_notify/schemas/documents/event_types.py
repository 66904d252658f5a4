"""Documents of event types: what each is called, and what an event of it has. Loads the models of ``catalogue``."""

import re

from typing_extensions import TypedDict

from wallarm_notify.domain.event import EVENT_TYPES
from wallarm_notify.schemas.catalogue import EventObject, json_schema


class EventTypeDocument(TypedDict):
    """An event type (spec 2)."""

    type: str
    """Its name, as events have it."""
    subscription: str | None
    """What an integration must subscribe to for it; null: only triggers use it."""
    notification_type: str
    """What the original calls it."""
    headline: str | None
    """How its alerts' summaries begin; null: the trigger says it."""
    required: list[str]
    """The fields that such an event must have, beyond those of every event."""
    optional: list[str]
    """The fields that such an event may have, beyond those of every event."""


def event_type_documents() -> list[EventTypeDocument]:
    """Return the document of every event type, in the order of the table of spec 2."""
    schema = json_schema()
    models = {
        name: schema["$defs"][re.sub(".*/", "", place)]
        for name, place in schema["discriminator"]["mapping"].items()
    }
    common = {"type", *EventObject.model_fields}
    documents: list[EventTypeDocument] = []
    for name, kind in EVENT_TYPES.items():
        model = models[name]
        required = [field for field in model["required"] if field not in common]
        by_risk = name == "security_issue.detected"
        documents.append(
            {
                "type": name,
                "subscription": "security_issue_<risk>" if by_risk else kind.subscription,
                "notification_type": kind.notification_type,
                "headline": kind.headline or None,
                "required": required,
                "optional": [f for f in model["properties"] if f not in {*common, *required}],
            }
        )
    return documents

"""Documents of event types: what each is called, and what an event of it has. Loads the models of ``catalogue``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

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


@cache
def event_type_documents() -> tuple[EventTypeDocument, ...]:
    """Return the document of every event type, in the order of the table of spec 2.

    They are made once in a process: making them takes 17 ms.
    """
    models = _models()
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
    return tuple(documents)


@dataclass(frozen=True, slots=True)
class DescribedField:
    """A field of an event, what it holds in words, and whether an event has to have it."""

    name: str
    """Its name in the event, with dots where it is within another."""
    words: str
    """What it holds."""
    is_required: bool
    """Whether an event without it is rejected."""


@dataclass(frozen=True, slots=True)
class DescribedType:
    """An event type for people: what such an event says, its fields, and its JSON Schema."""

    says: str
    """What such an event says, in a sentence."""
    fields: tuple[DescribedField, ...]
    """Its fields, in the order of the schema."""
    schema: Mapping[str, Any]
    """Its JSON Schema."""


@cache
def described_types() -> Mapping[str, DescribedType]:
    """Return the description of every event type by its name; made once in a process."""
    return {name: _described(model) for name, model in _models().items()}


def _described(model: Mapping[str, Any]) -> DescribedType:
    required = set(model["required"])
    fields = [
        DescribedField(name, _words_of(shape), name in required)
        for name, shape in model["properties"].items()
        if name != "type"
    ]
    ordered = sorted(fields, key=lambda one: not one.is_required)
    return DescribedType(model["description"].replace("``", ""), tuple(ordered), model)


def _words_of(shape: Mapping[str, Any]) -> str:
    """Return what a field may hold, in words: ``text or whole number``."""
    kinds = [one for one in shape.get("anyOf", [shape]) if one.get("type") != "null"]
    return " or ".join(dict.fromkeys(map(_kind_words, kinds)))


def _kind_words(shape: Mapping[str, Any]) -> str:
    if "enum" in shape:
        return f"one of {', '.join(shape['enum'])}"
    if "$ref" in shape:
        return "an object with id, name and email"
    kind = shape.get("type", "object")
    if kind == "string":
        return _OF_FORMAT.get(shape.get("format", ""), "text")
    if kind == "array" and shape["items"].get("type") == "string":
        return "a list of texts"
    return f"{_OF_KIND[kind]}{_limits(shape)}"


_OF_FORMAT: Final = {"uuid": "a UUID", "date-time": "a time with its zone"}
_OF_KIND: Final = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}
_ANY_NUMBER: Final = 2**31
"""Limits from here on are those of the database, which tell people nothing."""


def _limits(shape: Mapping[str, Any]) -> str:
    low, high = shape.get("minimum", -_ANY_NUMBER), shape.get("maximum", _ANY_NUMBER)
    if high < _ANY_NUMBER:
        return f" from {low} to {high}"
    return f" from {low} on" if low > -_ANY_NUMBER else ""


def _models() -> Mapping[str, Any]:
    """Return the JSON Schema of each event type by its name."""
    schema = json_schema()
    return {
        name: schema["$defs"][re.sub(".*/", "", place)]
        for name, place in schema["discriminator"]["mapping"].items()
    }

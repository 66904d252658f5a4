"""Documents of previews, and of checks of events that are not sent."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from typing_extensions import TypedDict

from wallarm_notify.domain.event import Event
from wallarm_notify.domain.preview import End, Glances, Previewed
from wallarm_notify.domain.preview_words import end_words, sentence_of


class FaultDocument(TypedDict):
    """A fault of a line."""

    line: int
    """The number of the line, from 1."""
    fault: str
    """What is wrong, in a sentence."""


class CheckDocument(TypedDict):
    """What a check of events found."""

    valid: int
    """How many events would be taken in."""
    faulty: int
    """How many lines have faults."""
    faults: list[FaultDocument]
    """Each fault, in the order of the lines."""


class PreviewedWayDocument(TypedDict):
    """What would become of an event on one way."""

    integration_id: int | None
    """The integration; null: the trigger names none."""
    integration_name: str | None
    """What people call it."""
    trigger_id: int | None
    """The trigger; null: the integration subscribes to it."""
    trigger_name: str | None
    """What people call it."""
    end: str
    """notified, counted, skipped, filtered, not_counted, trigger_disabled or no_integration."""
    words: str
    """The same in a sentence, with the reason."""
    alert: Mapping[str, Any] | None
    """The body that would be sent, without its key; of what is counted, once there are enough; null: none."""
    push: str | None
    """What a locked phone shows of it."""
    sms: str | None
    """What one SMS has room for: 160 characters."""
    incident: str | None
    """How a list of incidents shows it."""


class PreviewedEventDocument(TypedDict):
    """What would become of an event by its client's rules of now."""

    line: int
    """The number of its line, from 1."""
    event_id: UUID
    """Its id; one that had none was given one."""
    client_id: int
    """Its client."""
    type: str
    """Its type."""
    sentence: str
    """Who would be told, in a sentence."""
    ways: list[PreviewedWayDocument]
    """Each way that the rules have for it, those that lead nowhere included."""


class PreviewDocument(TypedDict):
    """What would become of events that are not sent."""

    items: list[PreviewedEventDocument]
    """The events that would be taken in."""
    faults: list[FaultDocument]
    """Why the others would not be."""


ShownAlert = tuple[Mapping[str, Any], Glances]
"""The body of an alert, and its first words."""


def previewed_event_document(
    line: int, event: Event, ways: Sequence[tuple[Previewed, ShownAlert | None]]
) -> PreviewedEventDocument:
    """Return the document of an event that was not sent."""
    return {
        "line": line,
        "event_id": event.id,
        "client_id": event.client_id,
        "type": event.type,
        "sentence": sentence_of(one for one, _ in ways),
        "ways": [_way_document(one, event, alert) for one, alert in ways],
    }


def _way_document(one: Previewed, event: Event, alert: ShownAlert | None) -> PreviewedWayDocument:
    integration, trigger = one.way.integration, one.way.trigger
    body, glances = alert or (None, None)
    return {
        "integration_id": None if integration is None else integration.id,
        "integration_name": None if integration is None else integration.name,
        "trigger_id": None if trigger is None else trigger.id,
        "trigger_name": None if trigger is None else trigger.name,
        "end": End(one.end),
        "words": end_words(one, event),
        "alert": body,
        "push": None if glances is None else glances.push,
        "sms": None if glances is None else glances.sms,
        "incident": None if glances is None else glances.incident,
    }

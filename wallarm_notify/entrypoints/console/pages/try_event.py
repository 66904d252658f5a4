"""Try an event: whom the rules of now would notify of it, and how; and the types of events."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.event import EVENT_TYPES, Event, check_event_type
from wallarm_notify.domain.integration_card import subscription_words
from wallarm_notify.domain.preview import End, Previewed
from wallarm_notify.domain.preview_words import end_words, sentence_of
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.triggers.condition import CONDITIONS_OF
from wallarm_notify.domain.why_words import NOUNS
from wallarm_notify.entrypoints.api.fields import Asked
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.event_words import title_of
from wallarm_notify.entrypoints.console.excerpts import fits, within
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.schemas.check import EventCheck
from wallarm_notify.schemas.documents.event_types import described_types
from wallarm_notify.schemas.json_text import NoJson, value_of
from wallarm_notify.schemas.samples import sample_of
from wallarm_notify.schemas.sendable import read_sendable
from wallarm_notify.services.preview import PreviewedAlert, PreviewedEvent, preview_events

router = APIRouter(route_class=PageRoute)

FIRST_TYPE: Final = "security_issue.detected"
"""The type that the form begins with."""

MOST_ALERTS: Final = 5
"""So many alerts are shown whole; of others only whom they tell."""

LONGEST_ALERT: Final = 4000

TypeName = Annotated[str, Path(max_length=100)]


class TryAsked(Asked):
    """Of which type the example is that the form is filled with."""

    type: Annotated[str, Field(max_length=100)] = FIRST_TYPE
    client_id: str | None = None


@router.get("/events/try")
@needs(Thing.EVENTS, Verb.PREVIEW)
def ask(visit: Visited, asked: Annotated[TryAsked, Query()]) -> Response:
    """Show an example of a type, to be changed and tried; of several clients somebody chooses one."""
    client_id = visit.shell.only_client
    if client_id is None:
        return visit.page("choose_client.html", title="Try an event")
    event_type = check_event_type(asked.type)
    example = json.dumps(sample_of(event_type), indent=2, ensure_ascii=False)
    return _form(visit, client_id, event_type, example)


@router.post("/events/try")
@needs(Thing.EVENTS, Verb.PREVIEW)
def preview(visit: Visited) -> Response:
    """Show whom an event would tell by the rules of now; nothing is stored and nothing sent."""
    client_id, text = visit.one_client(), visit.text("event")
    obj = _object_in(text, client_id)
    if isinstance(obj, str):
        return _form(visit, client_id, FIRST_TYPE, text, faults=[obj])
    event = EventCheck(datetime.now(UTC), completes=True).read(1, obj)
    if not isinstance(event, Event):
        return _form(visit, client_id, _type_in(obj), text, faults=event)
    shown_alert = visit.console.parts.wiring.shown_alert
    (found,) = preview_events(visit.pages, visit.scope, [event], shown_alert)
    return _form(visit, client_id, event.type, text, found=found)


@router.post("/events/send")
@needs(Thing.EVENTS, Verb.SEND)
def send(visit: Visited) -> Response:
    """Send an event that was tried, and lead to what becomes of it. It has its id, so twice sent is once taken in."""
    client_id, text = visit.one_client(), visit.text("event")
    obj, now = _object_in(text, client_id), datetime.now(UTC)
    if isinstance(obj, str):
        return _form(visit, client_id, FIRST_TYPE, text, faults=[obj])
    read = read_sendable([obj], now, None)
    if read.broken:
        faults = [" ".join([*map(str, where), sentence]) for where, sentence in read.broken[0]]
        return _form(visit, client_id, _type_in(obj), text, faults=faults)
    sender = visit.signed_in.caller.sender
    visit.console.parts.events.send(read.events, sender, now.isoformat())
    return visit.go(f"/events/{read.events[0].id}?sent=1")


@router.get("/events/types")
@needs(Thing.EVENT_TYPES, Verb.VIEW)
def show_types(visit: Visited) -> Response:
    """Show the types that events have, and who can be told of each."""
    described = described_types()
    rows = [(name, described[name].says, _ways_to_hear(name)) for name in EVENT_TYPES]
    return visit.page("event_types.html", rows=rows)


@router.get("/events/types/{event_type}")
@needs(Thing.EVENT_TYPES, Verb.VIEW)
def show_type(visit: Visited, event_type: TypeName) -> Response:
    """Show what an event of a type says, field by field, with an example."""
    described = described_types().get(event_type)
    if described is None:
        raise NotFound(f"There is no type {event_type}.")
    example = {"client_id": visit.shell.only_client or 1, **sample_of(event_type)}
    return visit.page(
        "event_type.html",
        event_type=event_type,
        described=described,
        ways=_ways_to_hear(event_type),
        nouns=NOUNS[event_type],
        example=json.dumps(example, indent=2, ensure_ascii=False),
        schema=within(json.dumps(described.schema, indent=2), 12_000),
    )


def _ways_to_hear(event_type: str) -> str:
    """Return by what somebody is told of events of a type: a subscription, triggers, or both."""
    subscription = EVENT_TYPES[event_type].subscription
    ways = []
    if event_type == "security_issue.detected":
        ways.append("Security issues, by risk")
    elif subscription is not None:
        ways.append(subscription_words([subscription]))
    if event_type in CONDITIONS_OF:
        ways.append("triggers" if ways else "Triggers alone")
    return " and ".join(ways)


def _object_in(text: str, client_id: int) -> dict[str, Any] | str:
    """Return the event in a text as one of the client, or what is wrong with the text."""
    try:
        value = value_of(text)
    except NoJson as error:
        return f"The event {error}."
    if not isinstance(value, dict):
        return "Give one event: an object in braces."
    if value.get("client_id") not in (None, client_id):
        return f"This page is of client {client_id}: leave client_id out, or give that number."
    return {**value, "client_id": client_id}


def _type_in(obj: dict[str, Any]) -> str:
    given = obj.get("type")
    return given if isinstance(given, str) and given in EVENT_TYPES else FIRST_TYPE


def _form(
    visit: Visit,
    client_id: int,
    event_type: str,
    text: str,
    *,
    faults: Sequence[str] = (),
    found: PreviewedEvent | None = None,
) -> Response:
    ways = [] if found is None else [_way(one, alert, found.event) for one, alert in found.ways]
    return visit.page(
        "event_try.html",
        status=400 if faults else 200,
        client_id=client_id,
        types=list(EVENT_TYPES),
        event_type=event_type,
        text=text,
        faults=faults,
        event=None if found is None else found.event,
        title="" if found is None else title_of(found.event),
        sentence="" if found is None else sentence_of(one for one, _ in found.ways),
        is_notified=any(way["end"] is End.NOTIFIED for way in ways),
        ways=ways,
        most_alerts=MOST_ALERTS,
        whole=None if found is None or not fits(found.event.text) else found.event.text,
    )


_ICONS: Final = {End.NOTIFIED: ("bell", "good"), End.COUNTED: ("rule", "next")}


def _way(one: Previewed, alert: PreviewedAlert | None, event: Event) -> dict[str, Any]:
    body = None if alert is None else json.dumps(alert.body, indent=2, ensure_ascii=False)
    return {
        "end": one.end,
        "icon": _ICONS.get(one.end, ("off", "off")),
        "words": end_words(one, event),
        "push": None if alert is None else alert.glances.push,
        "body": None if body is None else within(body, LONGEST_ALERT),
    }

"""Events: sent, found by what people have of one, why nobody was notified, and previews."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError
from starlette.datastructures import Headers
from starlette.responses import Response

from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.event import Event, check_event_type
from wallarm_notify.domain.keyed_ids import KEY_FORM
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.views import EventFilter
from wallarm_notify.domain.why import Absent, Reason
from wallarm_notify.domain.why_words import absence_words
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.api.answers import answer
from wallarm_notify.entrypoints.api.direct import direct
from wallarm_notify.entrypoints.api.faults import WrongFields, safe_name, without_input
from wallarm_notify.entrypoints.api.fields import Asked, EventTypeWord, Id, InPeriod, Sent
from wallarm_notify.entrypoints.api.parts import Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs
from wallarm_notify.producer import MAX_BATCH
from wallarm_notify.schemas.check import EventCheck
from wallarm_notify.schemas.documents.accepted import AcceptedDocument, accepted_document
from wallarm_notify.schemas.documents.event_listing import EventsDocument, events_document
from wallarm_notify.schemas.documents.preview import (
    FaultDocument,
    PreviewDocument,
    previewed_event_document,
)
from wallarm_notify.schemas.documents.why import WhyDocument, why_document
from wallarm_notify.schemas.sendable import Sendable, read_sendable
from wallarm_notify.services.event_listings import list_events
from wallarm_notify.services.preview import preview_events
from wallarm_notify.services.why import why

MOST_PREVIEWED = 100
LARGEST_PREVIEW = 10_000_000
"""Bytes of a body of that many events."""

MOST_SENT = MAX_BATCH
LARGEST_SENT = 10_000_000
"""Bytes of a body of that many events."""

MOST_FAULTS = 100
"""So many faults are told at most."""

LONGEST_SOUGHT = 2000

router = APIRouter(prefix="/notify/v1/events", tags=["events"], route_class=CheckedRoute)


class EventsAsked(InPeriod):
    """Which events are listed."""

    client_id: Annotated[Id | None, Field(description="Only this client's.")] = None
    find: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=LONGEST_SOUGHT,
            description="What you have of one, whole: an issue's, an attack's or a rule's id, an IP address, a host, "
            "an e-mail address, a name, a title, the event_id or firing_id of an alert, or its dedup key.",
        ),
    ] = None
    type: Annotated[EventTypeWord | None, Field(description="Only those of this type.")] = None
    notification_id: Annotated[
        Id | None, Field(description="Only what this notification was made of.")
    ] = None


class WhoseEvent(Asked):
    """Whose event it is: events of two clients may share an id."""

    client_id: Annotated[Id | None, Field(description="Default: the token's own client.")] = None


class PreviewSent(Sent):
    """Events that are looked at and not sent; one without id or occurred_at gets one."""

    events: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_PREVIEWED)]


class EventsSent(Sent):
    """Events that are sent; one without an id gets one, and without a key also a time."""

    events: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_SENT)]


_KEY: Final = TypeAdapter(Annotated[str, Field(pattern=KEY_FORM)])


def _read_send(value: Any, headers: Headers) -> dict[str, Any]:
    """Return the arguments of ``send``. Raise RequestValidationError, as where the framework reads them."""
    faults: list[Any] = []
    sent = key = None
    if (given := headers.get("idempotency-key")) is not None:
        try:
            key = _KEY.validate_python(given)
        except ValidationError as error:
            faults += [one | {"loc": ("header", "Idempotency-Key")} for one in error.errors()]
    try:
        sent = EventsSent.model_validate(value)
    except ValidationError as error:
        faults += [one | {"loc": ("body", *one["loc"])} for one in error.errors()]
    if faults:
        raise RequestValidationError(faults)
    return {"sent": sent, "idempotency_key": key}


@router.post("", response_model=AcceptedDocument, status_code=202)
@direct(_read_send)
@needs(Thing.EVENTS, Verb.SEND, largest=LARGEST_SENT)
def send(
    call: Called,
    sent: EventsSent,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=KEY_FORM,
            description="A name of this call, up to 255 printable characters of ASCII. Made again with it, the call "
            "has the same ids, and nothing is taken in twice. Every event then needs its occurred_at.",
        ),
    ] = None,
) -> Response:
    """Send events of any client: all of them or, where one is wrong, none. They are taken in once workers come to it.

    202: the broker has confirmed all. 503: it has not; what it may have is said.
    """
    now = datetime.now(UTC)
    read = read_sendable(sent.events, now, idempotency_key)
    if read.broken:
        raise wrong_events(read)
    call.parts.events.send(read.events, call.caller.sender, now.isoformat())
    return answer(accepted_document(read.events), 202)


def wrong_events(read: Sendable) -> WrongFields:
    """Return what is answered to a call with wrong events: for each field what is asked for."""
    fields: dict[str, str] = {}
    for place, broken in read.broken.items():
        for where, sentence in broken:
            name = ".".join(map(str, ("events", place, *map(safe_name, where))))
            fields.setdefault(name, without_input(sentence))
    first = dict(list(fields.items())[:MOST_FAULTS])
    wrong = counted(len(read.broken), "event")
    more = f" The first {MOST_FAULTS} faults are told." if len(fields) > len(first) else ""
    return WrongFields(first, f"Nothing was sent: {wrong} would be rejected.{more}")


@router.get("", response_model=EventsDocument)
@needs(Thing.EVENTS, Verb.VIEW)
def list_them(call: Called, asked: Annotated[EventsAsked, Query()]) -> Response:
    """List events, the newest first: when each came in, what it is about, how many notifications it made."""
    sought = None if asked.find is None else asked.find.strip()
    if sought is not None and asked.notification_id is not None:
        raise Refused("give either find or notification_id.", field="find")
    wanted = EventFilter(
        client_id=asked.client_id,
        event_type=None if asked.type is None else check_event_type(asked.type),
        sought=sought,
        notification_id=asked.notification_id,
        came=asked.period,
    )
    page, around = list_events(
        call.pages, call.scope, wanted, limit=asked.limit, cursor=asked.after
    )
    return answer(events_document(page, around))


@router.get("/{event_id}", response_model=WhyDocument)
@needs(Thing.EVENTS, Verb.VIEW)
def show_why(
    call: Called,
    event_id: UUID,
    asked: Annotated[WhoseEvent, Query()],
) -> Response:
    """Show who was notified of an event, and why all others were not.

    Where no event of this id was taken in, it says what else is known of the id.
    """
    found = why(call.pages, call.scope, call.client(asked.client_id), event_id)
    if isinstance(found, Absent) and found.causes[0].reason is Reason.NOT_HERE:
        raise NotFound(absence_words(found)[0])
    return answer(why_document(found))


@router.post("/preview", response_model=PreviewDocument)
@needs(Thing.EVENTS, Verb.PREVIEW, largest=LARGEST_PREVIEW)
def preview(call: Called, sent: PreviewSent) -> Response:
    """Show who would be notified of events by the rules of now, and the alerts. Nothing is stored and nothing sent."""
    check = EventCheck(datetime.now(UTC), completes=True)
    faults: list[FaultDocument] = []
    events: list[tuple[int, Event]] = []
    for place, one in enumerate(sent.events, 1):
        read = check.read(place, one)
        if isinstance(read, Event):
            events.append((place, read))
        else:
            faults += [{"line": place, "fault": without_input(fault)} for fault in read]
    found = preview_events(
        *(call.pages, call.scope, [event for _, event in events]), call.parts.wiring.shown_alert
    )
    items = [
        previewed_event_document(place, one.event, one.shown)
        for (place, _), one in zip(events, found, strict=True)
    ]
    return answer(PreviewDocument(items=items, faults=faults))

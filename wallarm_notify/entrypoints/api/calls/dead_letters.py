"""Dead letters: what was not taken in is shown and resubmitted, and what waits for its time is shown."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.errors import Hint, Refused, Todo
from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.entrypoints.api.answers import answer, page_answer
from wallarm_notify.entrypoints.api.fields import DIGITS, LARGEST_PAGE, Asked, Paged, PathId, Sent
from wallarm_notify.entrypoints.api.parts import Call, Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs
from wallarm_notify.schemas.call_text import read_event_text, read_message_text
from wallarm_notify.schemas.documents.events import (
    AheadDocument,
    RejectionDocument,
    RejectionItem,
    ResubmittedDocument,
    ResubmittedMessageDocument,
    SetAsideDocument,
    UndecodableDocument,
    ahead_document,
    rejection_document,
    rejection_item,
    resubmitted_document,
    resubmitted_message_document,
    set_aside_document,
    undecodable_document,
)
from wallarm_notify.schemas.documents.listing import Listing
from wallarm_notify.schemas.json_text import NoJson, text_of
from wallarm_notify.schemas.read import read_event
from wallarm_notify.services.listings import (
    list_ahead,
    list_rejections,
    list_set_aside,
    list_undecodable,
    show_rejection,
    show_set_aside,
    show_undecodable,
)
from wallarm_notify.services.resubmit import rejected_body, resubmit_event
from wallarm_notify.services.resubmit_message import (
    SET_ASIDE,
    UNDECODABLE,
    Kept,
    message_body,
    resubmit_message,
)

MOST_MENDED = 1000
LARGEST_MENDED = 10_000_000
"""Bytes of a body of that many events."""

router = APIRouter(prefix="/notify/v1", tags=["dead letters"], route_class=CheckedRoute)


class MendedEventSent(Sent):
    """The rejected event mended; null: it is taken in as it was kept."""

    event: dict[str, Any] | None = None


class MendedEventsSent(Sent):
    """The events of a message mended; null: they are taken in as they were kept."""

    events: Annotated[list[dict[str, Any]] | None, Field(min_length=1, max_length=MOST_MENDED)] = (
        None
    )


class AheadAsked(Asked):
    """How many events that are ahead are listed."""

    limit: Annotated[
        int, Field(ge=1, le=LARGEST_PAGE, description="How many to list at most."), DIGITS
    ] = 50


@router.get("/rejected-events", response_model=Listing[RejectionItem])
@needs(Thing.REJECTED_EVENTS, Verb.VIEW)
def list_rejected_events(call: Called, asked: Annotated[Paged, Query()]) -> Response:
    """List the events that were rejected, each with the reason, the newest first."""
    page = list_rejections(call.pages, call.scope, limit=asked.limit, cursor=asked.after)
    return page_answer(page, rejection_item)


@router.get("/rejected-events/{rejected_id}", response_model=RejectionDocument)
@needs(Thing.REJECTED_EVENTS, Verb.VIEW)
def show_rejected_event(call: Called, rejected_id: PathId) -> Response:
    """Show one rejected event with all that was kept of it."""
    return answer(rejection_document(show_rejection(call.pages, call.scope, rejected_id)))


@router.post("/rejected-events/{rejected_id}/resubmit", response_model=ResubmittedDocument)
@needs(Thing.REJECTED_EVENTS, Verb.RESUBMIT)
def resubmit_rejected_event(call: Called, rejected_id: PathId, sent: MendedEventSent) -> Response:
    """Take in a rejected event after all, as it was kept or mended; asked again it is refused."""
    read = (
        read_event_text(rejected_body(call.ctx, call.scope, rejected_id))
        if sent.event is None
        else read_event(sent.event)
    )
    if isinstance(read, Rejection):
        raise Refused(read.reason, hint=Hint(Todo.MEND))
    routed = resubmit_event(call.ctx, call.actor, call.scope, rejected_id, read)
    return answer(resubmitted_document(rejected_id, read, routed))


@router.get("/undecodable-messages", response_model=Listing[UndecodableDocument])
@needs(Thing.UNDECODABLE_MESSAGES, Verb.VIEW)
def list_undecodable_messages(call: Called, asked: Annotated[Paged, Query()]) -> Response:
    """List the messages that no events could be read from, the newest first."""
    page = list_undecodable(call.pages, call.scope, limit=asked.limit, cursor=asked.after)
    return page_answer(page, undecodable_document)


@router.get("/undecodable-messages/{message_id}", response_model=UndecodableDocument)
@needs(Thing.UNDECODABLE_MESSAGES, Verb.VIEW)
def show_undecodable_message(call: Called, message_id: PathId) -> Response:
    """Show one undecodable message with all that was kept of it."""
    return answer(undecodable_document(show_undecodable(call.pages, call.scope, message_id)))


@router.post(
    "/undecodable-messages/{message_id}/resubmit", response_model=ResubmittedMessageDocument
)
@needs(Thing.UNDECODABLE_MESSAGES, Verb.RESUBMIT, largest=LARGEST_MENDED)
def resubmit_undecodable_message(
    call: Called, message_id: PathId, sent: MendedEventsSent
) -> Response:
    """Take in the events of an undecodable message after all, as they were kept or mended."""
    return _resubmitted(call, UNDECODABLE, message_id, sent)


@router.get("/set-aside-calls", response_model=Listing[SetAsideDocument])
@needs(Thing.SET_ASIDE_CALLS, Verb.VIEW)
def list_set_aside_calls(call: Called, asked: Annotated[Paged, Query()]) -> Response:
    """List the calls that were set aside because workers died of them, the newest first."""
    page = list_set_aside(call.pages, call.scope, limit=asked.limit, cursor=asked.after)
    return page_answer(page, set_aside_document)


@router.get("/set-aside-calls/{call_id}", response_model=SetAsideDocument)
@needs(Thing.SET_ASIDE_CALLS, Verb.VIEW)
def show_set_aside_call(call: Called, call_id: PathId) -> Response:
    """Show one call that is set aside, with its whole body."""
    return answer(set_aside_document(show_set_aside(call.pages, call.scope, call_id)))


@router.post("/set-aside-calls/{call_id}/resubmit", response_model=ResubmittedMessageDocument)
@needs(Thing.SET_ASIDE_CALLS, Verb.RESUBMIT, largest=LARGEST_MENDED)
def resubmit_set_aside_call(call: Called, call_id: PathId, sent: MendedEventsSent) -> Response:
    """Take in the events of a call that was set aside, kept or mended, and forget it."""
    return _resubmitted(call, SET_ASIDE, call_id, sent)


@router.get("/events-ahead", response_model=Listing[AheadDocument])
@needs(Thing.EVENTS_AHEAD, Verb.VIEW)
def list_events_ahead(call: Called, asked: Annotated[AheadAsked, Query()]) -> Response:
    """List the events that are kept apart as their time lies ahead, the next to be taken in first.

    There is one page: while it is read, events are taken in at its beginning.
    """
    return page_answer(list_ahead(call.pages, call.scope, limit=asked.limit), ahead_document)


def _resubmitted(call: Call, kept: Kept, message_id: int, sent: MendedEventsSent) -> Response:
    events, rejections = (
        events_in_message(message_body(call.ctx, call.scope, kept, message_id))
        if sent.events is None
        else _events_of(sent.events)
    )
    routed = resubmit_message(
        *(call.ctx, call.actor, call.scope, kept, message_id), events=events, rejections=rejections
    )
    return answer(resubmitted_message_document(message_id, routed))


def events_in_message(body: bytes) -> tuple[list[Event], list[Rejection]]:
    """Return the events and rejections of a kept message. Raise Refused where no events can be read from it."""
    try:
        return read_message_text(text_of(body))
    except NoJson as error:
        raise Refused(f"The message {error}.", hint=Hint(Todo.MEND)) from None


def _events_of(sent: Sequence[dict[str, Any]]) -> tuple[list[Event], list[Rejection]]:
    read = [read_event(one) for one in sent]
    return (
        [one for one in read if isinstance(one, Event)],
        [one for one in read if isinstance(one, Rejection)],
    )

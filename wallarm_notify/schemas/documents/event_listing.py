"""The document of the listing of events."""

from datetime import datetime
from uuid import UUID

from typing_extensions import TypedDict

from wallarm_notify.domain.page import Page
from wallarm_notify.domain.subjects import words_of
from wallarm_notify.domain.views import EventsAround, ShownEvent
from wallarm_notify.schemas.documents.listing import Listing, listing


class EventItem(TypedDict):
    """An event in a listing."""

    id: UUID
    """The id that its producer gave it; events of two clients may share one."""
    client_id: int
    """Whose event it is."""
    type: str
    """Its type."""
    occurred_at: datetime
    """When it happened."""
    received_at: datetime
    """When it came in."""
    subject: str
    """What it is about, in a few words for people."""
    notifications: int
    """How many notifications were made of it, skipped ones included."""
    counted: bool
    """Whether a trigger counted it, or fired for it."""


class AroundDocument(TypedDict):
    """What there is where nothing was found."""

    events: int
    """Events of the client that came in the time that was searched."""
    more: bool
    """Whether there are more than that."""
    oldest: datetime | None
    """When the first event of the client came that is stored, whatever was searched; null: there is none."""
    newest: datetime | None
    """When the last one came; null: there is none."""


class EventsDocument(Listing[EventItem]):
    """One page of events."""

    around: AroundDocument | None
    """What there is where nothing was found; null: something was, or older events have to be searched yet."""


def events_document(page: Page[ShownEvent], around: EventsAround | None) -> EventsDocument:
    """Return the document of a page of events."""
    items = [event_item(one) for one in page.items]
    following = None if page.following is None else str(page.following)
    return {
        **listing(items, following, page.searched_back_to),
        "around": None if around is None else around_document(around),
    }


def event_item(shown: ShownEvent) -> EventItem:
    """Return the document of an event in a listing."""
    event = shown.event
    return {
        "id": event.id,
        "client_id": event.client_id,
        "type": event.type,
        "occurred_at": event.occurred_at,
        "received_at": shown.received_at,
        "subject": words_of(event),
        "notifications": shown.notifications,
        "counted": shown.counted,
    }


def around_document(around: EventsAround) -> AroundDocument:
    """Return the document of what there is around."""
    return {
        "events": around.number,
        "more": around.more,
        "oldest": around.oldest,
        "newest": around.newest,
    }

"""What was not read: undecodable messages, calls that were set aside, and events that wait for their time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.routed import Routed
from wallarm_notify.entrypoints.api.calls.dead_letters import events_in_message
from wallarm_notify.entrypoints.api.fields import Asked, PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.services.ledger import balance
from wallarm_notify.services.listings import (
    list_ahead,
    list_set_aside,
    list_undecodable,
    show_set_aside,
    show_undecodable,
)
from wallarm_notify.services.resubmit_message import (
    SET_ASIDE,
    UNDECODABLE,
    Kept,
    message_body,
    resubmit_message,
)

router = APIRouter(route_class=PageRoute)

ROWS: Final = 40
"""So many rows are on a page."""

MOST_AHEAD: Final = 100
"""So many events that are ahead are shown: there is one page of them."""

SHOWN: Final = 8000
"""So many characters of a message are shown; a longer one is not mended here."""


class MessagesAsked(Asked):
    """Which page is asked for."""

    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$")] = None
    client_id: str | None = None

    @property
    def cursor(self) -> int | None:
        """The number that the page begins behind; None: it is the first one."""
        return None if self.after is None else int(self.after)


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was kept, for people.

    ``came_at`` is when it was kept, ``retry_at`` when it is tried again by itself; None: never. ``ended_at`` is when
    its events were taken in; None: they were not.
    """

    id: int
    kept: Kept
    path: str
    listing: str
    why: str
    came_at: datetime
    content_type: str | None
    bytes: int
    cut: bool
    text: str
    retry_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_editable(self) -> bool:
        """Whether it is short enough to be mended on a page."""
        return not self.cut and len(self.text) <= SHOWN


@router.get("/undecodable")
@needs(Thing.UNDECODABLE_MESSAGES, Verb.VIEW)
def show_all(visit: Visited, asked: Annotated[MessagesAsked, Query()]) -> Response:
    """Show the messages that no events could be read from, the newest first."""
    page = list_undecodable(visit.pages, visit.scope, limit=ROWS, cursor=asked.cursor)
    return visit.page("undecodable.html", page=page, asked=asked, counts=_counts(visit))


@router.get("/undecodable/set-aside")
@needs(Thing.SET_ASIDE_CALLS, Verb.VIEW)
def show_calls(visit: Visited, asked: Annotated[MessagesAsked, Query()]) -> Response:
    """Show the calls that workers died of, the newest first."""
    page = list_set_aside(visit.pages, visit.scope, limit=ROWS, cursor=asked.cursor)
    return visit.page("set_aside.html", page=page, asked=asked, counts=_counts(visit))


@router.get("/undecodable/ahead")
@needs(Thing.EVENTS_AHEAD, Verb.VIEW)
def show_ahead(visit: Visited) -> Response:
    """Show the events that are ahead of their time, the next to be taken in first."""
    page = list_ahead(visit.pages, visit.scope, limit=MOST_AHEAD)
    return visit.page("ahead.html", events=page.items, counts=_counts(visit))


@router.get("/undecodable/set-aside/{call_id}")
@needs(Thing.SET_ASIDE_CALLS, Verb.VIEW)
def show_call(visit: Visited, call_id: PathId) -> Response:
    """Show a call that workers died of."""
    return _shown(visit, _call(visit, call_id))


@router.post("/undecodable/set-aside/{call_id}/resubmit")
@needs(Thing.SET_ASIDE_CALLS, Verb.RESUBMIT)
def resubmit_call(visit: Visited, call_id: PathId) -> Response:
    """Take in the events of a call that workers died of, as it was kept or mended."""
    return _resubmitted(visit, call_id, SET_ASIDE, _call)


@router.get("/undecodable/{message_id}")
@needs(Thing.UNDECODABLE_MESSAGES, Verb.VIEW)
def show_message(visit: Visited, message_id: PathId) -> Response:
    """Show an undecodable message."""
    return _shown(visit, _message(visit, message_id))


@router.post("/undecodable/{message_id}/resubmit")
@needs(Thing.UNDECODABLE_MESSAGES, Verb.RESUBMIT)
def resubmit(visit: Visited, message_id: PathId) -> Response:
    """Take in the events of an undecodable message, as it was kept or mended."""
    return _resubmitted(visit, message_id, UNDECODABLE, _message)


def _counts(visit: Visit) -> dict[str, int]:
    """Return how many there are for each tab."""
    ledger = balance(visit.pages, visit.scope)
    return {
        "undecodable": ledger.undecodable,
        "set_aside": ledger.set_aside,
        "ahead": ledger.ahead,
        "not_kept": ledger.undecodable_not_kept,
    }


def _message(visit: Visit, message_id: int) -> Message:
    found = show_undecodable(visit.pages, visit.scope, message_id)
    return Message(
        id=found.id,
        kept=UNDECODABLE,
        path=f"/undecodable/{found.id}",
        listing="/undecodable",
        why=found.reason,
        came_at=found.received_at,
        content_type=found.content_type,
        bytes=found.bytes,
        cut=found.cut,
        text=found.text,
        ended_at=found.resubmitted_at,
    )


def _call(visit: Visit, call_id: int) -> Message:
    found = show_set_aside(visit.pages, visit.scope, call_id)
    return Message(
        id=found.id,
        kept=SET_ASIDE,
        path=f"/undecodable/set-aside/{found.id}",
        listing="/undecodable/set-aside",
        why="Workers died with it alone in hand.",
        came_at=found.set_aside_at,
        content_type=found.content_type,
        bytes=found.bytes,
        cut=False,
        text=found.body,
        retry_at=found.retry_at,
    )


def _resubmitted(
    visit: Visit, message_id: int, kept: Kept, show: Callable[[Visit, int], Message]
) -> Response:
    """Return the page of what became of a message; where it is refused, its page with what was entered."""
    entered = None if visit.text("how") == "kept" else visit.text("message")
    try:
        body = (
            message_body(visit.ctx, visit.scope, kept, message_id)
            if entered is None
            else entered.encode()
        )
        events, rejections = events_in_message(body)
        routed = resubmit_message(
            *(visit.ctx, visit.actor, visit.scope, kept, message_id),
            events=events,
            rejections=rejections,
        )
    except NotFound:
        raise
    except Refused as error:
        return _shown(visit, show(visit, message_id), entered, error.sentence)
    return visit.page("message_taken_in.html", kept=kept, id=message_id, **_came_to(routed))


def _shown(
    visit: Visit, message: Message, entered: str | None = None, error: str | None = None
) -> Response:
    return visit.page(
        "message.html",
        status=200 if error is None else 400,
        message=message,
        entered=(message.text if message.is_editable else "") if entered is None else entered,
        shown=message.text[:SHOWN],
        error=error,
    )


def _came_to(routed: Sequence[Routed]) -> dict[str, int]:
    """Return what became of a message's events."""
    return {
        "taken_in": sum(one.matched + one.unmatched for one in routed),
        "known": sum(one.duplicates for one in routed),
        "rejected": sum(one.rejected + one.not_kept for one in routed),
        "ahead": sum(one.ahead for one in routed),
        "notifications": sum(len(one.pending) for one in routed),
    }

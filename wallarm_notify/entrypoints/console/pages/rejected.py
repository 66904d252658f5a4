"""Rejected events: why each was not taken in, and how it is, mended or as it was kept."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.event import Rejection
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.scope import Scope, only
from wallarm_notify.entrypoints.api.fields import Asked, PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.excerpts import fits, indented, within
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.schemas.call_text import read_event_text
from wallarm_notify.services.listings import list_rejections, show_rejection
from wallarm_notify.services.resubmit import rejected_body, resubmit_event

router = APIRouter(route_class=PageRoute)

ROWS: Final = 40
"""So many rejected events are on a page."""

AS_KEPT: Final = "as it was kept"
"""What the button sends that takes an event in unchanged."""


class RejectedAsked(Asked):
    """From where on rejected events are listed."""

    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$")] = None
    client_id: str | None = None


@router.get("/events/rejected")
@needs(Thing.REJECTED_EVENTS, Verb.VIEW)
def show_all(visit: Visited, asked: Annotated[RejectedAsked, Query()]) -> Response:
    """Show the events that were not taken in, each with the reason, the newest first."""
    page = list_rejections(
        *(visit.pages, _scope(visit)),
        limit=ROWS,
        cursor=None if asked.after is None else int(asked.after),
    )
    return visit.page("events_rejected.html", page=page, asked=asked)


@router.get("/events/rejected/{rejected_id}")
@needs(Thing.REJECTED_EVENTS, Verb.VIEW)
def show(visit: Visited, rejected_id: PathId) -> Response:
    """Show a rejected event as it was kept, to be mended."""
    return _shown(visit, rejected_id)


@router.post("/events/rejected/{rejected_id}/resubmit")
@needs(Thing.REJECTED_EVENTS, Verb.RESUBMIT)
def resubmit(visit: Visited, rejected_id: PathId) -> Response:
    """Take in a rejected event after all, mended or as it was kept."""
    text = None if visit.text("which") == AS_KEPT else visit.text("event")
    try:
        kept = rejected_body(visit.ctx, visit.scope, rejected_id) if text is None else text
        read = read_event_text(kept)
        if isinstance(read, Rejection):
            return _shown(visit, rejected_id, text, read.reason)
        resubmit_event(visit.ctx, visit.actor, visit.scope, rejected_id, read)
    except NotFound:
        raise
    except Refused as error:
        return _shown(visit, rejected_id, text, error.sentence)
    return visit.go(f"/events/{read.id}?client_id={read.client_id}")


def _scope(visit: Visit) -> Scope:
    """Return whose rejected events are listed: those of the client that was chosen, else all within reach."""
    return visit.scope if visit.client_id is None else only([visit.client_id])


def _shown(
    visit: Visit, rejected_id: int, entered: str | None = None, error: str | None = None
) -> Response:
    rejection = show_rejection(visit.pages, visit.scope, rejected_id)
    is_whole = not rejection.cut and fits(rejection.text)
    return visit.page(
        "event_rejected.html",
        status=200 if error is None else 400,
        rejection=rejection,
        text=entered if entered is not None else indented(rejection.text) if is_whole else "",
        beginning=None if is_whole else within(rejection.text, 12_000),
        error=error,
        as_kept=AS_KEPT,
    )

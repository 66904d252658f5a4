"""Sessions: where somebody is signed in, and an end to it."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse, Response

from wallarm_notify.domain.page import Page
from wallarm_notify.domain.rights import Thing, Verb, is_within, may
from wallarm_notify.domain.session import ShownSession, is_own
from wallarm_notify.entrypoints.api.fields import PathId
from wallarm_notify.entrypoints.api.route import open_to_the_known
from wallarm_notify.entrypoints.console.pages.settings import ROWS, RowsAsked
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.same_origin import local_path
from wallarm_notify.entrypoints.console.visit import HEADERS, Visit, Visited
from wallarm_notify.services.sessions import end_session, list_own_sessions, list_sessions

router = APIRouter(route_class=PageRoute)


@router.get("/settings/sessions")
@open_to_the_known
def show_all(visit: Visited, asked: Annotated[RowsAsked, Query()]) -> Response:
    """Show the own sessions, and to whoever manages users those of the others."""
    mine = visit.signed_in.session
    own = list_own_sessions(visit.pages, visit.scope, mine)
    manages = may(visit.actor.role, Thing.USERS, Verb.UPDATE)
    page = (
        list_sessions(visit.pages, visit.scope, limit=ROWS, cursor=asked.cursor)
        if manages
        else Page([])
    )
    known = {one.id for one in own}
    others = [one for one in page.items if one.id not in known]
    return visit.page(
        "sessions.html",
        own=own,
        others=others,
        ends=ended_here(visit, [*own, *others]),
        following=page.following,
        asked=asked,
        mine=mine,
    )


@router.post("/settings/sessions/{session_id}/end")
@open_to_the_known
def end(visit: Visited, session_id: PathId) -> Response:
    """End a session: an own one, or as whoever manages users any."""
    mine = visit.signed_in.session
    end_session(visit.ctx, visit.actor, visit.scope, session_id, own=mine)
    if session_id != mine.id:
        return visit.go(local_path(visit.text("next")) or "/settings/sessions")
    answer = RedirectResponse("/sign-in", 303, HEADERS)
    visit.console.cookies.forget_session(visit.request, answer)
    return answer


def ended_here(visit: Visit, shown: Iterable[ShownSession]) -> set[int]:
    """Return which sessions whoever opened the page may end: the own, and those of roles within the own."""
    role, mine = visit.actor.role, visit.signed_in.session
    manages = may(role, Thing.USERS, Verb.UPDATE)
    return {
        one.id
        for one in shown
        if is_own(one.session, mine) or (manages and is_within(one.role, role))
    }

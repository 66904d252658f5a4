"""Search: from what somebody has in hand straight to the one thing, or to a list."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.found import Found
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.subjects import words_of
from wallarm_notify.entrypoints.api.fields import Asked
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visited
from wallarm_notify.services.find import MOST, find

router = APIRouter(route_class=PageRoute)


class SearchAsked(Asked):
    """What is looked for."""

    q: Annotated[str, Field(max_length=500)] = ""
    client_id: str | None = None


@router.get("/search")
@needs(Thing.NOTIFICATIONS, Verb.VIEW)
def search(visit: Visited, asked: Annotated[SearchAsked, Query()]) -> Response:
    """Lead to the one notification that was meant, or list what was found."""
    text = asked.q.strip()
    found = (
        find(visit.pages, visit.scope, visit.actor.role, text, visit.client_id) if text else Found()
    )
    if found.only_notification is not None:
        return visit.go(f"/notifications/{found.only_notification}")
    return visit.page("search.html", sought=text, found=found, words_of=words_of, most=MOST)

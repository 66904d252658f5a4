"""Clients: which there are, and whether anything reaches anybody of theirs; one of them is chosen here."""

from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.entrypoints.api.fields import Asked
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.navigation import first_page
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visited
from wallarm_notify.services.client_listings import list_client_overviews

router = APIRouter(route_class=PageRoute)

ROWS: Final = 40
"""So many clients are on a page."""


class ClientsAsked(Asked):
    """Which clients are shown."""

    show: Literal["all", "nobody"] = "all"
    name: Annotated[str, Field(max_length=200)] = ""
    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$")] = None
    client_id: str | None = None

    def path(self, **changes: Any) -> str:
        """Return the path of this listing with other filters, from its first page on; empty ones are dropped."""
        given = {"show": self.show, "name": self.name, **changes}
        kept = {name: value for name, value in given.items() if value not in (None, "", "all")}
        return f"/clients?{urlencode(kept)}" if kept else "/clients"


@router.get("/clients")
@needs(Thing.CLIENTS, Verb.VIEW)
def show_all(visit: Visited, asked: Annotated[ClientsAsked, Query()]) -> Response:
    """Show the clients within reach, by their numbers."""
    page = list_client_overviews(
        *(visit.pages, visit.scope),
        sought=asked.name.strip(),
        only_unreached=asked.show == "nobody",
        limit=ROWS,
        cursor=None if asked.after is None else int(asked.after),
    )
    first = first_page(visit.actor.role, visit.console.paths) or "/"
    return visit.page("clients.html", page=page, asked=asked, first=first)

"""Settings: the tabs that somebody may open, and the first of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.rights import OF_ALL_CLIENTS, Thing, Verb, is_within, may
from wallarm_notify.domain.roles import role_words
from wallarm_notify.entrypoints.api.fields import Asked
from wallarm_notify.entrypoints.api.route import open_to_the_known
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visited

router = APIRouter(route_class=PageRoute)

ROWS: Final = 50
"""So many rows are on a page."""

_TABS: Final = {
    "users": Thing.USERS,
    "tokens": Thing.TOKENS,
    "applications": Thing.APPLICATIONS,
    "activity": Thing.ACTIVITY,
}


class RowsAsked(Asked):
    """Which page of a tab is asked for."""

    after: Annotated[str | None, Field(pattern=r"^-?[0-9]{1,18}$")] = None
    client_id: str | None = None

    @property
    def cursor(self) -> int | None:
        """The number that the page begins behind; None: it is the first one."""
        return None if self.after is None else int(self.after)


@router.get("/settings")
@open_to_the_known
def begin(visit: Visited) -> Response:
    """Lead to the first tab that somebody may open; the own sessions are for everybody."""
    role = visit.actor.role
    tab = next((name for name, thing in _TABS.items() if may(role, thing, Verb.VIEW)), "sessions")
    return visit.go(f"/settings/{tab}")


def roles_to_give(role: Role, among: frozenset[Role]) -> Sequence[tuple[str, str]]:
    """Return the roles that somebody in ``role`` may give, each with its words: none that exceeds the own."""
    given = [one for one in Role if one in among - OF_ALL_CLIENTS and is_within(one, role)]
    return [(one.value, role_words(one)) for one in given]


def in_days(days: str, now: datetime) -> datetime | None:
    """Return the time in so many days; None: never."""
    return now + timedelta(days=int(days)) if days else None

"""How somebody wants pages to look: light or dark, and times in the own zone or in UTC."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from wallarm_notify.entrypoints.api.route import open_to_the_known
from wallarm_notify.entrypoints.console.cookies import THEME, THEMES, UTC_ONLY
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.same_origin import local_path
from wallarm_notify.entrypoints.console.visit import HEADERS, Visit, Visited

router = APIRouter(route_class=PageRoute)


@router.post("/preferences/theme")
@open_to_the_known
def choose_theme(visit: Visited) -> Response:
    """Keep a theme; anything but light and dark is the system's."""
    theme = visit.text("theme")
    return _kept(visit, THEME, theme if theme in THEMES else "")


@router.post("/preferences/zone")
@open_to_the_known
def choose_zone(visit: Visited) -> Response:
    """Keep whether times are in UTC."""
    return _kept(visit, UTC_ONLY, "1" if visit.text("utc") == "1" else "")


def _kept(visit: Visit, name: str, value: str) -> Response:
    answer = RedirectResponse(local_path(visit.text("next")) or "/", 303, HEADERS)
    visit.console.cookies.set_choice(visit.request, answer, name, value)
    return answer

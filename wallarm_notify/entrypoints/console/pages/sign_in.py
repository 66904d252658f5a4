"""Sign in by a link, a token, or as a trusted proxy names the person; and sign out."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import RedirectResponse, Response

from wallarm_notify.domain.errors import NotAuthenticated, Refused
from wallarm_notify.domain.token import Presented
from wallarm_notify.entrypoints.api.route import open_to_all, open_to_the_known
from wallarm_notify.entrypoints.console.navigation import first_page
from wallarm_notify.entrypoints.console.route import PageRoute, identity_of
from wallarm_notify.entrypoints.console.same_origin import local_path
from wallarm_notify.entrypoints.console.visit import HEADERS, Visit, Visited
from wallarm_notify.services.sessions import (
    SignedIn,
    find_link,
    sign_in_by_link,
    sign_in_by_proxy,
    sign_in_by_token,
    sign_out,
)

router = APIRouter(route_class=PageRoute)

Link = Annotated[str, Path(min_length=1, max_length=100)]

LINK_IS_OVER = "This link signs nobody in any more: it was used, or is more than 10 minutes old. Ask for another one."
NO_TOKEN = "No valid token was given: it is unknown, expired or disabled."  # noqa: S105 - a sentence
UNKNOWN_PERSON = "Nobody who may sign in has the e-mail address that your proxy names."


@router.get("/")
@open_to_the_known
def begin(visit: Visited) -> Response:
    """Lead to the first page that somebody may open."""
    path = first_page(visit.actor.role, visit.console.paths)
    return visit.page("nothing.html") if path is None else visit.go(path)


@router.get("/sign-in")
@open_to_all
def ask(visit: Visited) -> Response:
    """Show how one signs in."""
    return _form(visit, 200)


@router.post("/sign-in")
@open_to_all
def by_token(visit: Visited) -> Response:
    """Sign in by a token."""
    try:
        done = sign_in_by_token(
            visit.ctx, Presented(visit.text("token") or None), _address(visit), datetime.now(UTC)
        )
    except NotAuthenticated:
        return _form(visit, 400, token_error=NO_TOKEN)
    except Refused as error:
        return _form(visit, 400, token_error=error.sentence)
    return _signed_in(visit, done)


@router.post("/sign-in/proxy")
@open_to_all
def by_proxy(visit: Visited) -> Response:
    """Sign in as the person whom a trusted proxy names."""
    named = identity_of(visit.console, visit.request)
    if named is None:
        return _form(visit, 400)
    try:
        done = sign_in_by_proxy(visit.ctx, named, _address(visit), datetime.now(UTC))
    except NotAuthenticated:
        return _form(visit, 400, proxy_error=UNKNOWN_PERSON)
    return _signed_in(visit, done)


@router.get("/sign-in/{link}")
@open_to_all
def show_link(visit: Visited, link: Link) -> Response:
    """Show whom a link signs in, and its button; opening it signs nobody in.

    Programs that look at mail open links too.
    """
    email = find_link(visit.pages, link, datetime.now(UTC))
    return _link_page(visit, email)


@router.post("/sign-in/{link}")
@open_to_all
def by_link(visit: Visited, link: Link) -> Response:
    """Sign in by a link."""
    try:
        done = sign_in_by_link(visit.ctx, link, _address(visit), datetime.now(UTC))
    except NotAuthenticated:
        return _link_page(visit, None)
    return _signed_in(visit, done)


@router.post("/sign-out")
@open_to_the_known
def leave(visit: Visited) -> Response:
    """Sign out."""
    sign_out(visit.ctx, visit.signed_in)
    answer = RedirectResponse("/sign-in", 303, HEADERS)
    visit.console.cookies.forget_session(visit.request, answer)
    return answer


def _link_page(visit: Visit, email: str | None) -> Response:
    if email is None:
        return visit.page("sign_in_link.html", status=400, error=LINK_IS_OVER, email=None)
    return visit.page("sign_in_link.html", error=None, email=email)


def _form(visit: Visit, status: int, **errors: str) -> Response:
    wanted = visit.text("next") or visit.request.query_params.get("next")
    return visit.page(
        "sign_in.html",
        status=status,
        wanted=local_path(wanted),
        unsent=visit.request.query_params.get("unsent") == "1",
        identity=identity_of(visit.console, visit.request),
        token_error=errors.get("token_error"),
        proxy_error=errors.get("proxy_error"),
    )


def _signed_in(visit: Visit, done: SignedIn) -> Response:
    if visit.visitor is not None:
        # The browser forgets it now: nobody should find it open in the list of sessions.
        sign_out(visit.ctx, visit.visitor)
    answer = RedirectResponse(local_path(visit.text("next")) or "/", 303, HEADERS)
    visit.console.cookies.set_session(visit.request, answer, done.secret.reveal())
    return answer


def _address(visit: Visit) -> str:
    return visit.console.parts.proxies.address_of(visit.request)

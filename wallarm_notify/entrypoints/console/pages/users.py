"""Users: the people who may sign in, their roles, sign-in links and sessions."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.rights import (
    OF_ALL_CLIENTS,
    OF_USERS,
    Thing,
    Verb,
    is_within,
    parse_role,
)
from wallarm_notify.domain.roles import role_words
from wallarm_notify.domain.user import User, UserDraft
from wallarm_notify.entrypoints.api.fields import PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.pages.sessions import ended_here
from wallarm_notify.entrypoints.console.pages.settings import ROWS, RowsAsked, roles_to_give
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.services.manage_users import (
    change_role,
    create_user,
    disable_user,
    enable_user,
    list_users,
    show_user,
)
from wallarm_notify.services.sessions import list_sessions, make_sign_in_link

router = APIRouter(route_class=PageRoute)


@router.get("/settings/users")
@needs(Thing.USERS, Verb.VIEW)
def show_all(visit: Visited, asked: Annotated[RowsAsked, Query()]) -> Response:
    """Show the people who may sign in."""
    page = list_users(
        visit.pages, visit.scope, client_id=visit.client_id, limit=ROWS, cursor=asked.cursor
    )
    return visit.page("users.html", page=page, asked=asked, role_words=role_words)


@router.get("/settings/users/new")
@needs(Thing.USERS, Verb.CREATE)
def ask(visit: Visited) -> Response:
    """Show the form of a new user."""
    return _form(visit)


@router.post("/settings/users/new")
@needs(Thing.USERS, Verb.CREATE)
def create(visit: Visited) -> Response:
    """Store a new user."""
    try:
        role = parse_role(visit.text("role"), OF_USERS)
        draft = UserDraft(visit.one_client(), visit.text("email"), visit.text("name"), role)
        made = create_user(visit.ctx, visit.actor, visit.scope, draft)
    except Refused as error:
        return _form(visit, {error.field or "email": error.sentence})
    return visit.go(f"/settings/users/{made.id}")


@router.get("/settings/users/{user_id}")
@needs(Thing.USERS, Verb.VIEW)
def show(visit: Visited, user_id: PathId) -> Response:
    """Show one user."""
    return _user(visit, show_user(visit.pages, visit.scope, user_id))


@router.post("/settings/users/{user_id}/role")
@needs(Thing.USERS, Verb.UPDATE)
def give_role(visit: Visited, user_id: PathId) -> Response:
    """Give a user another role."""
    try:
        role = parse_role(visit.text("role"), OF_USERS)
        change_role(visit.ctx, visit.actor, visit.scope, user_id, role)
    except Refused as error:
        if error.field != "role":
            raise
        user = show_user(visit.pages, visit.scope, user_id)
        return _user(visit, user, status=400, errors={"role": error.sentence})
    return visit.go(f"/settings/users/{user_id}")


@router.post("/settings/users/{user_id}/disable")
@needs(Thing.USERS, Verb.UPDATE)
def disable(visit: Visited, user_id: PathId) -> Response:
    """Disable a user, whose sessions end."""
    disable_user(visit.ctx, visit.actor, visit.scope, user_id)
    return visit.go(f"/settings/users/{user_id}")


@router.post("/settings/users/{user_id}/enable")
@needs(Thing.USERS, Verb.UPDATE)
def enable(visit: Visited, user_id: PathId) -> Response:
    """Enable a user again."""
    enable_user(visit.ctx, visit.actor, visit.scope, user_id)
    return visit.go(f"/settings/users/{user_id}")


@router.post("/settings/users/{user_id}/sign-in-link")
@needs(Thing.USERS, Verb.UPDATE)
def make_link(visit: Visited, user_id: PathId) -> Response:
    """Make a link that signs a user in once, and show it this once."""
    user = show_user(visit.pages, visit.scope, user_id)
    secret = make_sign_in_link(visit.ctx, visit.actor, visit.scope, user.email)
    return _user(visit, user, sign_in_link=f"{_base(visit)}/sign-in/{secret.reveal()}")


def _base(visit: Visit) -> str:
    """Return where people reach the console."""
    if visit.console.public_url is not None:
        return visit.console.public_url.rstrip("/")
    here = visit.request.base_url
    # What a trusted proxy says: this server itself may be reached without TLS.
    is_secure = visit.console.cookies.is_secure(visit.request)
    return str(here.replace(scheme="https") if is_secure else here).rstrip("/")


def _user(visit: Visit, user: User, *, status: int = 200, **shown: Any) -> Response:
    mine = visit.actor.role
    sessions = list_sessions(visit.pages, visit.scope, user_id=user.id, limit=ROWS)
    return visit.page(
        "user.html",
        status=status,
        user=user,
        is_me=user.id == visit.actor.user_id,
        is_given_here=user.role not in OF_ALL_CLIENTS and is_within(user.role, mine),
        roles=roles_to_give(mine, OF_USERS),
        role_words=role_words,
        sessions=sessions.items,
        ends=ended_here(visit, sessions.items),
        **{"sign_in_link": None, "errors": {}, **shown},
    )


def _form(visit: Visit, errors: dict[str, str] | None = None) -> Response:
    entered = {name: visit.text(name) for name in ("client_id", "email", "name", "role")}
    return visit.page(
        "user_form.html",
        status=400 if errors else 200,
        entered=entered,
        errors=errors or {},
        roles=roles_to_give(visit.actor.role, OF_USERS),
    )

"""API tokens: what programs present to be let in; each is shown once."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.rights import (
    OF_ALL_CLIENTS,
    OF_TOKENS,
    Thing,
    Verb,
    is_within,
    parse_role,
)
from wallarm_notify.domain.roles import role_words
from wallarm_notify.domain.token import Token, TokenDraft, default_name, is_expired
from wallarm_notify.entrypoints.api.fields import PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.pages.settings import (
    ROWS,
    RowsAsked,
    in_days,
    roles_to_give,
)
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.services.manage_tokens import (
    create_token,
    disable_token,
    list_tokens,
    renew_token,
    show_token,
)

router = APIRouter(route_class=PageRoute)

ENDS: Final = {"30": "In 30 days", "90": "In 90 days", "365": "In a year", "": "Never"}
"""The ends that are offered, in days."""

AS_BEFORE: Final = "as before"


@router.get("/settings/tokens")
@needs(Thing.TOKENS, Verb.VIEW)
def show_all(visit: Visited, asked: Annotated[RowsAsked, Query()]) -> Response:
    """Show the tokens, with what each begins with."""
    page = list_tokens(
        visit.pages, visit.scope, client_id=visit.client_id, limit=ROWS, cursor=asked.cursor
    )
    return visit.page(
        "tokens.html", page=page, asked=asked, role_words=role_words, state_of=state_of
    )


@router.get("/settings/tokens/new")
@needs(Thing.TOKENS, Verb.CREATE)
def ask(visit: Visited) -> Response:
    """Show the form of a new token."""
    return _form(visit)


@router.post("/settings/tokens/new")
@needs(Thing.TOKENS, Verb.CREATE)
def create(visit: Visited) -> Response:
    """Store a new token, and show it this once."""
    try:
        draft = TokenDraft(
            client_id=visit.one_client(),
            role=parse_role(visit.text("role"), OF_TOKENS),
            name=visit.text("name") or None,
            expires_at=_end(visit.text("expires")),
        )
        made = create_token(
            *(visit.ctx, visit.actor, visit.scope, draft), with_uuid=bool(visit.text("with_uuid"))
        )
    except Refused as error:
        return _form(visit, {error.field or "name": error.sentence})
    return visit.page("token_made.html", made=made, was_renewed=False)


@router.get("/settings/tokens/{token_id}")
@needs(Thing.TOKENS, Verb.VIEW)
def show(visit: Visited, token_id: PathId) -> Response:
    """Show one token: all but what is secret."""
    return _token(visit, show_token(visit.pages, visit.scope, token_id))


@router.post("/settings/tokens/{token_id}/renew")
@needs(Thing.TOKENS, Verb.UPDATE)
def renew(visit: Visited, token_id: PathId) -> Response:
    """Make a token anew, and show it this once; the old one lets nobody in any more."""
    before = show_token(visit.pages, visit.scope, token_id)
    chosen = visit.text("expires")
    try:
        made = renew_token(
            *(visit.ctx, visit.actor, visit.scope, token_id),
            expires_at=None if chosen == AS_BEFORE else _end(chosen),
            with_uuid=before.uuid is not None,
        )
    except Refused as error:
        if error.field != "expires":
            raise
        return _token(visit, before, status=400, errors={"expires": error.sentence})
    return visit.page("token_made.html", made=made, was_renewed=True)


@router.post("/settings/tokens/{token_id}/revoke")
@needs(Thing.TOKENS, Verb.UPDATE)
def revoke(visit: Visited, token_id: PathId) -> Response:
    """Disable a token for good."""
    disable_token(visit.ctx, visit.actor, visit.scope, token_id)
    return visit.go(f"/settings/tokens/{token_id}")


def state_of(token: Token) -> tuple[str, str, str]:
    """Return a token's state: the kind, the words and the shape."""
    if not token.enabled:
        return "off", "Revoked", "off"
    if is_expired(token.expires_at, datetime.now(UTC)):
        return "odd", "Expired", "warning"
    return "good", "Valid", "ok"


def _end(days: str) -> datetime | None:
    """Return the end that was chosen; None: there is none. Raise Refused."""
    if days not in ENDS:
        raise Refused("choose one of these.", field="expires")
    return in_days(days, datetime.now(UTC))


def _token(visit: Visit, token: Token, *, status: int = 200, **shown: Any) -> Response:
    ends = [(AS_BEFORE, "As it is"), *((days, words) for days, words in ENDS.items() if days)]
    return visit.page(
        "token.html",
        status=status,
        token=token,
        state=state_of(token),
        is_own=token.id == visit.signed_in.caller.token_id,
        is_given_here=token.user_id is None
        and token.role not in OF_ALL_CLIENTS
        and is_within(token.role, visit.actor.role),
        role_words=role_words,
        ends=ends,
        **{"errors": {}, **shown},
    )


def _form(visit: Visit, errors: dict[str, str] | None = None) -> Response:
    suggested = default_name(visit.actor.name, datetime.now(UTC))
    names = ("client_id", "name", "role", "expires", "with_uuid")
    blank = {"client_id": "", "name": suggested, "role": "", "expires": "90", "with_uuid": ""}
    return visit.page(
        "token_form.html",
        status=400 if errors else 200,
        entered={name: visit.text(name) for name in names} if errors else blank,
        errors=errors or {},
        roles=roles_to_give(visit.actor.role, OF_TOKENS),
        ends=list(ENDS.items()),
    )

"""Routes of pages: before one is served, who asks is known and may do it.

A form was sent from a page of ours.

Each page says what right it needs, as the calls of the API do; one that does not cannot be made.
"""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from wallarm_notify.domain.errors import Forbidden, NotAuthenticated
from wallarm_notify.domain.integration_card import IntegrationCounts
from wallarm_notify.domain.rights import Thing, Verb, check_right, may
from wallarm_notify.domain.session import Session, Visitor, Way, is_form_token, read_secret
from wallarm_notify.entrypoints.api.body import CheckedRequest
from wallarm_notify.entrypoints.api.faults import BadBody
from wallarm_notify.entrypoints.api.route import DeclaredRoute, Right
from wallarm_notify.entrypoints.console.same_origin import is_ours
from wallarm_notify.entrypoints.console.visit import Console, Denied, Shell, client_number
from wallarm_notify.services.integration_cards import count_integrations
from wallarm_notify.services.integration_listings import list_clients
from wallarm_notify.services.manage_users import people_who_may
from wallarm_notify.services.sessions import resume

LARGEST_FORM: Final = 200_000
"""The most bytes of a form."""

MOST_FIELDS: Final = 1000
"""The most fields of a form."""

MOST_CLIENTS: Final = 100
"""So many clients are listed to choose from."""

FIELD: Final = "form_token"
"""The hidden field of each form, and the header by which htmx sends what is in it."""
HEADER: Final = "x-form-token"

_FORM: Final = "application/x-www-form-urlencoded"
_NOT_OURS: Final = (
    "This form was not sent from a page of your session: it may be from before you signed in, or from another site. "
    "Nothing was changed. Go back, reload the page and send it again."
)


class PageRoute(DeclaredRoute):
    """A route that checks a request of a page before it is served."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **{**options, "include_in_schema": False})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what serves a request of this route."""
        serve = super().get_route_handler()
        right = self.right

        async def checked(request: Request) -> Response:
            console: Console = request.app.state.console
            await run_in_threadpool(_admit, console, request, right)
            read = CheckedRequest(request.scope, request.receive)
            if request.method == "POST":
                await _read_form(console, read, right)
            return await serve(read)

        return checked


async def _read_form(console: Console, request: CheckedRequest, right: Right) -> None:
    """Note the form of a request. Raise BadBody where it is none, and Forbidden where no page of ours sent it."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise BadBody(415, "Send this as a form.")
    if not is_ours(request, console.public_url):
        raise Forbidden(_NOT_OURS)
    await request.check_body(LARGEST_FORM, is_json=False)
    form = await request.form(max_fields=MOST_FIELDS, max_files=0)
    if right.needs_token:
        sent = request.headers.get(HEADER) or form.get(FIELD)
        secret = request.state.secret
        if not isinstance(sent, str) or not is_form_token(secret, sent):
            raise Forbidden(_NOT_OURS)
    request.state.form = form


def _admit(console: Console, request: Request, right: Right) -> None:
    """Note who asks. Raise NotAuthenticated, Forbidden, NotFound, Refused, Overload, Unavailable."""
    visitor = _visitor_of(console, request)
    if visitor is None:
        if right.needs_token:
            raise NotAuthenticated
        return
    request.state.visitor = visitor
    request.state.caller = visitor.caller  # for the log's line
    console.parts.rates.take(_rated_as(visitor.session))
    request.state.shell = _shell_of(console, request, visitor)
    if right.thing is not None:
        _check(console, request, visitor, right.thing, right.verb)


def _rated_as(session: Session) -> str:
    """Return whose requests are counted: another session is no second allowance."""
    if session.token_id is not None:
        return f"token {session.token_id}"
    return f"user {session.user_id}"


def _visitor_of(console: Console, request: Request) -> Visitor | None:
    presented = console.cookies.session_of(request)
    if presented is None:
        return None
    # What an open page asks by itself is no use: it would keep a browser that was left signed in for ever.
    is_use = not (request.method == "GET" and "hx-request" in request.headers)
    visitor = resume(console.parts.wiring.context, presented, datetime.now(UTC), is_use=is_use)
    if visitor is None:
        return None
    # Who came through a proxy stays signed in while the proxy goes on to name the person.
    if visitor.session.way is Way.PROXY and identity_of(console, request) != visitor.email:
        return None
    request.state.secret = read_secret(presented)
    return visitor


def identity_of(console: Console, request: Request) -> str | None:
    """Return the e-mail address that a trusted proxy has named the person by; None: none has."""
    if console.identity_header is None or not console.parts.proxies.trusts(request):
        return None
    named = request.headers.getlist(console.identity_header)
    return named[0].strip().lower() if len(named) == 1 and named[0].strip() else None


def _shell_of(console: Console, request: Request, visitor: Visitor) -> Shell:
    caller = visitor.caller
    chosen = client_number(request.query_params.get("client_id", ""))
    if chosen is not None:
        caller.scope.check(chosen)
    client_id = chosen or caller.scope.only_client
    page = list_clients(console.parts.pages, caller.scope, limit=MOST_CLIENTS)
    counts = IntegrationCounts()
    if may(caller.actor.role, Thing.INTEGRATIONS, Verb.VIEW):
        counts = count_integrations(console.parts.pages, caller.scope, client_id)
    return Shell(page.items, page.following is not None, client_id, counts)


def _check(console: Console, request: Request, visitor: Visitor, thing: Thing, verb: Verb) -> None:
    actor = visitor.caller.actor
    try:
        check_right(actor, thing, verb)
    except Forbidden:
        people = people_who_may(console.parts.pages, visitor.caller.client_id, thing, verb)
        request.state.denied = Denied(actor.role, thing, verb, people)
        raise

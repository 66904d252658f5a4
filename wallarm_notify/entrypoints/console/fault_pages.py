"""Pages of faults: what somebody reads where a page cannot be shown, and what to do."""

from typing import Final
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.errors import Todo
from wallarm_notify.domain.rights import RIGHTS, Thing, Verb
from wallarm_notify.domain.roles import role_name
from wallarm_notify.entrypoints.api.faults import Fault
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import HEADERS, Denied, render

HINTS: Final = {
    Todo.ENABLE_INTEGRATION: "enable the integration first.",
    Todo.SEE_REJECTED: "see the rejected events.",
    Todo.SEE_UNDECODABLE: "see the undecodable messages.",
    Todo.SEE_SET_ASIDE: "one that a worker has stored meanwhile is there no more.",
    Todo.GIVE_WHOLE_EVENT: "give the whole event.",
    Todo.GIVE_WHOLE_MESSAGE: "give the whole message.",
    Todo.MEND: "give it mended.",
}
"""How the console says what to do after a refusal."""

_TITLES: Final = {
    400: "This cannot be done as asked",
    403: "You may not do this",
    404: "There is no such page",
    405: "There is no such page",
    408: "It took too long to come",
    413: "This form is too large",
    415: "This is no form",
    429: "Too many requests",
    500: "This went wrong here",
    503: "This cannot be shown now",
}

_GROUPS: Final = (
    ("administrators", Role.ADMINISTRATOR),
    ("analysts", Role.ANALYST),
    ("read-only users", Role.READ_ONLY),
    ("developers", Role.DEVELOPER),
    ("operators", Role.OPERATOR),
)
"""The roles as people call them in the plural, each by the one that stands for its kind."""

_NOT_AUTHENTICATED: Final = 401


def is_page(request: HTTPConnection) -> bool:
    """Return whether a request is one of a page, to which people are answered in a page."""
    route = request.scope.get("route")
    if route is not None:
        return isinstance(route, PageRoute)
    return "text/html" in request.headers.get("accept", "")


def fault_page(request: HTTPConnection, fault: Fault) -> Response:
    """Return the page of a fault; who is not signed in is led to where one can."""
    if fault.status == _NOT_AUTHENTICATED:
        return _sign_in_first(request)
    denied: Denied | None = request.scope.get("state", {}).get("denied")
    answer = render(
        request,
        "fault.html",
        status=fault.status,
        title=title_of(fault, denied),
        sentences=_sentences(fault, denied),
        retry_after=fault.retry_after,
    )
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = str(fault.retry_after)
    return answer


def title_of(fault: Fault, denied: Denied | None) -> str:
    """Return a fault in a few words, and whom it concerns where somebody was denied something."""
    if denied is not None:
        what = "see" if denied.verb is Verb.VIEW else denied.verb
        return f"Only {who_may(denied.thing, denied.verb)} {what} {denied.thing}"
    return _TITLES.get(fault.status, _TITLES[400])


def who_may(thing: Thing, verb: Verb) -> str:
    """Return who may do something, in words: ``administrators and operators``."""
    roles = RIGHTS[thing].get(verb, frozenset())
    named = [words for words, role in _GROUPS if role in roles]
    return " and ".join(filter(None, [", ".join(named[:-1]), *named[-1:]])) or "nobody"


def _sentences(fault: Fault, denied: Denied | None) -> list[str]:
    if denied is None:
        return [fault.sentence]
    mine = f"You are signed in as {role_name(denied.role)}."
    if not denied.people:
        return [mine]
    people = " and ".join(filter(None, [", ".join(denied.people[:-1]), denied.people[-1]]))
    return [mine, f"{people} can change that, or look something up for you."]


def _sign_in_first(request: HTTPConnection) -> Response:
    method = request.scope.get("method")
    query = request.url.query
    there = f"{request.url.path}?{query}" if query else request.url.path
    # What a form had is lost, so it goes on to the overview; whoever goes back finds it in the browser.
    wanted = "" if there == "/" else f"?next={quote(there)}"
    path = f"/sign-in{wanted}" if method == "GET" else "/sign-in?unsent=1"
    if "hx-request" in request.headers:
        return Response(None, 204, {**HEADERS, "HX-Redirect": path})
    return RedirectResponse(path, 303, HEADERS)

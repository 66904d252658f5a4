"""Visits: one request of a page, as its handler sees it, and what it answers with."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends
from starlette.datastructures import FormData
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from wallarm_notify.domain.actor import Actor, Role
from wallarm_notify.domain.client import Client
from wallarm_notify.domain.errors import NotAuthenticated, Refused
from wallarm_notify.domain.integration_card import IntegrationCounts
from wallarm_notify.domain.rights import Thing, Verb, may
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.session import Visitor, form_token
from wallarm_notify.domain.token import Secret
from wallarm_notify.entrypoints.api.fields import LARGEST_ID
from wallarm_notify.entrypoints.api.parts import ApiParts
from wallarm_notify.entrypoints.console.cookies import UTC_ONLY, ZONE, Cookies, theme_of
from wallarm_notify.entrypoints.console.navigation import Entry, current_of, entries_of
from wallarm_notify.entrypoints.console.templating import environment
from wallarm_notify.entrypoints.console.times import Times, zone_of
from wallarm_notify.services.context import Context
from wallarm_notify.urls import task_page

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may load, and where its forms may go: the console itself alone, and no script or style in the page."""

_OF_ONE_CLIENT = {"after", "newer_than", "seen", "dedup_key", "origin"}
"""Filters that no other client's things meet, beside those by ids."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    # Without its origin a form of ours could not be told from another site's.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
"""What browsers are told with each page, besides what they are with every answer."""


@dataclass(frozen=True, slots=True)
class Console:
    """What all pages share: the process's parts, how cookies are set, and which pages there are.

    ``identity_header`` is what a trusted proxy names the person in; None: it is not read. ``flower_url`` is where
    operators reach Flower.
    """

    parts: ApiParts
    cookies: Cookies
    paths: frozenset[str]
    identity_header: str | None
    public_url: str | None
    flower_url: str | None = None


@dataclass(frozen=True, slots=True)
class Shell:
    """What stands around every page: the clients to choose from, the one chosen, and how many integrations there are.

    ``client_id`` None: all clients. ``more``: there are more clients than are listed.
    """

    clients: Sequence[Client] = ()
    more: bool = False
    client_id: int | None = None
    counts: IntegrationCounts = field(default_factory=IntegrationCounts)

    @property
    def client_name(self) -> str:
        """The client that is looked at, in words."""
        return "All clients" if self.client_id is None else self.name_of(self.client_id)

    def name_of(self, client_id: int) -> str:
        """Return a client in words: its name, else its number."""
        names = {one.id: one.name for one in self.clients}
        return names.get(client_id) or f"Client {client_id}"

    @property
    def only_client(self) -> int | None:
        """The client that is looked at, or the only one there is. None: somebody has to choose."""
        if self.client_id is None and len(self.clients) == 1:
            return self.clients[0].id
        return self.client_id


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of a page. ``visitor`` None: nobody is signed in, and ``secret`` is None too."""

    request: Request
    console: Console
    visitor: Visitor | None
    secret: Secret | None
    shell: Shell
    form: FormData = field(default_factory=FormData)

    @property
    def signed_in(self) -> Visitor:
        """Who is signed in. Raise NotAuthenticated where nobody is, which an open page alone can meet."""
        if self.visitor is None:
            raise NotAuthenticated
        return self.visitor

    @property
    def ctx(self) -> Context:
        """The context of what changes something."""
        return self.console.parts.wiring.context

    @property
    def pages(self) -> Context:
        """The context of what changes nothing, and takes a few seconds at most."""
        return self.console.parts.pages

    @property
    def actor(self) -> Actor:
        """Who asks, for the activity log."""
        return self.signed_in.caller.actor

    @property
    def scope(self) -> Scope:
        """Whose things may be seen."""
        return self.signed_in.caller.scope

    @property
    def client_id(self) -> int | None:
        """The client that is looked at; None: all within reach."""
        return self.shell.client_id

    def one_client(self) -> int:
        """Return the client that a form is for: what it was opened for, else what its field has.

        Raise Refused where none was chosen, and NotFound for one that is not within reach.
        """
        if self.shell.client_id is not None:
            return self.shell.client_id
        chosen = client_number(self.text("client_id"))
        if chosen is None:
            raise Refused("choose the client that this is for.", field="client_id")
        self.scope.check(chosen)
        return chosen

    @property
    def times(self) -> Times:
        """What times are written by, in the reader's zone."""
        return times_of(self.request)

    def text(self, name: str) -> str:
        """Return what a field of the form was sent, without blanks around it; empty where it was not."""
        value = self.form.get(name)
        return value.strip() if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """Return all that was sent under a name, as of boxes that were ticked."""
        return [value for value in self.form.getlist(name) if isinstance(value, str)]

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page made of a template and ``values``."""
        return render(self.request, template, status=status, **values)

    def part(self, template: str, block: str, **values: Any) -> Response:
        """Return one block of a page's template, which htmx puts in the place of the one that is shown."""
        return render(self.request, template, block=block, **values)

    def go(self, path: str) -> Response:
        """Return the answer that leads to another page, after a form was done."""
        return RedirectResponse(self.link(path), 303, HEADERS)

    def link(self, path: str) -> str:
        """Return a path with the client that was chosen, so that it stays chosen."""
        return _with_client(path, self.request)


def render(
    request: HTTPConnection,
    template: str,
    *,
    status: int = 200,
    block: str | None = None,
    **values: Any,
) -> Response:
    """Return a page, or one block of it, around which stands what is known of the visit by now."""
    found = environment().get_template(template)
    around = _around(request)
    ui = environment().get_template("ui.html").make_module(around)
    given = {**around, "ui": ui, **values}
    parts = (
        [found.render(given)] if block is None else found.blocks[block](found.new_context(given))
    )
    return HTMLResponse("".join(parts), status, HEADERS)


def _around(request: HTTPConnection) -> dict[str, Any]:
    """Return what every template is given."""
    state = request.scope.get("state", {})
    visitor: Visitor | None = state.get("visitor")
    secret: Secret | None = state.get("secret")
    shell: Shell = state.get("shell", Shell())
    console: Console = request.app.state.console
    path = request.url.path
    entries = [] if visitor is None else entries_of(visitor.caller.actor.role, console.paths)

    def can(thing: str, verb: str) -> bool:
        return visitor is not None and may(visitor.caller.actor.role, Thing(thing), Verb(verb))

    def link(to: str) -> str:
        return _with_client(to, request)

    return {
        "visitor": visitor,
        "form_token": None if visitor is None or secret is None else form_token(secret),
        "shell": shell,
        "entries": entries,
        "current": current_of(entries, path),
        "path": path,
        "here": _here(request),
        "exists": console.paths.__contains__,
        "can": can,
        "link": link,
        "for_client": lambda client_id: _for_client(request, entries, client_id),
        "flower_url": console.flower_url,
        "task_page": task_page,
        "theme": theme_of(request),
        "times": times_of(request),
        "is_utc": request.cookies.get(UTC_ONLY) == "1",
    }


def client_number(text: str) -> int | None:
    """Return the number of a client that was sent; None: it is none."""
    if not re.fullmatch(r"[0-9]{1,19}", text) or not 1 <= int(text) <= LARGEST_ID:
        return None
    return int(text)


def times_of(request: HTTPConnection) -> Times:
    """Return what a page writes times by."""
    is_utc = request.cookies.get(UTC_ONLY) == "1"
    zone: tzinfo = UTC if is_utc else zone_of(request.cookies.get(ZONE, ""))
    return Times(zone, datetime.now(UTC))


def _here(request: HTTPConnection) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def _with_client(path: str, request: HTTPConnection) -> str:
    chosen = request.query_params.get("client_id")
    if chosen is None or not chosen.isascii() or not chosen.isdecimal() or "client_id=" in path:
        return path
    return f"{path}{'&' if '?' in path else '?'}client_id={chosen}"


def _for_client(request: HTTPConnection, entries: Sequence[Entry], client_id: int | None) -> str:
    """Return where another client leads to, None: all of them: this page with its filters.

    What is one client's is left: a page of one thing for its listing, and the filters by ids and the page.
    """
    route = request.scope.get("route")
    path = request.url.path
    if "{" in getattr(route, "path", ""):
        path = current_of(entries, path) or "/"
    kept = [] if path != request.url.path else _filters_of(request)
    chosen = [] if client_id is None else [("client_id", str(client_id))]
    query = urlencode([*kept, *chosen])
    return f"{path}?{query}" if query else path


def _filters_of(request: HTTPConnection) -> list[tuple[str, str]]:
    """Return the filters in the address that another client's things may meet too."""
    return [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in _OF_ONE_CLIENT and not name.endswith("_id")
    ]


async def _visit_of(request: Request) -> Visit:
    state = request.scope.get("state", {})
    return Visit(
        request=request,
        console=request.app.state.console,
        visitor=state.get("visitor"),
        secret=state.get("secret"),
        shell=state.get("shell", Shell()),
        form=state.get("form", FormData()),
    )


Visited = Annotated[Visit, Depends(_visit_of)]
"""The argument by which a page is given who asks for it."""


@dataclass(frozen=True, slots=True)
class Denied:
    """What somebody may not do, and who could: the role's words, and a few people's e-mail addresses."""

    role: Role
    thing: Thing
    verb: Verb
    people: Sequence[str]

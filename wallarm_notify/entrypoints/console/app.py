"""The console's part of the application: its pages, its assets, and what it shares among them."""

from collections.abc import Iterable
from typing import Final

from fastapi import APIRouter, FastAPI

from wallarm_notify.entrypoints.api.parts import ApiParts
from wallarm_notify.entrypoints.console import assets
from wallarm_notify.entrypoints.console.cookies import Cookies
from wallarm_notify.entrypoints.console.pages import (
    activity,
    applications,
    clients,
    coverage,
    events,
    integration,
    integration_form,
    integrations,
    ledger,
    notifications,
    overview,
    preferences,
    rejected,
    replays,
    search,
    sessions,
    settings,
    sign_in,
    system,
    tokens,
    trigger,
    trigger_form,
    triggers,
    try_event,
    undecodable,
    users,
)
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Console

ROUTERS: Final[tuple[APIRouter, ...]] = (
    sign_in.router,
    preferences.router,
    overview.router,
    integrations.router,
    integration_form.router,
    triggers.router,
    trigger_form.router,
    trigger.router,
    replays.router,  # before the one whose paths have an id in the place of a word
    notifications.router,
    search.router,
    integration.router,
    try_event.router,
    rejected.router,
    events.router,
    coverage.router,
    system.router,
    ledger.router,
    undecodable.router,
    clients.router,
    settings.router,
    users.router,
    tokens.router,
    applications.router,
    activity.router,
    sessions.router,
)
"""The pages, by what they are about. One that is added here is in the navigation by itself, if it has an entry."""


def add_console(app: FastAPI, parts: ApiParts, *, has_tls: bool) -> None:
    """Add the console to an application; ``has_tls``: it is served with TLS of its own."""
    known = parts.wiring.settings
    public_url = None if known.public_url is None else str(known.public_url)
    by_tls = has_tls or (public_url is not None and public_url.startswith("https:"))
    app.state.console = Console(
        parts=parts,
        cookies=Cookies(parts.proxies, by_tls),
        paths=frozenset(paths_of(page_routes())),
        identity_header=known.identity_header or None,
        public_url=public_url,
        flower_url=None if known.flower_url is None else str(known.flower_url),
    )
    app.router.routes.append(assets.ROUTE)
    for router in ROUTERS:
        app.router.routes.extend(router.routes)  # as the API's are


def page_routes() -> list[PageRoute]:
    """Return the route of every page and form."""
    return [one for router in ROUTERS for one in router.routes if isinstance(one, PageRoute)]


def paths_of(routes: Iterable[PageRoute]) -> set[str]:
    """Return the paths of the pages among ``routes``: forms alone have none."""
    return {one.path for one in routes if "GET" in (one.methods or ())}

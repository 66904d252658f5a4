"""The application: every call and page, and what is answered where one cannot be served."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final, cast

import anyio.to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from wallarm_notify.bootstrap import Wiring
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.entrypoints.api.answers import fault_answer
from wallarm_notify.entrypoints.api.calls import (
    computations,
    dead_letters,
    events,
    health,
    integrations,
    notifications,
    operators,
    replays,
    rules,
    triggers,
)
from wallarm_notify.entrypoints.api.calls.original import activity as original_activity
from wallarm_notify.entrypoints.api.calls.original import integrations as original_integrations
from wallarm_notify.entrypoints.api.calls.original import objects as original_objects
from wallarm_notify.entrypoints.api.calls.original import triggers as original_triggers
from wallarm_notify.entrypoints.api.direct import DirectCalls
from wallarm_notify.entrypoints.api.faults import (
    BadBody,
    Fault,
    Overload,
    fault_of,
    fault_of_input,
    fault_of_status,
    log_trouble,
)
from wallarm_notify.entrypoints.api.middleware import Outermost
from wallarm_notify.entrypoints.api.openapi import checked_routes, described
from wallarm_notify.entrypoints.api.parts import ApiParts
from wallarm_notify.entrypoints.console.app import add_console
from wallarm_notify.entrypoints.console.fault_pages import HINTS as PAGE_HINTS
from wallarm_notify.entrypoints.console.fault_pages import fault_page, is_page

ROUTERS: Final = (
    health.router,
    notifications.router,
    replays.router,
    computations.router,
    events.router,
    integrations.router,
    triggers.router,
    rules.router,
    dead_letters.router,
    operators.router,
    original_objects.router,
    original_integrations.router,
    original_triggers.router,
    original_activity.router,
)

DESCRIPTION: Final = "/notify/v1/openapi.json"
"""Where the OpenAPI description is."""

NO_TELEMETRY: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI's own would hand the bodies of requests, keys among them, to whatever collects traces in the process."""


def make_app(wiring: Wiring, *, has_tls: bool = False) -> FastAPI:
    """Return the application over the parts of a process. Raise OSError where a trusted proxy's name is unknown.

    ``has_tls``: it is served with TLS of its own.
    """
    threads = wiring.settings.api_threads

    @asynccontextmanager
    async def bounded(_: FastAPI) -> AsyncIterator[None]:
        # As many as there are connections to the database: one more would only wait for one.
        anyio.to_thread.current_default_thread_limiter().total_tokens = threads
        yield

    app = FastAPI(
        title="wallarm-notify",
        version=version("wallarm-notify"),
        lifespan=bounded,
        openapi_url=DESCRIPTION,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    app.state.parts = parts = ApiParts(wiring)
    for router in ROUTERS:
        # As they are: to include a router is to make each of its routes anew, a quarter of a second for all.
        app.router.routes.extend(router.routes)
    add_console(app, parts, has_tls=has_tls)
    app.state.methods = _methods_by_path(app)
    for error, handle in _HANDLERS.items():
        app.add_exception_handler(error, handle)
    app.add_middleware(cast("Any", DirectCalls), routes=checked_routes(app), handlers=_HANDLERS)
    app.add_middleware(cast("Any", Outermost), threads=threads, answer=_answered, has_tls=has_tls)
    app.openapi = described(app)  # type: ignore[method-assign]  # as FastAPI documents it
    return app


def _answered(request: HTTPConnection, fault: Fault) -> Response:
    return fault_page(request, fault) if is_page(request) else fault_answer(request, fault)


def _methods_by_path(app: FastAPI) -> dict[str, set[str]]:
    """Return the methods of each path; one with an id in it is there as it is declared."""
    methods: dict[str, set[str]] = {}
    for route in checked_routes(app):
        methods.setdefault(route.path, set()).update(route.methods or ())
    return methods


_NOT_ALLOWED: Final = 405


async def _refused(request: Request, error: Exception) -> Response:
    found = cast("NotifyError | BadBody | Overload", error)
    fault = fault_of(found, PAGE_HINTS) if is_page(request) else fault_of(found)
    log_trouble(found, fault)
    return _answered(request, fault)


async def _wrong_input(request: Request, error: Exception) -> Response:
    return _answered(request, fault_of_input(cast("RequestValidationError", error).errors()))


def _methods_at(request: Request) -> set[str]:
    """Return the methods of the calls at the path of a request; of a page there are none."""
    app, path = request.app, request.url.path
    if (named := app.state.methods.get(path)) is not None:
        return set(named)
    at = [route for route in checked_routes(app) if route.path_regex.fullmatch(path)]
    return {method for route in at for method in route.methods or ()}


async def _of_the_framework(request: Request, error: Exception) -> Response:
    found = cast("HTTPException", error)
    answer = _answered(request, fault_of_status(found.status_code))
    answer.headers.update(found.headers or {})
    if found.status_code == _NOT_ALLOWED and (methods := _methods_at(request)):
        answer.headers["Allow"] = ", ".join(sorted(methods))
    return answer


_HANDLERS: Final = {
    NotifyError: _refused,
    BadBody: _refused,
    Overload: _refused,
    RequestValidationError: _wrong_input,
    HTTPException: _of_the_framework,
}

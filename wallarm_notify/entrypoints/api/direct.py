"""Direct calls: what programs call all the time, served without the framework's layers.

The layers look a path up among all others, put arguments together by what a function declares, and close what may have
been opened on the way. Who asks, rights, rates, sizes, times and faults are those of every call. The framework knows a
direct call too, for the description.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from wallarm_notify.entrypoints.api.body import CheckedRequest, read_json
from wallarm_notify.entrypoints.api.parts import Call, parts_of
from wallarm_notify.entrypoints.api.route import CheckedRoute, admit

EndpointT = TypeVar("EndpointT", bound=Callable[..., Response])

Read = Callable[[Any, Headers], Mapping[str, Any]]
"""What returns the arguments of a call, from its body's value and its headers. It raises RequestValidationError."""

Handle = Callable[[Request, Exception], Awaitable[Response]]
"""What answers a request that ended with an error of its kind."""

_READ: Final = "__read__"


def direct(read: Read) -> Callable[[EndpointT], EndpointT]:
    """Declare that a call of one path is direct; ``read`` returns its arguments, beside the first one."""

    def mark(endpoint: EndpointT) -> EndpointT:
        setattr(endpoint, _READ, read)
        return endpoint

    return mark


class DirectCalls:
    """The layer that serves the direct calls among ``routes``, and hands on all others.

    ``handlers`` are those of the application, by the kind of error.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Iterable[CheckedRoute],
        handlers: Mapping[type[Exception], Handle],
    ) -> None:
        self._app = app
        self._handlers = handlers
        self._errors = tuple(handlers)
        self._routes = {
            (method, route.path): route
            for route in routes
            if hasattr(route.endpoint, _READ)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = (
            self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        )
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = CheckedRequest(scope, receive)
        try:
            response = await _served(route, request)
        except self._errors as error:
            handle = next(one for kind, one in self._handlers.items() if isinstance(error, kind))
            response = await handle(request, error)
        await response(scope, receive, send)


async def _served(route: CheckedRoute, request: CheckedRequest) -> Response:
    await run_in_threadpool(admit, parts_of(request), request, route.right)
    raw = await request.read_body(route.right.largest, is_json=True)
    return await run_in_threadpool(_answer, route.endpoint, request, raw)


def _answer(endpoint: Callable[..., Response], request: Request, raw: bytes) -> Response:
    """Return the answer to a request that was let in."""
    read: Read = getattr(endpoint, _READ)
    call = Call(parts_of(request), request.state.caller)
    return endpoint(call, **read(read_json(raw), request.headers))

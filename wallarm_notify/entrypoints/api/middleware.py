"""Middleware: what is done to every request before and after its call, whatever the call is.

No more requests are under way than threads can serve soon: the others are sent away at once, to come again. So a
pile never builds up, whose answers nobody waits for any more.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wallarm_notify.entrypoints.api.faults import CRASH, Fault, Overload, fault_of

log = logging.getLogger(__name__)

WAITING: Final = 4
"""So many requests for each thread may be under way: one is served, the others wait."""

ALWAYS: Final = ("/healthz", "/readyz")
"""What is answered also where there is no room: an overload is no reason to restart."""

Answering = Callable[[HTTPConnection, Fault], Response]
"""What answers a request that cannot be served."""

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What browsers are told with each answer that does not say otherwise.

There is no CORS, so that no other site's page reads one.
"""

STRICT_TRANSPORT: Final = ("Strict-Transport-Security", "max-age=31536000")
"""What they are told besides where this server has TLS of its own."""

_CLIENT_HAS_GONE: Final = 499
"""What is logged as the status of a request whose client went away before it was there: nobody is answered."""

_FRAMES: Final = 3
"""So many places of an error are logged, the innermost last."""


class Outermost:
    """The outermost layer of the application, for ``threads`` that serve; ``answer`` is for what cannot be."""

    def __init__(self, app: ASGIApp, threads: int, answer: Answering, *, has_tls: bool) -> None:
        self._app = app
        self._answer = answer
        self._most = threads * WAITING
        self._under_way = 0
        given = [*HEADERS.items(), *([STRICT_TRANSPORT] if has_tls else [])]
        self._headers = [(name.lower().encode(), value.encode()) for name, value in given]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = list(message.get("headers", ()))
                names = {name for name, _ in own}
                message["headers"] = own + [one for one in self._headers if one[0] not in names]
            await send(message)

        try:
            await self._serve(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = status or _CLIENT_HAS_GONE
        except Exception as error:  # noqa: BLE001 - the last place to catch it; its text may repeat the request
            log.error("api.failed", extra={"error": type(error).__name__, "at": _places_of(error)})  # noqa: TRY400 - see above
            if not status:
                await self._answer(HTTPConnection(scope), CRASH)(scope, receive, send_with_headers)
        _log(scope, status, time.monotonic() - began)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._under_way >= self._most and scope["path"] not in ALWAYS:
            full = Overload(503, "Too many requests are under way; try again in a second.", after=1)
            await self._answer(HTTPConnection(scope), fault_of(full))(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1


def _places_of(error: BaseException) -> str:
    """Return where an error was raised, the innermost place last."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " ".join(places[-_FRAMES:])


def _log(scope: Scope, status: int, seconds: float) -> None:
    """Log one line of a request: the call's path as it is declared, and nothing that was sent."""
    route = scope.get("route")
    extra: dict[str, object] = {
        "method": scope["method"] if route is not None else "-",
        "call": getattr(route, "path", "-"),
        "status": status,
        "ms": round(1000 * seconds),
    }
    with suppress(KeyError):
        caller = scope["state"]["caller"]
        extra |= {"user": caller.user_id} if caller.token_id is None else {"token": caller.token_id}
    reads = scope["method"] == "GET" and status < 400  # noqa: PLR2004 - where faults begin
    log.log(logging.DEBUG if reads else logging.INFO, "api.answered", extra=extra)

"""The sandbox over HTTP: PagerDuty's routes and the `/sandbox` routes, for aiohttp to call."""

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from wallarm_notify.sandbox.api import Answer, Route, json_answer, read_submission, submit
from wallarm_notify.sandbox.control import PREFIX, ROUTES
from wallarm_notify.sandbox.documents import RefusedError
from wallarm_notify.sandbox.exchange import Exchange
from wallarm_notify.sandbox.faults import Discard, Drip
from wallarm_notify.sandbox.journal import Entry
from wallarm_notify.sandbox.memory import Memory

_STRANGE_HOST: Final = (
    f"{PREFIX} answers to localhost and to the sandbox's address, not to this host name."
)
_EVENT_ROUTES: Final = {route.value: route for route in Route}


class _Written(web.StreamResponse):
    """A response that says to aiohttp that the answer is written, and whether the connection stays open."""

    def __init__(self, *, goes_on: bool) -> None:
        super().__init__()
        self._keep_alive = goes_on

    async def prepare(self, request: web.BaseRequest) -> None:
        pass

    async def write_eof(self, data: bytes = b"") -> None:
        pass


_GOES_ON: Final = _Written(goes_on=True)
_IS_OVER: Final = _Written(goes_on=False)


class App:
    """Answers to requests, from one memory.

    `knows` decides by a host name whether `/sandbox` answers; None: it answers under any.
    """

    def __init__(self, memory: Memory, knows: Callable[[str | None], bool] | None) -> None:
        self._memory = memory
        self._knows = knows
        self._idle: dict[asyncio.Transport, asyncio.TimerHandle] = {}

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return what aiohttp needs to know after one request was answered: whether its connection stays open.

        aiohttp calls this when the headers have come, and cancels it when the client leaves.
        """
        transport = request.transport
        if transport is None or not await self._answer(Exchange(request, transport)):
            return _IS_OVER
        idle = self._memory.settings.idle_timeout
        if idle is not None:
            loop = asyncio.get_running_loop()
            self._idle[transport] = loop.call_later(idle, self._end, transport)
        return _GOES_ON

    def _end(self, transport: asyncio.Transport) -> None:
        del self._idle[transport]
        transport.close()

    async def _answer(self, exchange: Exchange) -> bool:
        """Answer one request; return whether its connection stays open."""
        timer = self._idle.pop(exchange.transport, None)
        if timer is not None:
            timer.cancel()
        try:
            raw = await exchange.read()
        except RefusedError as refusal:
            return await exchange.send(_refused(HTTPStatus.BAD_REQUEST, str(refusal)))
        path, method = exchange.request.path.rstrip("/"), exchange.request.method
        route = _EVENT_ROUTES.get(path)
        if route is None:
            return await exchange.send(self._other_answer(path, exchange.request, raw))
        if method != "POST":
            return await exchange.send(_wrong_method(exchange.request, ["POST"]))
        return await self._take_event(route, exchange, raw)

    async def _take_event(self, route: Route, exchange: Exchange, raw: bytes) -> bool:
        """Process, record and answer one event; return whether its connection stays open."""
        memory, request, at = self._memory, exchange.request, exchange.at
        submission = read_submission(route, raw, request.headers.get("X-Routing-Key"), at)
        fault = memory.faults.choose(submission.key, at)
        answer = None
        if fault is None or fault.takes_event:
            answer = submit(memory, submission, discard=isinstance(fault, Discard))
        entry = Entry(
            number=len(memory.requests) + 1,
            at=at,
            path=request.path,
            key=submission.key,
            headers=exchange.headers(),
            raw=raw,
            peer_port=exchange.peer_port,
            fault=None if fault is None else fault.kind,
            accepted=answer is not None and answer.status == HTTPStatus.ACCEPTED,
        )
        memory.requests.append(entry)
        if fault is not None:
            answer = await exchange.apply(fault, answer)
        if answer is None:
            return False
        interval = fault.delay if isinstance(fault, Drip) else None
        return await exchange.send(answer, entry, interval=interval)

    def _other_answer(self, path: str, request: web.BaseRequest, raw: bytes) -> Answer:
        """Return the answer to a request for none of PagerDuty's routes."""
        # Any web page may let its own host name lead here (DNS rebinding), and could read and control the sandbox.
        if (
            (path == PREFIX or path.startswith(f"{PREFIX}/"))
            and self._knows is not None
            and not self._knows(request.headers.get("Host"))
        ):
            return _refused(HTTPStatus.MISDIRECTED_REQUEST, _STRANGE_HOST)
        methods = ROUTES.get(path)
        if methods is None:
            return _refused(HTTPStatus.NOT_FOUND, f"There is nothing at {request.path}.")
        route = methods.get(request.method)
        if route is None:
            return _wrong_method(request, methods)
        try:
            return json_answer(HTTPStatus.OK, route(self._memory, request.query, raw))
        except RefusedError as refusal:
            return _refused(HTTPStatus.BAD_REQUEST, str(refusal))


def _refused(status: int, sentence: str) -> Answer:
    return json_answer(status, {"error": sentence})


def _wrong_method(request: web.BaseRequest, permitted: Iterable[str]) -> Answer:
    sentence = f"{request.path} takes {', '.join(permitted)} only."
    return _refused(HTTPStatus.METHOD_NOT_ALLOWED, sentence)

"""One client's connection: requests in, answers out, and the trouble that was asked for."""

import asyncio
import socket
import struct
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import assert_never

from wallarm_notify.sandbox.answers import Answer, refused
from wallarm_notify.sandbox.api import Route, read_submission, submit
from wallarm_notify.sandbox.control import PREFIX, control
from wallarm_notify.sandbox.faults import Fault, Kind
from wallarm_notify.sandbox.journal import Entry
from wallarm_notify.sandbox.memory import Memory
from wallarm_notify.sandbox.wire import MalformedError, Request, encode, read_request

_EVENT_ROUTES = {route.value: route for route in Route}
_LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)


class Connection:
    """Serves the requests of one connection, one after the other, until either side ends it."""

    def __init__(
        self,
        memory: Memory,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        knows: Callable[[str | None], bool] | None,
    ) -> None:
        self._memory = memory
        self._knows = knows
        self._reader = reader
        self._writer = writer
        peer = writer.get_extra_info("peername")  # None when the client has already gone
        self._peer_port: int = peer[1] if peer else 0

    async def serve(self) -> None:
        """Answer requests until the connection is over; raises OSError when it breaks."""
        going_on = True
        while going_on:
            idle = self._memory.knobs.idle_timeout
            try:
                request = await read_request(self._reader, self._writer, idle)
            except (TimeoutError, asyncio.IncompleteReadError):
                return
            except MalformedError as error:
                answer = refused(HTTPStatus.BAD_REQUEST, str(error))
                await self._send(encode(answer, keep_alive=False))
                return
            going_on = await self._answer(request)

    async def _answer(self, request: Request) -> bool:
        """Deal with one request; return whether the connection goes on."""
        path = request.path.rstrip("/")
        route = _EVENT_ROUTES.get(path)
        if route is not None:
            if request.method == "POST":
                return await self._answer_event(route, request)
            answer = refused(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.path} takes POST only.")
        elif path == PREFIX or path.startswith(f"{PREFIX}/"):
            answer = self._answer_control(request)
        else:
            answer = refused(HTTPStatus.NOT_FOUND, f"There is nothing at {request.path}.")
        with_body = request.method != "HEAD"
        await self._send(encode(answer, keep_alive=request.keep_alive, with_body=with_body))
        return request.keep_alive

    def _answer_control(self, request: Request) -> Answer:
        # A page of anybody may have its own name lead here, and would read and drive the sandbox.
        if self._knows is None or self._knows(request.header("host")):
            return control(self._memory, request)
        sentence = (
            f"{PREFIX} answers to localhost and to the sandbox's address, not to this host name."
        )
        return refused(HTTPStatus.MISDIRECTED_REQUEST, sentence)

    async def _answer_event(self, route: Route, request: Request) -> bool:
        memory = self._memory
        header_key = request.header("x-routing-key")
        submission = read_submission(route, request.body, header_key, request.at)
        fault = memory.faults.choose(submission.key, request.at)
        answer = None
        if fault is None or fault.accept:
            discard = fault is not None and fault.kind is Kind.DISCARD
            answer = submit(memory, submission, discard=discard)
        entry = memory.journal.write(
            at=request.at,
            path=request.path,
            key=submission.key,
            headers=request.headers,
            raw=request.body,
            peer_port=self._peer_port,
            fault=None if fault is None else fault.kind.value,
            accepted=answer is not None and answer.status == HTTPStatus.ACCEPTED,
        )
        if fault is not None:
            return await self._trouble(fault, fault.answer or answer, entry, request)
        return answer is not None and await self._reply(answer, entry, request)

    async def _reply(self, answer: Answer, entry: Entry, request: Request) -> bool:
        entry.status = answer.status
        await self._send(encode(answer, keep_alive=request.keep_alive))
        return request.keep_alive

    async def _trouble(
        self, fault: Fault, answer: Answer | None, entry: Entry, request: Request
    ) -> bool:
        """Do what the fault says; return whether the connection goes on."""
        pause = 0.0 if fault.delay is None else fault.delay.total_seconds()
        match fault.kind:
            case Kind.CLOSE:
                pass
            case Kind.RESET:
                self._reset()
            case Kind.HANG:
                await self._wait_for_end(fault.delay)
            case Kind.DRIP:
                if answer is not None:
                    return await self._drip(answer, pause, entry, request)
            case Kind.SLOW | Kind.STATUS | Kind.DISCARD:
                await asyncio.sleep(pause)
                if answer is not None and not self._is_left():
                    return await self._reply(answer, entry, request)
            case _:
                assert_never(fault.kind)
        return False

    async def _drip(self, answer: Answer, pause: float, entry: Entry, request: Request) -> bool:
        *most, last = encode(answer, keep_alive=request.keep_alive)
        for byte in most:
            await asyncio.sleep(pause)
            if self._is_left():
                return False
            await self._send(bytes([byte]))
        await asyncio.sleep(pause)
        entry.status = answer.status
        await self._send(bytes([last]))
        return request.keep_alive

    async def _wait_for_end(self, longest: timedelta | None) -> None:
        try:
            async with asyncio.timeout(None if longest is None else longest.total_seconds()):
                await self._reader.read(1)
        except TimeoutError:
            return

    def _reset(self) -> None:
        self._writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL
        )
        self._writer.transport.abort()

    def _is_left(self) -> bool:
        return self._writer.is_closing() or self._reader.at_eof()

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

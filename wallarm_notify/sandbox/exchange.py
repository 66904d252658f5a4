"""One request and its answer: aiohttp reads the request, the answer goes to the raw connection.

The answer is written as bytes, not as a response of aiohttp's, because a fault sends some of its bytes or
none, and PagerDuty's answers have no other headers than their own.
"""

import asyncio
import math
import socket
import struct
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from aiohttp import web

from wallarm_notify.sandbox.api import Answer, status_answer
from wallarm_notify.sandbox.documents import RefusedError
from wallarm_notify.sandbox.faults import Close, Fault, Hang, Reset, Slow, Status
from wallarm_notify.sandbox.journal import Entry

MAX_READ_BYTES: Final = 16_777_216
"""The longest body that is read at all; PagerDuty's own limit is lower."""

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Exchange:
    """One request, whose headers came `at`, and the connection for its answer."""

    def __init__(self, request: web.BaseRequest, transport: asyncio.Transport) -> None:
        self.at = datetime.now(UTC)
        self.request = request
        self.transport = transport
        self.keep_alive = request.keep_alive

    @property
    def peer_port(self) -> int:
        """The client's port, 0 if the client has left."""
        peer = self.transport.get_extra_info("peername")
        return int(peer[1]) if peer else 0

    def headers(self) -> dict[str, str]:
        """Return the headers as sent; a comma joins the values of one name."""
        joined: dict[str, str] = {}
        for name, value in self.request.headers.items():
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return joined

    async def read(self) -> bytes:
        """Return the body; raise RefusedError if it is too long or its chunks are malformed.

        The connection cannot stay open after such an error.
        """
        request = self.request
        refusal = f"The body is longer than {MAX_READ_BYTES} bytes."
        if (request.content_length or 0) <= MAX_READ_BYTES:
            if request.headers.get("Expect", "").lower() == "100-continue":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            try:
                return await request.read()
            except web.HTTPRequestEntityTooLarge:  # its length was not announced
                pass
            except web.RequestPayloadError:
                refusal = "The chunks of the body are malformed."
        self.keep_alive = False
        raise RefusedError(refusal)

    async def apply(self, fault: Fault, answer: Answer | None) -> Answer | None:
        """Do what a fault does before an answer; return the answer to send, or None to send none.

        `answer` is the ordinary one, None if the event was not processed.
        """
        match fault:
            case Reset():
                sock = self.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                self.transport.abort()
                return None
            case Close():
                return None
            case Hang():
                await asyncio.sleep(math.inf if fault.delay is None else fault.delay)
                return None
            case Slow():
                await asyncio.sleep(fault.delay)
            case Status():
                await asyncio.sleep(fault.delay or 0)
                return status_answer(fault)
        return answer

    async def send(
        self, answer: Answer, entry: Entry | None = None, *, interval: float | None = None
    ) -> bool:
        """Send an answer and note it in `entry`; return whether the connection stays open.

        `interval` is the seconds before each byte of an answer that drips.
        """
        data = self._bytes_of(answer)
        pieces = [data] if interval is None else [bytes([byte]) for byte in data]
        for piece in pieces:
            if interval is not None:
                await asyncio.sleep(interval)
            if self.transport.is_closing():  # the client has left
                return False
            self.transport.write(piece)
        if entry is not None:
            entry.status = answer.status
        await self.request.writer.drain()
        return self.keep_alive

    def _bytes_of(self, answer: Answer) -> bytes:
        head = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        if not any(name.lower() == "content-length" for name in answer.headers):
            head.append(f"Content-Length: {len(answer.body)}")
        if not self.keep_alive:
            head.append("Connection: close")
        data = "\r\n".join((*head, "", "")).encode("latin-1")
        return data if self.request.method == "HEAD" else data + answer.body

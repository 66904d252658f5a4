"""HTTP/1.1 as the sandbox needs it: read one request, encode one answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from wallarm_notify.sandbox.answers import Answer

MAX_HEAD_BYTES = 65_536
MAX_READ_BYTES = 16_777_216
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class MalformedError(Exception):
    """What came in is no HTTP/1.x request this server can read."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `at` is when its headers had arrived, `headers` are spelt as sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    fields: Mapping[str, str]
    body: bytes
    at: datetime
    keep_alive: bool

    def header(self, name: str) -> str | None:
        """Return the header `name`, given in lower case, or None."""
        return self.fields.get(name)


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: timedelta | None
) -> Request:
    """Wait for the next request of a connection, for at most `idle` (None: as long as it takes).

    Raises TimeoutError when nothing came in time, asyncio.IncompleteReadError at the end of the
    connection and MalformedError for anything that is not HTTP.
    """
    async with asyncio.timeout(None if idle is None else idle.total_seconds()):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise MalformedError("The headers are too long.") from error
    at = datetime.now(UTC)
    first, *lines = head[:-4].decode("latin-1").lstrip("\r\n").split("\r\n")
    parts = first.split(" ")
    if len(parts) != len(("method", "target", "version")) or not parts[2].startswith("HTTP/1."):
        raise MalformedError("The first line is no HTTP/1.1 request line.")
    method, target, version = parts
    headers = _read_headers(lines)
    fields = {name.lower(): value for name, value in headers.items()}
    path, _, query = target.partition("?")
    connection = fields.get("connection", "").lower()
    keep_alive = "close" not in connection if version != "HTTP/1.0" else "keep-alive" in connection
    body = await _read_body(reader, writer, fields)
    return Request(method, path, query, headers, fields, body, at, keep_alive)


def encode(answer: Answer, *, keep_alive: bool, with_body: bool = True) -> bytes:
    """Return the bytes of a whole answer; `with_body` False is for HEAD."""
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if not any(name.lower() == "content-length" for name in answer.headers):
        lines.append(f"Content-Length: {len(answer.body)}")
    if not keep_alive:
        lines.append("Connection: close")
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    return head + answer.body if with_body else head


def _read_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise MalformedError("A header line is not of the form 'Name: value'.")
        value = value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _read_body(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fields: Mapping[str, str]
) -> bytes:
    chunked = fields.get("transfer-encoding", "").lower() == "chunked"
    length = fields.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) <= len(str(MAX_READ_BYTES))):
        raise MalformedError("Content-Length is no number this server can read.")
    if int(length) > MAX_READ_BYTES:
        raise MalformedError(f"The body is longer than {MAX_READ_BYTES} bytes.")
    if fields.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if chunked:
        return await _read_chunks(reader)
    return await reader.readexactly(int(length)) if int(length) else b""


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        try:
            size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        except (ValueError, asyncio.LimitOverrunError) as error:
            raise MalformedError("A chunk has no size.") from error
        if size < 0 or len(body) + size > MAX_READ_BYTES:
            raise MalformedError(f"The body is longer than {MAX_READ_BYTES} bytes.")
        if size == 0:
            break
        body += (await reader.readexactly(size + 2))[:-2]
    while (await reader.readuntil(b"\r\n")) != b"\r\n":
        pass  # a trailer, of no use here
    return bytes(body)

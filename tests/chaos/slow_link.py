"""A slow and bad line: ``python -m chaos.slow_link PORT HOST PORT DELAY CUT``.

What comes to the first port of this machine is passed on to the other host and back, each way ``DELAY`` seconds
later. Each second, each connection is cut with the probability ``CUT``: by a RST to both sides, in the middle
of whatever is under way. Its output has a line for each one that was cut.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

READ_BYTES: Final = 65_536
_RST_AT_CLOSE: Final = struct.pack("ii", 1, 0)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Write what is read, and the end of it, ``delay`` seconds later."""
    waiting = asyncio.Queue[tuple[float, bytes]]()
    now = asyncio.get_running_loop().time

    async def write() -> None:
        while True:
            due, some = await waiting.get()
            await asyncio.sleep(due - now())
            if not some:
                writer.write_eof()
                return
            writer.write(some)
            await writer.drain()

    writing = asyncio.create_task(write())
    try:
        while some := await reader.read(READ_BYTES):
            waiting.put_nowait((now() + delay, some))
        waiting.put_nowait((now() + delay, b""))
        await writing
    finally:
        writing.cancel()


async def cut_some_time(cut: float) -> None:
    """Return after a number of seconds, each of which is the last one with the probability ``cut``."""
    while True:
        await asyncio.sleep(1)
        if random.random() < cut:
            return


async def serve_one(
    near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    host: str,
    port: int,
    delay: float,
    cut: float,
) -> None:
    """Pass one connection on until it ends or is cut."""
    reader, writer = near
    try:
        await asyncio.sleep(2 * delay)  # the handshake takes a way and back
        far_reader, far_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.transport.abort()
        return
    both = asyncio.gather(pass_on(reader, far_writer, delay), pass_on(far_reader, writer, delay))
    cutting: asyncio.Future[object] = asyncio.ensure_future(cut_some_time(cut))
    try:
        await asyncio.wait((both, cutting), return_when=asyncio.FIRST_COMPLETED)
        if not both.done():
            print("cut", flush=True)  # noqa: T201 - its output is what it is read by
            for one in (writer, far_writer):
                end: socket.socket = one.get_extra_info("socket")
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_AT_CLOSE)
    finally:
        cutting.cancel()
        both.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await both
        for one in (writer, far_writer):
            one.transport.abort()


async def serve(own: int, host: str, port: int, delay: float, cut: float) -> None:
    """Serve for ever."""
    server = await asyncio.start_server(
        lambda reader, writer: serve_one((reader, writer), host, port, delay, cut), "127.0.0.1", own
    )
    print("listening", flush=True)  # noqa: T201 - as above
    await server.serve_forever()


if __name__ == "__main__":
    _, own, host, port, delay, cut = sys.argv
    asyncio.run(serve(int(own), host, int(port), float(delay), float(cut)))

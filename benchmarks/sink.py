"""A server in place of PagerDuty while rates are measured: it accepts every POST at once, and counts.

    python -m benchmarks.sink [--delay 0.15] [--hang KEY]

Its first line names its port. ``GET /seen`` shows what came since the last ``DELETE /seen``: how many
requests, when the last one did, and how much CPU the server has used for them. ``GET /under-way`` lists
those whose body says «sent » and when: that time, and how many seconds later they came. Anything else is
answered 202, after the delay, but for a body that holds KEY: it is counted apart, and never answered.
"""

import argparse
import asyncio
import json
import re
import time
from typing import Any, Final, cast

_BODY: Final = b'{"status":"success","message":"Event processed","dedup_key":"a benchmark"}'
SINK: Final = "BENCHMARK_SINK"
"""The environment variable that names the sink's address to contenders that are not this pipeline."""

ACCEPTED: Final = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    % (len(_BODY), _BODY)
)
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_SENT: Final = re.compile(rb"sent (\d+\.\d+)")


def title() -> str:
    """Return the title of an event that is sent now; it holds the time, which ``Seen`` reads."""
    return f"Vulnerable version of nginx, sent {time.time():.6f}"


class Seen:
    """The requests that came since they were last forgotten."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin again from zero."""
        self.requests = 0
        self.hanging = 0
        self.last = 0.0
        self.under_way: list[tuple[float, float]] = []
        self._cpu = time.process_time()

    def count(self, body: bytes) -> None:
        """Count one more request."""
        self.requests += 1
        self.last = time.time()
        if (sent := _SENT.search(body)) is not None:
            self.under_way.append((float(sent[1]), self.last - float(sent[1])))

    def document(self) -> dict[str, Any]:
        """Return the answer to ``GET /seen``; times are in seconds."""
        cpu = time.process_time() - self._cpu
        return {
            "requests": self.requests,
            "hanging": self.hanging,
            "last": self.last,
            "cpu": cpu,
        }


class Connection(asyncio.Protocol):
    """One client's connection, kept open."""

    def __init__(self, seen: Seen, delay: float, hang: bytes) -> None:
        self._seen = seen
        self._delay = delay
        self._hang = hang
        self._unread = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, which answers are written to."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is there in full."""
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            head = self._unread[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._unread) < whole:
                return
            body, self._unread = self._unread[end + 4 : whole], self._unread[whole:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST"):
            if self._hang and self._hang in body:
                self._seen.hanging += 1
                return
            self._seen.count(body)
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._write, ACCEPTED)
            else:
                self._write(ACCEPTED)
            return
        asked_for_all = head.startswith(b"GET /under-way")
        document = json.dumps(
            self._seen.under_way if asked_for_all else self._seen.document()
        ).encode()
        if head.startswith(b"DELETE"):
            self._seen.forget()
        self._write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(document), document))

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


async def serve(delay: float, hang: bytes) -> None:
    """Serve until the process is killed."""
    seen = Seen()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(seen, delay, hang), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds until each answer")
    parser.add_argument("--hang", default="", metavar="KEY", help="never answer who holds it")
    options = parser.parse_args()
    asyncio.run(serve(options.delay, options.hang.encode()))


if __name__ == "__main__":
    main()

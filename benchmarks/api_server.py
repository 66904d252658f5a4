"""The HTTP API as it is run to be measured: its server, its tokens, and who asks."""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.stack import BenchmarkStack, Void
from wallarm_notify.devstack.processes import Process, product_command, wait_until
from wallarm_notify.devstack.stack import PATIENCE, READY_SECONDS

OPERATOR: Final = ("--all-clients", "--role", "operator")
PRODUCER: Final = ("--all-clients", "--role", "producer")

NO_TOKEN_RATE: Final = 1_000_000
"""Requests of a token a minute: none is refused, and the code of the limit runs."""

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_USER: Final = 11
"""Where in a process's line of /proc, behind its name, its time of the CPU stands; the system's follows."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; ``kind`` names it in tables. ``at``: when it is sent, None: when the one before is answered.

    Of the console it has a ``cookie`` in place of a token.
    """

    kind: str
    path: str
    token: str
    method: str = "GET"
    body: str | None = None
    at: float | None = None
    cookie: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a request: milliseconds, how many of these it waited in who asks, and the status.

    ``status`` 0: there was no answer.
    """

    kind: str
    milliseconds: float
    waited: float
    status: int
    trouble: str

    @property
    def is_error(self) -> bool:
        """Whether it was not served."""
        return not 200 <= self.status < 300  # noqa: PLR2004 - what HTTP calls success


class ApiServer:
    """A server of the API, and the process that sends it requests."""

    def __init__(self, stack: BenchmarkStack, **environment: str) -> None:
        self._stack = stack
        self.process = stack.start("api", product_command("serve", "--port", "0"), **environment)
        self.process.wait_for("until Ctrl-C", READY_SECONDS)
        (self.url,) = re.findall(r"The API at (http://\S+) until", self.process.text())

    def token(self, *words: str) -> str:
        """Return a new token, as the command line makes it with ``words``."""
        made = json.loads(self._stack.run_command("tokens", "create", *words, "--json"))
        return str(made["token"])

    def cpu(self) -> float:
        """Return how many seconds of the CPU the server has used, its own and the system's for it."""
        line = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        fields = line.rpartition(")")[2].split()
        return (int(fields[_USER]) + int(fields[_USER + 1])) / _TICKS

    def ask(self, asked: Sequence[Asked], *, threads: int = 1) -> list[Answered]:
        """Send requests from a process of their own; return what became of each. Raise Void."""
        with self.asking(asked, threads=threads) as answers:
            pass
        return answers

    @contextmanager
    def asking(self, asked: Sequence[Asked], *, threads: int) -> Iterator[list[Answered]]:
        """Send requests while the block runs, and wait for their end; the list is full after the block. Raise Void."""
        plan, found = self._stack.folder / "plan.json", self._stack.folder / "answers.json"
        document = {"url": self.url, "threads": threads, "requests": [asdict(one) for one in asked]}
        plan.write_text(json.dumps(document))
        process = _start_asking(self._stack, str(plan), str(found))
        answers: list[Answered] = []
        try:
            yield answers
            lasts = max((one.at or 0.0 for one in asked), default=0.0) + 10 * 60
            wait_until(process.has_ended, lasts, "the last answer")
            if process.exit_status():
                raise Void(f"who asks ended:\n{process.tail()}")
        finally:
            process.stop(PATIENCE)
        read = json.loads(found.read_text())
        answers += [Answered(one.kind, *more) for one, more in zip(asked, read, strict=True)]


@contextmanager
def serving(stack: BenchmarkStack, **environment: str) -> Iterator[ApiServer]:
    """Start a server; it ends with the block. Raise Void where it does not end as it should."""
    server = ApiServer(stack, **environment)
    try:
        yield server
    finally:
        server.process.stop(PATIENCE)


def check_served(answers: Sequence[Answered]) -> None:
    """Raise Void where a request was not served."""
    wrong = [one for one in answers if one.is_error]
    if wrong:
        first = wrong[0]
        raise Void(
            f"{len(wrong)} of {len(answers)} requests were not served; the first: {first.kind}, "
            f"{first.status} {first.trouble}"
        )


def load_average() -> float:
    """Return how many processes wanted a core at once in the last minute, ours included."""
    return os.getloadavg()[0]


def _start_asking(stack: BenchmarkStack, *words: str) -> Process:
    return stack.start("asking", [sys.executable, "-m", "benchmarks.api_load", *words])

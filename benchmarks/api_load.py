"""Requests to the HTTP API from a process of their own, at fixed times or one by one.

    python -m benchmarks.api_load PLAN ANSWERS

Both are files of JSON. The plan has the server's address, how many threads ask, each on a connection of its own that
stays open, and the requests. A request with a time is sent when that has come, in seconds from the beginning, whether
or not others are answered; its milliseconds count from then, so that a slow answer is not hidden by what had to wait
for it. One without is sent when the one before is answered, and counts from its sending.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import requests

SECONDS = 15
"""So long a request waits for its answer."""


class Asker(Thread):
    """A thread that sends requests on one connection, until it is given None.

    ``answers`` has for each, by its number: milliseconds, how many of these it waited here, status, trouble in words.
    """

    def __init__(
        self,
        url: str,
        given: "SimpleQueue[tuple[int, float | None] | None]",
        asked: Sequence[Mapping[str, Any]],
    ) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._given = given
        self._asked = asked
        self.answers: dict[int, tuple[float, float, int, str]] = {}

    def run(self) -> None:
        """Send what is given."""
        with requests.Session() as session:
            session.trust_env = False
            while (one := self._given.get()) is not None:
                number, due = one
                self.answers[number] = self._ask(session, self._asked[number], due)

    def _ask(
        self, session: requests.Session, asked: Mapping[str, Any], due: float | None
    ) -> tuple[float, float, int, str]:
        began = time.monotonic()
        due = began if due is None else due
        cookie = asked.get("cookie")
        headers = {"Cookie": cookie} if cookie else {"X-WallarmApi-Token": asked["token"]}
        body = asked.get("body")
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            answer = session.request(
                asked["method"],
                self._url + asked["path"],
                headers=headers,
                data=body,
                timeout=SECONDS,
            )
        except requests.RequestException as error:
            return 1000 * (time.monotonic() - due), 1000 * (began - due), 0, type(error).__name__
        trouble = "" if answer.ok else answer.text[:200]
        took = 1000 * (time.monotonic() - due)
        return took, 1000 * (began - due), answer.status_code, trouble


def played(plan: Mapping[str, Any]) -> list[tuple[float, float, int, str]]:
    """Return what became of each request of a plan, in their order."""
    asked: Sequence[Mapping[str, Any]] = plan["requests"]
    given: SimpleQueue[tuple[int, float | None] | None] = SimpleQueue()
    askers = [Asker(plan["url"], given, asked) for _ in range(plan["threads"])]
    for asker in askers:
        asker.start()
    began = time.monotonic()
    for number, one in enumerate(asked):
        due = None if one["at"] is None else began + one["at"]
        if due is not None and (ahead := due - time.monotonic()) > 0:
            time.sleep(ahead)
        given.put((number, due))
    for _ in askers:
        given.put(None)
    found: dict[int, tuple[float, float, int, str]] = {}
    for asker in askers:
        asker.join()
        found |= asker.answers
    return [found[number] for number in range(len(asked))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the plan, ask, and write the answers; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("plan", type=Path)
    parser.add_argument("answers", type=Path)
    options = parser.parse_args(arguments)
    options.answers.write_text(json.dumps(played(json.loads(options.plan.read_text()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())

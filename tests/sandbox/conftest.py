import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from wallarm_notify.sandbox.server import Sandbox

KEY = "a" * 31 + "Z"
OTHER_KEY = "b" * 31 + "7"

Event = Callable[..., dict[str, Any]]


class Reply(NamedTuple):
    """One answer as a client sees it."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Caller:
    """One kept-alive connection to the sandbox."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname
        self.connection = HTTPConnection(address.hostname, address.port, timeout=10)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        self.connection.request(method, path, raw, headers or {})
        answer = self.connection.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read().decode())

    def post(self, body: Any, path: str = "/v2/enqueue", **headers: str) -> Reply:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", path, body, names)


@pytest.fixture
def event() -> Event:
    """Build a valid event; named fields replace or, when `...`, remove its own."""

    def build(action: str = "trigger", **fields: Any) -> dict[str, Any]:
        payload = {"summary": "Rule created", "source": "wallarm", "severity": "info"}
        body = {
            "routing_key": KEY,
            "event_action": action,
            "dedup_key": "d-1",
            "payload": payload,
            **fields,
        }
        return {name: value for name, value in body.items() if value is not ...}

    return build


@pytest.fixture
def caller(sandbox: Sandbox) -> Iterator[Caller]:
    one = Caller(sandbox.url)
    yield one
    one.connection.close()


@pytest.fixture
def callers(sandbox: Sandbox) -> Iterator[Callable[[], Caller]]:
    made: list[Caller] = []

    def make() -> Caller:
        made.append(Caller(sandbox.url))
        return made[-1]

    yield make
    for one in made:
        one.connection.close()

"""Requests that schemathesis makes of the OpenAPI description, and what the real application answers to them.

Some minutes by hand: ``SCHEMATHESIS_EXAMPLES=200 pytest --timeout 3600`` of this file, which makes as many requests of
each call that are drawn at random, and others each time.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Address
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from entrypoints.api.http_api import served
from entrypoints.api.owned import owned
from wallarm_notify.domain.actor import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis.core.failures import Failure

    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine

BY_HAND: Final = os.environ.get("SCHEMATHESIS_EXAMPLES")
DRAWN: Final = int(BY_HAND or 3)
"""So many requests of each call are drawn at random, beside those at each limit of each field."""

BY_RULE: Final = {
    "actions": "a trigger notifies integrations that there are, one or more",
    "client_id": "whoever has several clients says whose",
    "clientid": "whoever has several clients says whose",
    "condition": "beside the client, where it is not that of a saved trigger",
    "comment": "only printable characters, and nothing like a key",
    "events": "a word of the original that is on is one that can be subscribed to here",
    "filters": "the condition decides which filters it takes, and which values",
    "find": "not together with notification_id",
    "id": "the default application is never deleted",
    "integration_ids": "integrations of the same client, and not too many",
    "name": "only printable characters, not all blank, and nothing like a key",
    "reason": "only printable characters, and nothing like a key",
    "since": "before until",
    "threshold": "the condition decides whether it takes one",
    "until": "in the future, and at most a year ahead",
}
"""Fields whose value a rule refuses that a JSON schema cannot state, and the rule."""


@pytest.fixture
def api(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpApi]:
    """The API, over one of each kind that a client has, without a limit of requests."""
    monkeypatch.setenv("WALLARM_NOTIFY_API_TOKEN_RATE", "0")
    monkeypatch.setenv("WALLARM_NOTIFY_TRUSTED_PROXIES", "127.0.0.1")
    with served(line) as running:
        owned(line, 1)
        yield running


@pytest.fixture(autouse=True)
def from_everywhere() -> Iterator[None]:
    """Let each request come from another address: of one, only so many tokens may fail."""
    addresses = count(int(IPv4Address("198.18.0.0")))

    @schemathesis.hook
    def before_call(_: Any, case: Any, __: Any) -> None:
        case.headers["X-Forwarded-For"] = str(IPv4Address(next(addresses)))

    yield
    schemathesis.hooks.unregister(before_call)


def closed(document: Any) -> Any:
    """Return the description with answers that have no fields but the described ones."""
    schemas = document["components"]["schemas"]
    calls = [call for path in document["paths"].values() for call in path.values()]
    for name in named_in([call["responses"] for call in calls], schemas, set()):
        if "properties" in schemas[name]:
            schemas[name]["additionalProperties"] = False
    return document


def named_in(value: Any, schemas: Any, found: set[str]) -> set[str]:
    """Return the names of the schemas that a part of the description refers to, at any distance."""
    if isinstance(value, dict) and isinstance(reference := value.get("$ref"), str):
        name = reference.rpartition("/")[2]
        if name not in found:
            found.add(name)
            named_in(schemas[name], schemas, found)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        named_in(one, schemas, found)
    return found


def configured(headers: dict[str, str]) -> SchemathesisConfig:
    # Without a token there is one answer to nearly all.
    drawn = {
        "max-examples": DRAWN if headers else 1,
        "deterministic": not BY_HAND,
        "database": "none",
    }
    return SchemathesisConfig.from_dict(
        {
            "headers": headers,
            "generation": drawn,
            "phases": {"stateful": {"enabled": False}},
            "operations": [
                {
                    "include-path": "/readyz",
                    "checks": {
                        # Without workers it is not ready, which is what 503 is for.
                        "not_a_server_error": {"expected-statuses": ["2xx", "4xx", 503]},
                    },
                }
            ],
        }
    )


def found_by(api: HttpApi, headers: dict[str, str]) -> Iterator[str]:
    """Yield in words what is wrong with answers to whoever sends ``headers``."""
    document = closed(api.ok("GET", "/notify/v1/openapi.json", role=None))
    schema = schemathesis.openapi.from_dict(document, config=configured(headers))
    schema.config.update(base_url=api.url)
    requests = 0
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            yield f"it could not go on: {vars(event)}"
        elif isinstance(event, events.ScenarioFinished):
            requests += len(event.recorder.cases)
            yield from wrong_in(event)
    assert requests > len(document["paths"])


def wrong_in(event: events.ScenarioFinished) -> Iterator[str]:
    for case, checks in event.recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            made = event.recorder.interactions[case]
            body = made.response.content if made.response else b""
            if check.name == "positive_data_acceptance" and is_by_rule(made.response):
                continue
            yield (
                f"{event.label}: {check.name}: {words_of(check.failure_info.failure)}\n"
                f"  {made.request.method} {made.request.uri} {made.request.body!r:.300}\n"
                f"  {made.response.status_code if made.response else '-'} {body!r:.400}"
            )


def words_of(failure: Failure) -> str:
    return f"{failure.title} {failure.message}"


def is_by_rule(response: Any) -> bool:
    """Whether a request is refused by a rule that a schema cannot state: of a field, or of how things stand."""
    document = response.json()
    if "type" not in document:
        faults = document["body"] if isinstance(document["body"], dict) else {}
        return all(is_ruled(field, one["error"]) for field, one in faults.items())
    faults = {one["field"]: one["detail"] for one in document.get("errors", ())}
    is_refused = document["type"].endswith(":refused")
    return (is_refused or bool(faults)) and all(is_ruled(*one) for one in faults.items())


def is_ruled(field: str, sentence: str) -> bool:
    # A JSON schema takes 1.0 for a whole number. What an event has to be is a schema of its own.
    return field in BY_RULE or sentence == "must be a whole number." or field.startswith("events.")


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMINISTRATOR, None])
def test_every_answer_is_as_described_whatever_is_asked(api: HttpApi, role: Role | None) -> None:
    headers = {} if role is None else {"X-WallarmApi-Token": api.token(role)}
    wrong = [*found_by(api, headers)]
    assert not wrong, "\n".join(wrong)

"""The examples of the OpenAPI description are true: each request is made, each answer is the real one's like.

``WRITE_EXAMPLES=yes pytest`` of this file writes the answers of those that have none, or one of another shape.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import jsonschema_rs
import pytest
from build import a_rejection, an_event_for, eventually

from entrypoints.api.test_schemathesis import closed
from wallarm_notify.domain.actor import Actor, Role, Source
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.rights import may
from wallarm_notify.domain.scope import only
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.domain.views import Wanted
from wallarm_notify.entrypoints.api.app import make_app
from wallarm_notify.entrypoints.api.examples import SERVED, Example, examples_of, file_of
from wallarm_notify.entrypoints.api.openapi import checked_routes
from wallarm_notify.services.computations import create_explanation
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.readiness import note_heartbeat
from wallarm_notify.services.replay_jobs import cancel_replay_job, create_replay_job
from wallarm_notify.services.sweep import sweep
from wallarm_notify.task_names import QUEUES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from requests import Response

    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine
    from wallarm_notify.entrypoints.api.route import CheckedRoute

WRITES: Final = bool(os.environ.get("WRITE_EXAMPLES"))
NOT_READY: Final = "not_ready"
EVENT: Final = UUID("7b0c6a52-0001-4000-8000-00000000000a")
KEY: Final = "ExampleIntegrationKey00000000000"
"""The key of the examples, which looks like none."""

KEY_LIKE: Final = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z0-9]{32}(?![A-Za-z0-9_])")
SHOWN: Final = 3
"""So many objects of a list, and lines of what is no JSON, are in an example."""


@pytest.fixture
def story(api: HttpApi, line: CommandLine) -> HttpApi:
    """The API over what the examples are about: the things of client 1, each with the number 1."""
    person = ("--email", "ana@example.com", "--name", "Ana", "--role", "admin")
    line.ok("users", "create", "--client", 1, *person)
    api.token(Role.ADMINISTRATOR)
    of = ("--client", 1, "--user", "Ana")
    line.ok(
        *("integrations", "create", *of, "--key", "-", "--name", "On-call"),
        *("--subscribe", "system,security_issue"),
        stdin=f"{KEY}\n",
    )
    line.ok("integrations", "drill", 1)
    line.ok(
        *("triggers", "create", *of, "--condition", "user_created", "--integration", 1),
        *("--name", "New people"),
    )
    ctx = line.wiring.context
    event = an_event_for("user_created", client_id=1, id=str(EVENT), user_email="ana@example.com")
    ingest(ctx, [event], [a_rejection(client_id=1)])
    line.end_all("failed")
    line.sql(
        "INSERT INTO undecodable (reason, content_type, body) VALUES ('no JSON', 'text/plain', 'x')"
    )
    kept = TriedCall(sha256(b"x").digest(), "application/json", "utf-8", "{}", b"x")
    ctx.store.transact(lambda tx: tx.set_aside(kept, deaths=3, again_in=timedelta(days=1)))
    actor = Actor("Ana", Role.ADMINISTRATOR, Source.API)
    job = create_replay_job(ctx, actor, only([1]), Wanted(1, (State.CANCELLED,)))
    cancel_replay_job(ctx, actor, only([1]), job.id)
    create_explanation(ctx, actor, only([1]), 1, last_disabling=False)
    note_heartbeat(ctx, "first@host", QUEUES)
    sweep(ctx)
    return api


def lose_the_workers(api: HttpApi, line: CommandLine) -> None:
    line.sql("DELETE FROM heartbeats")
    eventually(lambda: not api.ask("GET", "/readyz", role=None).ok)


def routes(line: CommandLine) -> dict[str, CheckedRoute]:
    return {
        f"{method} {route.path}": route
        for route in checked_routes(make_app(line.wiring))
        for method in route.methods or ()
    }


def written_calls(there: Iterable[CheckedRoute]) -> list[str]:
    """Return the calls that have examples, in the order of their files."""
    files = dict.fromkeys(file_of(route) for route in there)
    return [call for file in files if file.exists() for call in json.loads(file.read_text())]


def examples(line: CommandLine) -> Iterator[tuple[str, CheckedRoute, str, Example]]:
    """Yield each example, as they are made: what changes nothing first, what deletes last."""
    there = routes(line)
    order = {"GET": 0, "DELETE": 2}
    for call in sorted(written_calls(there.values()), key=lambda one: order.get(one.split()[0], 1)):
        for name, example in examples_of(there[call], call.split()[0]).items():
            yield call, there[call], name, example


def made(api: HttpApi, call: str, route: CheckedRoute, example: Example) -> Response:
    method, _, path = call.partition(" ")
    return api.ask(
        *(method, path.format(**example.path), recent(call, example.body)),
        params=dict(example.query),
        headers=dict(example.headers),
        role=role_for(route),
    )


def role_for(route: CheckedRoute) -> Role:
    """An administrator, or for a call that none may make an operator."""
    thing, verb = route.right.thing, route.right.verb
    admin = Role.ADMINISTRATOR
    return admin if thing is None or may(admin, thing, verb) else Role.OPERATOR


def recent(call: str, body: Any) -> Any:
    """Return a body whose time is within what is kept, for calls that look back."""
    if "/computations/" not in call or "since" not in (body or {}):
        return body
    return {**body, "since": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}


def answer_of(response: Response) -> Any:
    if response.headers["Content-Type"].startswith("text/"):
        return "\n".join(response.text.splitlines()[:SHOWN]) + "\n"
    return response.json()


def shortened(value: Any) -> Any:
    """Return a document with the first of each list's objects alone."""
    if isinstance(value, dict):
        return {name: shortened(one) for name, one in value.items()}
    if isinstance(value, list):
        objects = all(isinstance(one, dict) for one in value)
        return [shortened(one) for one in (value[:SHOWN] if objects else value)]
    return value


def shape(value: Any) -> Any:
    """Return a document with the names of its fields, and without their values."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return ...


def test_every_call_has_an_example_that_is_served(line: CommandLine) -> None:
    lacking = [
        f"{call}: give it one in {file_of(route).name}"
        for call, route in routes(line).items()
        if SERVED not in examples_of(route, call.partition(" ")[0])
    ]
    assert lacking == []


def test_no_example_is_of_a_call_that_there_is_not(line: CommandLine) -> None:
    there = routes(line)
    assert sorted(written_calls(there.values())) == sorted(there)


def test_each_example_is_answered_as_it_says(
    story: HttpApi, line: CommandLine, subtests: pytest.Subtests
) -> None:
    for call, route, name, example in examples(line):
        if (call, name) == ("GET /readyz", NOT_READY):
            lose_the_workers(story, line)
        with subtests.test(f"{call}: {name}"):
            response = made(story, call, route, example)
            found = shortened(answer_of(response))
            if WRITES:
                write(call, route, name, response.status_code, found)
                continue
            assert response.status_code == example.status, found
            assert response.ok is (name == SERVED)
            if response.ok or name == NOT_READY:
                assert shape(found) == shape(example.answer)
            else:
                assert found == example.answer


def write(call: str, route: CheckedRoute, name: str, status: int, answer: Any) -> None:
    file = file_of(route)
    written = json.loads(file.read_text(encoding="utf-8"))
    one = written[call][name]
    if one.get("status") == status < 400 and shape(one["answer"]) == shape(answer):
        return
    written[call][name] = {**one, "status": status, "answer": answer}
    text = KEY_LIKE.sub(masked, json.dumps(written, indent=2, ensure_ascii=False))
    file.write_text(f"{text}\n", encoding="utf-8")


def masked(found: re.Match[str]) -> str:
    """Return the key of the examples as it is, and only dots in place of all that may be taken for one."""
    return KEY if found[0] == KEY else "…"


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_each_answer_and_body_of_the_description_has_an_example_that_its_schema_admits(
    api: HttpApi, subtests: pytest.Subtests
) -> None:
    document = closed(api.ok("GET", "/notify/v1/openapi.json", role=None))
    for call, operation in operations(document):
        contents = {
            **{status: one["content"] for status, one in operation["responses"].items()},
            **({"body": operation["requestBody"]["content"]} if "requestBody" in operation else {}),
        }
        for what, content in contents.items():
            with subtests.test(f"{call}: {what}"):
                for media in content.values():
                    shown = [one["value"] for one in media.get("examples", {}).values()]
                    shown += [media["example"]] if "example" in media else []
                    assert shown
                    schema = {**media.get("schema", {}), "components": document["components"]}
                    for one in shown:
                        jsonschema_rs.validate(schema, one)


def test_every_call_says_in_words_what_it_does(api: HttpApi) -> None:
    document = api.ok("GET", "/notify/v1/openapi.json", role=None)
    for call, operation in operations(document):
        assert " " in operation["summary"], call
        assert operation["summary"].split(" ")[0].istitle(), call
        assert operation["description"].startswith(operation["summary"]), call


def test_no_example_shows_a_key_but_the_one_that_looks_like_none(api: HttpApi) -> None:
    text = api.ask("GET", "/notify/v1/openapi.json", role=None).text
    assert set(KEY_LIKE.findall(text)) == {KEY}

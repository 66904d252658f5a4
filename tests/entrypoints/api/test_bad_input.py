"""Bad input to every call, as the route table and the description have them: a sentence, and nothing is done.

The fixture ``api`` looks through every answer and the whole log for the key, which is in all that is sent here.
"""

from __future__ import annotations

import json
from copy import deepcopy
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs
import pytest
import sqlalchemy as sa

from entrypoints.api.conftest import keyless
from entrypoints.api.test_examples import role_for, story
from entrypoints.command_line import KEY
from wallarm_notify.domain.actor import Role
from wallarm_notify.entrypoints.api.answers import ORIGINALS
from wallarm_notify.entrypoints.api.app import make_app
from wallarm_notify.entrypoints.api.body import DEEPEST
from wallarm_notify.entrypoints.api.examples import SERVED, Example, examples_of
from wallarm_notify.entrypoints.api.fields import LARGEST_ID
from wallarm_notify.entrypoints.api.openapi import checked_routes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Response

    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine
    from wallarm_notify.entrypoints.api.route import CheckedRoute

__all__ = ["story"]

JSON: Final = {"Content-Type": "application/json"}
Place = tuple[str | int, ...]


class OneCall:
    """A call, and the example of it that is served."""

    def __init__(self, api: HttpApi, method: str, route: CheckedRoute) -> None:
        self.name = f"{method} {route.path}"
        self.route = route
        self.of_the_original = route.path.startswith(ORIGINALS)
        self.example: Example = examples_of(route, method)[SERVED]
        self._api, self._method = api, method

    def ask(self, data: Any = None, **options: Any) -> Response:
        """Return the answer to the example with ``data`` as its body, or with another ``path`` or ``query``."""
        path = self.route.path.format(**{**self.example.path, **options.pop("path", {})})
        return self._api.ask(
            *(self._method, path),
            data=data,
            params={**self.example.query, **options.pop("query", {})},
            headers=options.pop("headers", JSON),
            role=role_for(self.route),
        )

    def send(self, body: Any) -> Response:
        """Return the answer to another body."""
        return self.ask(json.dumps(body).encode())


def calls(api: HttpApi, line: CommandLine) -> Iterator[OneCall]:
    for route in checked_routes(make_app(line.wiring)):
        for method in route.methods or ():
            yield OneCall(api, method, route)


def with_body(api: HttpApi, line: CommandLine) -> list[OneCall]:
    found = [call for call in calls(api, line) if call.route.body_field is not None]
    assert len(found) > 20
    return found


@pytest.fixture
def api(
    line: CommandLine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HttpApi]:
    """The API without a limit of requests."""
    monkeypatch.setenv("WALLARM_NOTIFY_API_TOKEN_RATE", "0")
    yield from keyless(line, caplog)


@pytest.fixture(autouse=True)
def unchanged(story: HttpApi, line: CommandLine) -> Iterator[None]:
    """Compare all that is stored, and the broker's queue of events, before and after."""
    story.token(Role.OPERATOR)
    before = stored(line)
    yield
    assert stored(line) == before
    assert line.messages("events") == []


def stored(line: CommandLine) -> dict[str, str]:
    engine = sa.create_engine(
        line.environment["WALLARM_NOTIFY_DATABASE_URL"], poolclass=sa.NullPool
    )
    with engine.connect() as connection:
        return {
            name: connection.exec_driver_sql(
                f"SELECT string_agg(one::text, E'\\n' ORDER BY one::text) FROM {name} AS one"
            ).scalar_one()
            for name in sa.inspect(connection).get_table_names()
            if name not in WRITTEN_BY_ASKING
        }


WRITTEN_BY_ASKING: Final = {"tokens"}
"""A token keeps when it was last used."""


def check_refusal(call: OneCall, answer: Response, status: int, field: str | None = None) -> None:
    """Check that a request was refused in the form of its call, for the ``field`` that is at fault."""
    document = answer.json()
    assert answer.status_code == status, document
    assert document["status"] == status
    if call.of_the_original:
        found = document["body"]
        fields = list(found) if isinstance(found, dict) else []
    else:
        assert document["type"].startswith("urn:wallarm-notify:problem:")
        assert document["detail"].endswith(".")
        fields = [one["field"] for one in document.get("errors", ())]
    if field is not None:
        assert fields == [field]


NOT_READ: Final = {
    "no JSON": f'{{"{KEY}": '.encode(),
    "no UTF-8": b'{"name": "\xff' + KEY.encode() + b'"}',
    "text beyond the end": f'{{"name": "{KEY}"}}}}'.encode(),
    "NaN": f'{{"{KEY}": NaN}}'.encode(),
    "Infinity": f'{{"{KEY}": Infinity}}'.encode(),
    "-Infinity": f'{{"{KEY}": -Infinity}}'.encode(),
    "a number beyond all": f'{{"{KEY}": 1e999}}'.encode(),
    "a number of 5,000 digits": f'{{"{KEY}": {"9" * 5000}}}'.encode(),
    "a field twice": f'{{"{KEY}": 1, "{KEY}": 2}}'.encode(),
    "a field of an inner object twice": f'{{"a": [{{"{KEY}": 1, "{KEY}": 2}}]}}'.encode(),
    "nested too deep": f'{{"a": {"[" * DEEPEST}"{KEY}"{"]" * DEEPEST}}}'.encode(),
    "nested without an end": b"[" * 100_000,
    "empty": b"",
    "a list": f'["{KEY}"]'.encode(),
    "a text": f'"{KEY}"'.encode(),
    "null": b"null",
}


@pytest.mark.parametrize("what", NOT_READ)
def test_a_body_that_has_two_meanings_or_none_is_refused_by_every_call(
    api: HttpApi, line: CommandLine, what: str, subtests: pytest.Subtests
) -> None:
    for call in with_body(api, line):
        with subtests.test(call.name):
            check_refusal(call, call.ask(NOT_READ[what]), 400)


def test_a_body_that_is_too_large_is_refused_by_every_call(
    api: HttpApi, line: CommandLine, subtests: pytest.Subtests
) -> None:
    for call in with_body(api, line):
        with subtests.test(call.name):
            text = f'{{"name": "{KEY}", "comment": "'.encode()
            large = text + b"x" * (call.route.right.largest - len(text)) + b'"}'
            check_refusal(call, call.ask(large), 413)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "text/json", None]
)
def test_a_body_of_another_content_type_is_refused_by_every_call(
    api: HttpApi, line: CommandLine, kind: str | None, subtests: pytest.Subtests
) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    for call in with_body(api, line):
        with subtests.test(call.name):
            body = json.dumps({**call.example.body, "name": KEY}).encode()
            check_refusal(call, call.ask(body, headers=headers), 415)


def test_an_unknown_field_is_refused_by_name_by_our_calls(
    api: HttpApi, line: CommandLine, subtests: pytest.Subtests
) -> None:
    for call in (one for one in with_body(api, line) if not one.of_the_original):
        with subtests.test(call.name):
            check_refusal(call, call.send({**call.example.body, "frob": KEY}), 400, "frob")
            # A name that may be a key is not repeated.
            check_refusal(call, call.send({**call.example.body, KEY: KEY}), 400, "…")


def test_an_unknown_field_is_ignored_by_calls_of_the_original(
    api: HttpApi, line: CommandLine, subtests: pytest.Subtests
) -> None:
    for call in (one for one in with_body(api, line) if one.of_the_original):
        with subtests.test(call.name):
            refused = examples_of(call.route, call.name.split()[0])["refused"]
            answer = call.send({**refused.body, KEY: KEY, "frob": {KEY: KEY}})
            assert answer.json() == refused.answer


WRONG: Final[list[Any]] = [None, True, -1, 1.5, 10**30, KEY, [], [KEY], {}, {KEY: KEY}, [[KEY]]]
"""Values that are of the wrong type nearly everywhere, a key among them."""


def test_a_value_of_the_wrong_type_is_refused_for_its_field_by_every_call(
    api: HttpApi, line: CommandLine, subtests: pytest.Subtests
) -> None:
    document = api.ok("GET", "/notify/v1/openapi.json", role=None)
    for call in with_body(api, line):
        for place, schema in fields_of(document, call):
            validator = jsonschema_rs.validator_for(
                {**schema, "components": document["components"]}
            )
            with subtests.test(f"{call.name}: {place}"):
                for value in (one for one in WRONG if not validator.is_valid(one)):
                    answer = call.send(placed(call.example.body, place, value))
                    check_refusal(call, answer, 400)
                    named = [str(name) for name in place if f'"{name}' in answer.text]
                    assert named or f"{place[0]}." in answer.text, (value, answer.text)


def fields_of(document: Any, call: OneCall) -> Iterator[tuple[Place, Any]]:
    """Yield the place of each field that the example of a call has room for, and its schema."""
    operation = document["paths"][call.route.path][call.name.split()[0].lower()]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    yield from inner_of(document, schema, call.example.body, ())


def inner_of(document: Any, schema: Any, value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    if place:
        yield place, schema
    for one in (schema, *schema.get("anyOf", ())):
        while "$ref" in one:
            one = document["components"]["schemas"][one["$ref"].rpartition("/")[2]]  # noqa: PLW2901 - what it stands for
        for name, field in one.get("properties", {}).items():
            inner = value.get(name) if isinstance(value, dict) else None
            yield from inner_of(document, field, inner, (*place, name))
        if "items" in one and isinstance(value, list) and value:
            yield from inner_of(document, one["items"], value[0], (*place, 0))


def placed(body: Any, place: Place, value: Any) -> Any:
    """Return a copy of a body with another value at a place."""
    copy = deepcopy(body)
    inner = copy
    for name, following in pairwise(place):
        if isinstance(inner, dict) and inner.get(str(name)) is None:
            inner[name] = [] if isinstance(following, int) else {}
        inner = inner[name]
    inner[place[-1]] = value
    return copy


@pytest.mark.parametrize("number", [LARGEST_ID + 1, 10**30, -1, "9" * 5000, "1.0", KEY])
def test_an_id_in_a_path_that_none_can_be_is_refused_for_its_field(
    api: HttpApi, line: CommandLine, number: Any, subtests: pytest.Subtests
) -> None:
    for call in calls(api, line):
        for name in call.route.param_convertors:
            with subtests.test(f"{call.name}: {name}"):
                body = call.example.body
                data = None if body is None else json.dumps(body).encode()
                check_refusal(call, call.ask(data, path={name: number}), 400, name)


@pytest.mark.parametrize("cursor", ["-1", "1.0", "9" * 19, "", "x", KEY, "1 OR 1=1", "\u0661"])
def test_a_bad_cursor_is_refused_by_every_listing(
    api: HttpApi, line: CommandLine, cursor: str, subtests: pytest.Subtests
) -> None:
    document = api.ok("GET", "/notify/v1/openapi.json", role=None)
    listings = [call for call in calls(api, line) if has_cursor(document, call)]
    assert len(listings) > 8
    for call in listings:
        with subtests.test(call.name):
            check_refusal(call, call.ask(query={"cursor": cursor}), 400, "cursor")


def has_cursor(document: Any, call: OneCall) -> bool:
    operation = document["paths"][call.route.path][call.name.split()[0].lower()]
    return any(one["name"] == "cursor" for one in operation.get("parameters", ()))

"""The OpenAPI description: how one is known, what every call may answer, and examples of it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from wallarm_notify.domain.actor import Actor, Source
from wallarm_notify.domain.errors import Forbidden, NotAuthenticated, NotFound, Unavailable
from wallarm_notify.domain.rights import OF_TOKENS, check_right
from wallarm_notify.entrypoints.api.answers import ORIGINALS, envelope, problem
from wallarm_notify.entrypoints.api.body import no_length, not_json, too_large, too_slow
from wallarm_notify.entrypoints.api.examples import SERVED, Example, examples_of
from wallarm_notify.entrypoints.api.faults import CRASH, Fault, fault_of
from wallarm_notify.entrypoints.api.fields import LARGEST_ID
from wallarm_notify.entrypoints.api.problem import Envelope, Problem
from wallarm_notify.entrypoints.api.rates import asked_too_often
from wallarm_notify.entrypoints.api.route import CheckedRoute, DeclaredRoute, Right

SECURITY: Final = {
    "token": {"type": "apiKey", "in": "header", "name": "X-WallarmApi-Token"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
"""The two headers that a token may stand in."""

_RATE: Final = 1200
"""Requests of a minute, for the example."""

_NOT_FOUND: Final = fault_of(NotFound("There is no integration 77."))

_RETRY_AFTER: Final = {
    "Retry-After": {
        "description": "After so many seconds it is worth trying again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}


def described(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """Return what describes an application, once it is asked for."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _description(app)
        return app.openapi_schema

    return describe


def checked_routes(app: FastAPI) -> list[CheckedRoute]:
    """Return every route of an application that serves a call of the API. Raise TypeError where one checks nothing."""
    routes = []
    for route in app.routes:
        if isinstance(route, CheckedRoute):
            routes.append(route)
        elif isinstance(route, APIRoute) and not isinstance(route, DeclaredRoute):
            raise TypeError(
                f"{route.path} checks nothing: its router needs route_class=CheckedRoute"
            )
    return routes


def _description(app: FastAPI) -> dict[str, Any]:
    found: dict[str, Any] = _exact(
        get_openapi(title=app.title, version=app.version, routes=app.routes)
    )
    components = found.setdefault("components", {})
    components["securitySchemes"] = SECURITY
    schemas = components.setdefault("schemas", {})
    shown = TypeAdapter(Problem).json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**shown.pop("$defs", {}), "Problem": shown}
    schemas["Envelope"] = TypeAdapter(Envelope).json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for route in checked_routes(app):
        for method in route.methods or ():
            operation = found["paths"][route.path][method.lower()]
            _complete(operation, route, examples_of(route, method))
    return found


def _complete(
    operation: dict[str, Any], route: CheckedRoute, examples: Mapping[str, Example]
) -> None:
    """Put into the description of a call what FastAPI does not know of it."""
    operation["summary"], operation["description"] = _in_words(operation["description"])
    if route.right.needs_token:
        operation["security"] = [{name: []} for name in SECURITY]
    answers = operation["responses"]
    answers.pop("422", None)
    for status in answers:
        answers[status]["description"] = "Served" if status.startswith("2") else "Not served"
    of_the_original = route.path.startswith(ORIGINALS)
    faults = [*_faults(route), *([_NOT_FOUND] if _may_miss(examples) else [])]
    for fault in faults:
        answers.setdefault(str(fault.status), _fault_answer(fault, of_the_original))
    operation["responses"] = dict(sorted(answers.items()))
    for name, example in examples.items():
        _show(operation, name, example)


def _may_miss(examples: Mapping[str, Example]) -> bool:
    """Return whether what a call is about may not be there; one without examples may miss it."""
    return not examples or any(one.status == _NOT_FOUND.status for one in examples.values())


def _show(operation: dict[str, Any], name: str, example: Example) -> None:
    """Put an example into the description of its call."""
    if name == SERVED:
        given = {"path": example.path, "query": example.query, "header": example.headers}
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in given[parameter["in"]]:
                parameter["example"] = given[parameter["in"]][parameter["name"]]
        if example.body is not None:
            operation["requestBody"]["content"]["application/json"]["example"] = example.body
    for media in operation["responses"][str(example.status)]["content"].values():
        media.pop("example", None)
        shown = {"summary": f"To {example.request}", "value": example.answer}
        media.setdefault("examples", {})[name] = shown


def _in_words(docstring: str) -> tuple[str, str]:
    """Return the first sentence of a docstring as a title, and all of it."""
    paragraph = " ".join(docstring.split("\n\n", maxsplit=1)[0].split())
    return re.split(r"[.:;]\s", paragraph, maxsplit=1)[0].removesuffix("."), docstring


def _faults(route: CheckedRoute) -> Iterator[Fault]:
    """Yield an example of each fault that may end a call before its module is asked, or while it is."""
    right = route.right
    yield fault_of(no_length())
    yield fault_of(too_slow())
    yield fault_of(too_large(right.largest))
    if route.body_field is not None:
        yield fault_of(not_json())
    yield CRASH
    if not right.needs_token:
        return
    yield fault_of(NotAuthenticated())
    yield from _forbidden(right)
    yield fault_of(asked_too_often(_RATE, 12))
    yield fault_of(Unavailable(""))


def _forbidden(right: Right) -> Iterator[Fault]:
    """Yield what is answered to the first role that may not make a call."""
    if right.thing is None:
        return
    for role in sorted(OF_TOKENS):
        try:
            check_right(Actor("", role, Source.API), right.thing, right.verb)
        except Forbidden as error:
            yield fault_of(error)
            return


def _fault_answer(fault: Fault, of_the_original: bool) -> dict[str, Any]:
    name, document = ("Envelope", envelope) if of_the_original else ("Problem", problem)
    kind = "application/json" if of_the_original else "application/problem+json"
    schema = {"$ref": f"#/components/schemas/{name}"}
    answer: dict[str, Any] = {
        "description": fault.title,
        "content": {kind: {"schema": schema, "example": document(fault)}},
    }
    if fault.retry_after is not None:
        answer["headers"] = _RETRY_AFTER
    return answer


def _exact(value: Any) -> Any:
    """Return a description whose limits are whole numbers again: FastAPI's model of it has them as floats."""
    if isinstance(value, dict):
        return {name: _exact(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_exact(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return min(int(value), LARGEST_ID)
    return value

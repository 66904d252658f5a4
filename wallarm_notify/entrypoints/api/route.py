"""Routes: before a call is served, who asks is known, may do it, and has not asked too often.

Each call says what right it needs; one that does not cannot be made.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wallarm_notify.domain.rights import Thing, Verb, check_right
from wallarm_notify.domain.token import Presented
from wallarm_notify.entrypoints.api.body import LARGEST, CheckedRequest
from wallarm_notify.entrypoints.api.parts import ApiParts, parts_of
from wallarm_notify.services.authenticate import authenticate

EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])

_RIGHT: Final = "__right__"
_BEARER: Final = "bearer "
_LONGEST_HEADER: Final = 200
"""The longest token, UUID or secret that is looked at."""


@dataclass(frozen=True, slots=True)
class Right:
    """What somebody must be allowed to do; ``thing`` None: anybody may, or whoever is ``known``.

    ``largest`` is the most bytes of a body.
    """

    thing: Thing | None = None
    verb: Verb = Verb.VIEW
    largest: int = LARGEST
    known: bool = False

    @property
    def needs_token(self) -> bool:
        """Whether nobody may without a token."""
        return self.known or self.thing is not None


def needs(thing: Thing, verb: Verb, *, largest: int = LARGEST) -> Callable[[EndpointT], EndpointT]:
    """Declare the right that a call needs."""
    return _marked(Right(thing, verb, largest))


def open_to_all(endpoint: EndpointT) -> EndpointT:
    """Declare that anybody may make a call, without a token."""
    return _marked(Right())(endpoint)


def open_to_the_known(endpoint: EndpointT) -> EndpointT:
    """Declare that whoever has a token may make a call, whatever the role."""
    return _marked(Right(known=True))(endpoint)


def right_of(endpoint: Callable[..., Any]) -> Right:
    """Return the right that a call needs. Raise TypeError where it declares none."""
    right = getattr(endpoint, _RIGHT, None)
    if not isinstance(right, Right):
        raise TypeError(f"{endpoint.__qualname__} declares no right: see needs and open_to_all")
    return right


class DeclaredRoute(APIRoute):
    """A route that declares its right; one without cannot be made."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.right = right_of(endpoint)
        super().__init__(path, endpoint, **options)


class CheckedRoute(DeclaredRoute):
    """A route of the API, that checks a request before it is served."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what serves a request of this route."""
        serve = super().get_route_handler()
        right, takes_body = self.right, self.body_field is not None

        async def checked(request: Request) -> Response:
            # A path that a call has by name is not one with an id in its place.
            named = request.app.state.methods.get(request.url.path)
            if named is not None and request.method not in named:
                raise HTTPException(405)
            if right.needs_token:
                await run_in_threadpool(admit, parts_of(request), request, right)
            read = CheckedRequest(request.scope, request.receive)
            await read.check_body(right.largest, is_json=takes_body)
            return await serve(read)

        return checked


def presented_in(headers: Headers) -> Presented:
    """Return what a request presents to be known by; a header that is too long is not looked at.

    One that is there twice has both values, as RFC 9110 section 5.3 has it, and so is nobody's token.
    """

    def given(name: str) -> str | None:
        value = ", ".join(headers.getlist(name))
        return value if value and len(value) <= _LONGEST_HEADER else None

    token = given("x-wallarmapi-token")
    bearer = given("authorization") or ""
    if token is None and bearer.lower().startswith(_BEARER):
        token = bearer[len(_BEARER) :].strip()
    return Presented(token, given("x-wallarmapi-uuid"), given("x-wallarmapi-secret"))


def admit(parts: ApiParts, request: Request, right: Right) -> None:
    """Note who asks. Raise NotAuthenticated, TooManyFailures, Forbidden, Overload, Unavailable."""
    address = parts.proxies.address_of(request)
    presented = presented_in(request.headers)
    caller = authenticate(parts.wiring.context, presented, address, datetime.now(UTC))
    request.state.caller = caller
    parts.rates.take(f"token {caller.token_id}")
    if right.thing is not None:
        check_right(caller.actor, right.thing, right.verb)


def _marked(right: Right) -> Callable[[EndpointT], EndpointT]:
    def mark(endpoint: EndpointT) -> EndpointT:
        setattr(endpoint, _RIGHT, right)
        return endpoint

    return mark

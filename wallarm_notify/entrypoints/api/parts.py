"""What the calls of the API are given: the parts of the process, and who asks."""

from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock
from typing import Annotated, Final

from fastapi import Depends, Request

from wallarm_notify.bootstrap import Wiring
from wallarm_notify.domain.actor import Actor
from wallarm_notify.domain.caller import Caller
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.readiness import Readiness
from wallarm_notify.domain.scope import Scope
from wallarm_notify.entrypoints.api.client_address import TrustedProxies
from wallarm_notify.entrypoints.api.rates import SlowCalls, TokenRates
from wallarm_notify.entrypoints.api.sending import EventSender
from wallarm_notify.services.context import Context
from wallarm_notify.services.readiness import show_readiness
from wallarm_notify.task_names import QUEUES

PAGE_TIME: Final = timedelta(seconds=2)
"""So long a page may read: whoever waits longer has gone, and others need the connection."""


class KnownReadiness:
    """How it stands, looked up at most once a second, however many ask."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._lock = Lock()
        self._found: Readiness | None = None
        self._until = 0.0

    def show(self) -> Readiness:
        """Return how it stands now; while somebody looks it up, how it was before, so that no threads wait."""
        found = self._found
        if not self._lock.acquire(blocking=found is None):
            return found or self.show()
        try:
            if self._found is None or self._ctx.clock() >= self._until:
                self._found = show_readiness(self._ctx, QUEUES)
                self._until = self._ctx.clock() + 1
            return self._found
        finally:
            self._lock.release()


class ApiParts:
    """The parts of a process that serves the API; its threads share them."""

    def __init__(self, wiring: Wiring) -> None:
        settings = wiring.settings
        self.wiring = wiring
        self.pages = replace(wiring.context, store=wiring.store.reading(PAGE_TIME))
        """The context of calls that change nothing."""
        self.readiness = KnownReadiness(self.pages)
        self.proxies = TrustedProxies(settings.proxies)
        self.rates = TokenRates(settings.api_token_rate)
        self.events = EventSender(settings)
        self.slow_calls = SlowCalls(settings.api_threads)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as its call sees it."""

    parts: ApiParts
    caller: Caller

    @property
    def ctx(self) -> Context:
        """The context of what changes something."""
        return self.parts.wiring.context

    @property
    def pages(self) -> Context:
        """The context of what changes nothing, and takes a few seconds at most."""
        return self.parts.pages

    @property
    def actor(self) -> Actor:
        """Who asks, for the activity log."""
        return self.caller.actor

    @property
    def scope(self) -> Scope:
        """Whose things may be seen."""
        return self.caller.scope

    def client(self, given: int | None) -> int:
        """Return the client that is meant: the one given, or the caller's own. Raise Refused, NotFound."""
        meant = given or self.caller.client_id
        if meant is None:
            raise Refused("say whose; this token is of no single client.", field="client_id")
        self.scope.check(meant)
        return meant


def parts_of(request: Request) -> ApiParts:
    """Return the parts of the application that serves a request."""
    parts: ApiParts = request.app.state.parts
    return parts


async def _call_of(request: Request) -> Call:
    return Call(parts_of(request), request.state.caller)


async def _parts_of(request: Request) -> ApiParts:
    return parts_of(request)


Called = Annotated[Call, Depends(_call_of)]
"""The argument by which a call is given who asks."""

Parts = Annotated[ApiParts, Depends(_parts_of)]
"""The argument of calls that anybody may make."""

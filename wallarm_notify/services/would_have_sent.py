"""What other rules would have sent in the last week: subscriptions at once, triggers by a computation."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.computation import Kind
from wallarm_notify.domain.coverage import kind_of
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.remedies import remedied
from wallarm_notify.domain.why import Absent
from wallarm_notify.schemas.documents.computations import criteria_of
from wallarm_notify.services.computations import (
    create_trigger_simulation,
    list_computations,
    show_computation,
)
from wallarm_notify.services.prune import unmatched_retention
from wallarm_notify.services.why import why

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.computation import Computation
    from wallarm_notify.domain.event import Event
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.triggers.trigger import Criteria
    from wallarm_notify.domain.views import RecentEvents
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

WEEK: Final = timedelta(days=7)

LOOKED_AT: Final = 5000
"""So many of a client's newest events are looked at for a subscription: a page has to be there at once."""

KNOWN_FOR: Final = timedelta(hours=1)
"""For so long what was computed is shown, and not asked for again."""

_COMPUTATIONS: Final = 50


def events_like(ctx: Context, scope: Scope, event: Event) -> RecentEvents:
    """Return when the events came in the last week that are subscribed to as ``event`` is.

    Of a client with many events, and where they are kept for less, that is a shorter time. Raise NotFound, Unavailable.
    """
    scope.check(event.client_id)

    def work(tx: Transaction) -> RecentEvents:
        since = tx.now - min(WEEK, unmatched_retention(tx, ctx.settings))
        return tx.recent_events(scope, event.client_id, kind_of(event), since, LOOKED_AT)

    return ctx.store.transact(work)


def try_trigger(
    ctx: Context, actor: Actor, scope: Scope, of: tuple[int, UUID], trigger_id: int
) -> Computation:
    """Have it computed how often a trigger would have fired without what kept an event from it.

    It is of the last week. ``of`` is the event's client and id. Raise NotFound, Refused, Unavailable.
    """
    client_id, event_id = of
    found = why(ctx, scope, client_id, event_id)
    if isinstance(found, Absent):
        raise NotFound(f"There is no event {event_id}.")
    for one in remedied(found):
        if one.tried is not None and one.line.trigger and one.line.trigger.id == trigger_id:
            since = ctx.store.transact(lambda tx: tx.now) - WEEK
            return create_trigger_simulation(
                *(ctx, actor, client_id, one.tried), trigger_id=trigger_id, since=since, until=None
            )
    raise Refused("Nothing would have made this trigger fire for the event.", field="trigger_id")


def tried_triggers(
    ctx: Context, scope: Scope, client_id: int, tried: Mapping[int, Criteria]
) -> dict[int, Computation]:
    """Return what was computed lately, or is being, of triggers with these criteria. Raise Unavailable."""
    if not tried:
        return {}
    now = ctx.store.transact(lambda tx: tx.now)
    page = list_computations(ctx, scope, client_id=client_id, limit=_COMPUTATIONS)
    found: dict[int, Computation] = {}
    for one in page.items:
        trigger_id = _tried_of(one, tried)
        if trigger_id is not None and now - one.created_at < KNOWN_FOR:
            found.setdefault(trigger_id, one)
    return {number: show_computation(ctx, scope, one.id) for number, one in found.items()}


def _tried_of(one: Computation, tried: Mapping[int, Criteria]) -> int | None:
    """Return the trigger that a computation is of; None: it is of none of these, or tries something else."""
    if one.kind is not Kind.SIMULATE_TRIGGER:
        return None
    number: int | None = one.asked["trigger_id"]
    if number is None or number not in tried:
        return None
    asked = {name: one.asked[name] for name in ("condition", "filters", "threshold")}
    try:
        return number if criteria_of(asked) == tried[number] else None  # type: ignore[arg-type]  # its document
    except Refused:  # a newer program knows other criteria
        return None

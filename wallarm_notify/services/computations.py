"""Computations: explanations and simulations are stored, and workers do them, so that whoever asked may go.

They only read, and each is done as a whole in a worker's memory. So one whose worker died is begun again, by whichever
worker comes first; a worker that was taken for dead finds that another one has it, and stops.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from wallarm_notify.domain.computation import (
    DEATHS,
    LONGEST,
    MOST_EVENTS,
    MOST_ITEMS,
    OPEN_AT_MOST,
    Computation,
    Kind,
    bounded,
    check_time,
)
from wallarm_notify.domain.errors import NotFound, NotifyError, Refused, TooMuch, Unavailable
from wallarm_notify.domain.health import check_span
from wallarm_notify.domain.page import Page, page_of
from wallarm_notify.domain.replay_job import JobState
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.domain.simulation import Bounds
from wallarm_notify.domain.triggers.trigger import unsaved
from wallarm_notify.domain.words import duration_of
from wallarm_notify.schemas.documents.computations import (
    asked_explanation,
    asked_policy,
    asked_trigger,
    criteria_of,
    policy_of,
    result_text,
)
from wallarm_notify.schemas.documents.health import explanation_document, simulation_document
from wallarm_notify.schemas.documents.triggers import trigger_simulation_document
from wallarm_notify.services.explain import explain
from wallarm_notify.services.simulate import simulate
from wallarm_notify.services.simulate_trigger import simulate_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.health import Policy
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.triggers.trigger import Criteria
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)

NOTED_EVERY: Final = timedelta(seconds=1)
"""How often a worker notes at most how far it is."""


class _Ending(Exception):
    """The worker ends: another one is to begin anew."""


class _Taken(Exception):
    """The computation was cancelled, or another worker has it: what was done so far is of no use."""


def create_explanation(
    ctx: Context, actor: Actor, scope: Scope, integration_id: int, *, last_disabling: bool = False
) -> Computation:
    """Store a computation that explains an integration's failure ratio. Raise NotFound, Refused, Unavailable."""
    asked = asked_explanation(integration_id, last_disabling=last_disabling)

    def work(tx: Transaction) -> Computation:
        integration = tx.integration(scope, integration_id)
        if integration is None:
            raise NotFound(f"There is no integration {integration_id}.")
        return _inserted(tx, actor, integration.client_id, Kind.EXPLAIN, asked)

    return _requested(ctx, ctx.store.transact(work))


def create_policy_simulation(
    ctx: Context, actor: Actor, policy: Policy, since: datetime
) -> Computation:
    """Store a computation that tries a policy on the attempts of all clients. Raise Refused, Unavailable."""
    check_span(policy, "min_span_seconds")
    kept, asked = ctx.settings.retention, asked_policy(policy, since)

    def work(tx: Transaction) -> Computation:
        check_time(since, tx.now, tx.now, kept)
        return _inserted(tx, actor, None, Kind.SIMULATE_POLICY, asked)

    return _requested(ctx, ctx.store.transact(work))


def create_trigger_simulation(
    ctx: Context,
    actor: Actor,
    client_id: int,
    criteria: Criteria,
    *,
    trigger_id: int | None,
    since: datetime,
    until: datetime | None,
) -> Computation:
    """Store a computation that tries criteria on a client's events between two times; ``until`` None: now.

    It keeps the criteria: what becomes of the trigger that they are for is all the same. Raise Refused, Unavailable.
    """
    kept = ctx.settings.retention

    def work(tx: Transaction) -> Computation:
        end = until or tx.now
        check_time(since, end, tx.now, kept)
        asked = asked_trigger(trigger_id, criteria, since, end)
        return _inserted(tx, actor, client_id, Kind.SIMULATE_TRIGGER, asked)

    return _requested(ctx, ctx.store.transact(work))


def show_computation(ctx: Context, scope: Scope, computation_id: int) -> Computation:
    """Return a computation. Raise NotFound, Unavailable."""
    return ctx.store.transact(
        lambda tx: _found(tx.computation(scope, computation_id), computation_id)
    )


def list_computations(
    ctx: Context,
    scope: Scope,
    *,
    client_id: int | None = None,
    cursor: int | None = None,
    limit: int = 50,
) -> Page[Computation]:
    """Return a page of computations without their results, the newest first. Raise Unavailable."""
    rows = ctx.store.transact(lambda tx: tx.computations(scope, cursor, limit + 1, client_id))
    return page_of(rows, limit, lambda one: one.id)


def cancel_computation(
    ctx: Context, actor: Actor, scope: Scope, computation_id: int
) -> Computation:
    """Cancel a computation and return it; its worker stops a second later or so.

    Raise NotFound; Refused where it has ended; Unavailable.
    """

    def work(tx: Transaction) -> Computation:
        one = _found(tx.computation(scope, computation_id, lock=True), computation_id)
        if not one.is_open:
            raise Refused(f"Computation {computation_id} has ended already: it is {one.state}.")
        tx.cancel_computation(computation_id, actor.name)
        return _found(tx.computation(scope, computation_id), computation_id)

    return ctx.store.transact(work)


def is_any_computation_idle(ctx: Context) -> bool:
    """Return whether a computation is open that no worker has. Raise Unavailable."""
    return ctx.store.transact(lambda tx: tx.has_idle_computation())


def work_on_computations(ctx: Context, goes_on: Callable[[], bool] = lambda: True) -> int:
    """Do computations until none is left without a worker; return how many were begun.

    Once ``goes_on`` returns False the one in hand is handed back. Raise Unavailable: the one in hand is begun again
    once its worker counts as dead.
    """
    begun = 0
    while goes_on() and (one := ctx.store.transact(lambda tx: tx.begin_computation())) is not None:
        begun += 1
        _do(ctx, one, goes_on)
    return begun


def _do(ctx: Context, one: Computation, goes_on: Callable[[], bool]) -> None:
    if one.deaths > DEATHS:
        _fail(ctx, one, f"{DEATHS} workers ended while they were on it; ask for a shorter time.")
        return
    try:
        document, left_out = _COMPUTED[one.kind](ctx, one, _progress(ctx, one, goes_on))
    except _Ending:
        ctx.store.transact(lambda tx: tx.hand_back_computation(one.id, one.fence))
    except _Taken:
        log.info("computation.taken", extra={"computation": one.id})
    except Refused as error:
        _fail(ctx, one, str(error))
    except TooMuch:
        _fail(ctx, one, "It took the database too long; ask for a shorter time.")
    except NotifyError:
        raise
    except Exception:
        log.exception("computation.fault", extra={"computation": one.id})
        _fail(ctx, one, "This went wrong here, and was logged; it is no fault of what was asked.")
    else:
        text = result_text(document)
        ctx.store.transact(
            lambda tx: tx.end_computation(
                one.id, one.fence, JobState.DONE, result=text, left_out=left_out
            )
        )


def _fail(ctx: Context, one: Computation, problem: str) -> None:
    log.warning("computation.failed", extra={"computation": one.id, "error": problem})
    ctx.store.transact(
        lambda tx: tx.end_computation(one.id, one.fence, JobState.FAILED, problem=problem)
    )


def _progress(
    ctx: Context, one: Computation, goes_on: Callable[[], bool]
) -> Callable[[float], None]:
    began = noted = ctx.clock()

    def note(share: float) -> None:
        nonlocal noted
        if not goes_on():
            raise _Ending
        now = ctx.clock()
        if now - began > LONGEST.total_seconds():
            within = duration_of(LONGEST.total_seconds())
            raise Refused(f"It was not done within {within}; ask for a shorter time.")
        if now - noted >= NOTED_EVERY.total_seconds():
            noted = now
            if not _note_share(ctx, one, share):
                raise _Taken

    return note


def _note_share(ctx: Context, one: Computation, share: float) -> bool:
    """Note how much is done; return whether this worker still has it, as far as is known."""
    try:
        return ctx.store.transact(lambda tx: tx.note_share(one.id, one.fence, share))
    except Unavailable:
        return True  # it is noted the next time, and its end is written by who has it alone


# What is computed, by its kind: the document of the result, bounded, and how many items it lacks.


def _explained(
    ctx: Context, one: Computation, _progress: Callable[[float], None]
) -> tuple[Mapping[str, Any], int]:
    asked = one.asked
    found = explain(ctx, _scope_of(one), asked["integration_id"], last_time=asked["last_disabling"])
    return bounded(explanation_document(found))


def _policy_tried(
    ctx: Context, one: Computation, progress: Callable[[float], None]
) -> tuple[Mapping[str, Any], int]:
    policy, since = policy_of(one.asked["policy"]), _moment(one.asked["since"])
    return bounded(simulation_document(simulate(ctx, _scope_of(one), policy, since, progress)))


def _trigger_tried(
    ctx: Context, one: Computation, progress: Callable[[float], None]
) -> tuple[Mapping[str, Any], int]:
    if one.client_id is None:
        raise TypeError(one)  # none is made so
    since, until = _moment(one.asked["since"]), _moment(one.asked["until"])
    criteria: Any = {name: one.asked[name] for name in ("condition", "filters", "threshold")}
    done = simulate_trigger(
        *(ctx, _scope_of(one), unsaved(one.client_id, criteria_of(criteria), since)),
        since=since,
        until=until,
        progress=progress,
        bounds=Bounds(MOST_EVENTS, MOST_ITEMS),
    )
    document = trigger_simulation_document(done, one.asked["trigger_id"])
    return dict(document), done.fired - len(done.firings)


_COMPUTED: Final = {
    Kind.EXPLAIN: _explained,
    Kind.SIMULATE_POLICY: _policy_tried,
    Kind.SIMULATE_TRIGGER: _trigger_tried,
}


def _scope_of(one: Computation) -> Scope:
    return EVERY_CLIENT if one.client_id is None else only([one.client_id])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _inserted(
    tx: Transaction, actor: Actor, client_id: int | None, kind: Kind, asked: Mapping[str, Any]
) -> Computation:
    made = tx.insert_computation(actor, client_id, kind, asked)
    if made is None:
        raise Refused(
            f"{OPEN_AT_MOST} computations are open already; cancel one or wait for an end."
        )
    return made


def _requested(ctx: Context, made: Computation) -> Computation:
    ctx.publisher.request_replays()
    return made


def _found(one: Computation | None, computation_id: int) -> Computation:
    if one is None:
        raise NotFound(f"There is no computation {computation_id}.")
    return one

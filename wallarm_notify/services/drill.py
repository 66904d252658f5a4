"""Drill: prove an integration's key and way by a ``resolve`` that finds nothing open and pages nobody (spec 1).

A drill is no notification and no attempt. It takes one turn of the key's rate limit, and none where what is to be
delivered waits for turns.
"""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Final, TypeAlias

from wallarm_notify.domain.drill import (
    PERIODS_UNTIL_OVERDUE,
    RUN_EVERY,
    WITHIN,
    Drilled,
    is_unknown_key,
)
from wallarm_notify.domain.errors import NotFound, NotifyError, Refused
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.integration import REGIONS
from wallarm_notify.domain.rate_limit import take_free_grants
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from wallarm_notify.domain.integration import IntegrationKey, Stored
    from wallarm_notify.domain.outcome import Answer
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)

SendResolve: TypeAlias = "Callable[[str, str, IntegrationKey, timedelta], Answer]"
"""What sends a ``resolve`` for a dedup key to a region, by a key, within a time; it returns the answer."""

WHOLE: Final = timedelta(seconds=20)
"""Within so long an answer to a person comes (spec 1)."""

NAME: Final = "drill"
CHECK: Final = "drill_check"

SLICE: Final = 20
"""So many drills of the schedule are under way at once. They take one connection to the database, one after another."""

MOST: Final = 400
"""So many drills one run does at most; the next run goes on."""

WORKS_FOR: Final = timedelta(seconds=2)
"""After so long a run begins no further slice."""

MOST_LOGGED: Final = 100


def drill(ctx: Context, scope: Scope, integration_id: int, send: SendResolve) -> Drilled:
    """Do a drill of one integration, enabled or not; return the answer.

    Where PagerDuty does not know the key, the other region is tried. Raise NotFound, Refused where no turn is free,
    Unavailable.
    """
    began = ctx.clock()
    begun = _begin(ctx, scope, integration_id)
    done = begun.sent(send, WHOLE)
    if is_unknown_key(done.answer):
        left = WHOLE - timedelta(seconds=ctx.clock() - began)
        done = replace(done, other_region=region_of_key(done.region, begun.key, send, left))
    return _end(ctx, begun, done)


def fresh_dedup_key() -> str:
    """Return a dedup key that no alert was ever opened under."""
    return token_hex(32)


def region_of_key(
    but: str, key: IntegrationKey, send: SendResolve, within: timedelta
) -> str | None:
    """Return another region than ``but`` that takes the key, by a drill there; None: none does in time."""
    if within <= timedelta():
        return None
    for region in REGIONS:
        if region != but and send(fresh_dedup_key(), region, key, within).reason is None:
            return region
    return None


@dataclass(frozen=True, slots=True)
class DrillsRun:
    """What a run of the schedule did; ``waiting`` were not drilled, ``overdue`` are unproven for too long."""

    proven: int = 0
    failed: int = 0
    waiting: int = 0
    overdue: int = 0
    ran: bool = True

    @property
    def words(self) -> str:
        """What it did in words, for people and for Flower."""
        if not self.ran:
            return "another run was there first"
        text = f"{counted(self.proven, 'integration')} proven, {self.failed} failed"
        if self.waiting:
            text += f", {self.waiting} not drilled now"
        return f"{text}; {self.overdue} unproven for too long" if self.overdue else text


def run_drills(ctx: Context, send: SendResolve, *, works_for: timedelta = WORKS_FOR) -> DrillsRun:
    """Drill enabled integrations that are due, some at once, for a little while. Raise Unavailable.

    Nothing is done where no interval is set. Once an interval, each integration whose proof is too old is logged.
    """
    interval = ctx.settings.drill_interval
    if interval is None:
        return DrillsRun()
    if not ctx.store.transact(lambda tx: tx.may_run(NAME, RUN_EVERY * 0.8)):
        return DrillsRun(ran=False)
    until = ctx.clock() + works_for.total_seconds()
    due = ctx.store.transact(
        lambda tx: tx.due_for_drill(interval, MOST, after=tx.reached(NAME)),
    )
    ends: Counter[bool | None] = Counter()
    with ThreadPoolExecutor(SLICE, "drill") as pool:
        for at in range(0, len(due), SLICE):
            ends += _drill_slice(ctx, due[at : at + SLICE], send, pool)
            if ctx.clock() > until:
                break
    return DrillsRun(ends[True], ends[False], ends[None], _log_overdue(ctx, interval))


def _drill_slice(
    ctx: Context, ids: Sequence[int], send: SendResolve, pool: ThreadPoolExecutor
) -> Counter[bool | None]:
    """Drill some integrations at once; return how many passed, failed, or (None) were not done.

    The threads of ``pool`` only send: however many there are, this one alone asks the database. Whatever becomes of
    the slice, the next run goes on behind it.
    """
    ctx.store.transact(lambda tx: tx.note_reached(NAME, ids[-1]))
    ends: Counter[bool | None] = Counter()
    sending = {}
    until = ctx.clock() + WITHIN.total_seconds()
    for integration_id in ids:
        # Where the database is away, each would wait for it.
        begun = _begun_by_schedule(ctx, integration_id) if ctx.clock() <= until else None
        if begun is None:
            ends[None] += 1
        else:
            sending[pool.submit(begun.sent, send, WITHIN)] = begun
    for sent in as_completed(sending):
        ends[_ended_by_schedule(ctx, sending[sent], sent.result())] += 1
    return ends


@dataclass(frozen=True, slots=True)
class _Begun:
    """A drill that was begun: it has its turn, and its answer is noted by the moment when it began."""

    stored: Stored
    key: IntegrationKey
    at: datetime

    def sent(self, send: SendResolve, within: timedelta) -> Drilled:
        """Send its ``resolve``; return it with the answer."""
        answer = send(fresh_dedup_key(), self.stored.region, self.key, within)
        return Drilled(self.stored.id, self.stored.region, answer)


def _begun_by_schedule(ctx: Context, integration_id: int) -> _Begun | None:
    """Begin a drill of the schedule; None: it cannot be done now, and is tried again."""
    try:
        return _begin(ctx, EVERY_CLIENT, integration_id, only_enabled=True)
    except (NotFound, Refused):
        return None
    except NotifyError as error:
        _log_not_done(integration_id, error)
        return None


def _ended_by_schedule(ctx: Context, begun: _Begun, done: Drilled) -> bool | None:
    """Note the answer to a drill of the schedule; return whether it passed, None: it could not be noted."""
    try:
        return _end(ctx, begun, done).passed
    except NotifyError as error:
        _log_not_done(done.integration_id, error)
        return None


def _log_not_done(integration_id: int, error: NotifyError) -> None:
    log.warning("drill.not_done", extra={"integration": integration_id, "error": str(error)})


def _begin(
    ctx: Context, scope: Scope, integration_id: int, *, only_enabled: bool = False
) -> _Begun:
    """Take one turn for an integration, and note that its drill begins. Raise NotFound, Refused, Unavailable."""

    def work(tx: Transaction) -> _Begun:
        stored = tx.lock_integration(scope, integration_id)
        if stored is None or (only_enabled and not stored.enabled):
            raise NotFound(f"There is no integration {integration_id}.")
        key = tx.integration_key(stored)
        if not _takes_a_turn(ctx, tx, stored.key_fingerprint):
            raise Refused(
                f"Integration {stored.id} has no turn free: its key has had its "
                f"{ctx.settings.rate_limit_per_minute} requests of this minute, or alerts wait for theirs. What "
                "PagerDuty accepts of these proves the key too. Try again in a minute."
            )
        return _Begun(stored, key, tx.begin_drill(stored))

    return ctx.store.transact(work)


def _takes_a_turn(ctx: Context, tx: Transaction, fingerprint: bytes) -> bool:
    """Take one free grant of a key's rate limit; return False where none is free or others wait for one."""
    limit = ctx.settings.rate_limit_per_minute
    if limit == 0:
        return True
    known = tx.grants([fingerprint])[fingerprint]
    granted, after = take_free_grants(known, [Severity.INFO], limit=limit, now=tx.now.timestamp())
    tx.save_grants({fingerprint: after})
    return granted == 1


def _end(ctx: Context, begun: _Begun, done: Drilled) -> Drilled:
    ctx.store.transact(lambda tx: tx.end_drill(begun.stored, begun.at, done))
    return done


def _log_overdue(ctx: Context, interval: timedelta) -> int:
    """Log, once an interval, each integration whose proof is older than two of them; return how many."""
    if not ctx.store.transact(lambda tx: tx.may_run(CHECK, interval)):
        return 0
    found = ctx.store.transact(
        lambda tx: tx.unproven(PERIODS_UNTIL_OVERDUE * interval, MOST_LOGGED)
    )
    for one in found:
        extra = {
            "integration": one.id,
            "client": one.client_id,
            "proven_at": None if one.proven_at is None else one.proven_at.isoformat(),
            "error": one.error,
            "status": one.status_code,
        }
        log.error("integration.not_proven", extra=extra)
    return len(found)

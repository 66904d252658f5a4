"""Replay jobs: a replay is stored and workers do it, so that whoever asked may go (spec 5).

Each slice is one transaction that holds the job's row: it replays, and writes how far the job has come. So no slice is
done twice, however many workers are on it, and of a worker that is killed nothing stays half done.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.batches import messages
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.page import Page, page_of
from wallarm_notify.domain.replay_job import JobState, at_the_rate_limit
from wallarm_notify.domain.scope import only
from wallarm_notify.domain.words import counted
from wallarm_notify.services.replay import SLICE, replay_in, target_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.notification import Notification
    from wallarm_notify.domain.replay_job import ReplayJob
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.views import Wanted
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)

WORKS_FOR: Final = timedelta(seconds=10)
"""After so long a task begins no further slice, and another task goes on."""

IDLE: Final = timedelta(seconds=30)
"""A job that was not worked on for so long has lost its task, or its worker."""

REVIVED_FOR: Final = timedelta(seconds=2)
"""So long a run of SWEEP works on such jobs."""

FORGET_EVERY: Final = timedelta(hours=1)
_FORGOTTEN_AT_ONCE: Final = 1000


def create_replay_job(ctx: Context, actor: Actor, scope: Scope, wanted: Wanted) -> ReplayJob:
    """Store a job that replays what ``wanted`` means now, and have it worked on.

    Raise NotFound; Refused where the integration is disabled or has a job already; Unavailable.
    """

    def work(tx: Transaction) -> ReplayJob:
        target = target_of(wanted, tx.replay_targets(scope, [wanted.integration_id]))
        extent = tx.replay_extent(scope, wanted)
        takes = at_the_rate_limit(extent.total, ctx.settings.rate_limit_per_minute)
        job = tx.insert_replay_job(actor, target.client_id, wanted, extent, takes)
        if job is None:
            raise Refused(
                f"Integration {target.id} is being replayed to already; cancel that or wait for its end."
            )
        return job

    job = ctx.store.transact(work)
    ctx.publisher.request_replays()
    return job


def show_replay_job(ctx: Context, scope: Scope, job_id: int) -> ReplayJob:
    """Return a job. Raise NotFound, Unavailable."""
    return ctx.store.transact(lambda tx: _found(tx.replay_job(scope, job_id), job_id))


def list_replay_jobs(
    ctx: Context,
    scope: Scope,
    *,
    client_id: int | None = None,
    cursor: int | None = None,
    limit: int = 50,
) -> Page[ReplayJob]:
    """Return a page of jobs, the newest first; ``client_id``: only that client's. Raise Unavailable."""
    rows = ctx.store.transact(lambda tx: tx.replay_jobs(scope, cursor, limit + 1, client_id))
    return page_of(rows, limit, lambda job: job.id)


def cancel_replay_job(ctx: Context, actor: Actor, scope: Scope, job_id: int) -> ReplayJob:
    """Cancel a job once the present slice is done; return it. What is replayed stays so.

    Raise NotFound; Refused where it has ended; Unavailable.
    """

    def work(tx: Transaction) -> ReplayJob:
        job = _found(tx.replay_job(scope, job_id, lock=True), job_id)
        if not job.is_open:
            raise Refused(f"Replay {job_id} has ended already: it is {job.state}.")
        tx.end_replay_job(job_id, JobState.CANCELLED, by=actor.name)
        return _found(tx.replay_job(scope, job_id), job_id)

    return ctx.store.transact(work)


def work_on_replay_jobs(ctx: Context, *, works_for: timedelta = WORKS_FOR) -> int:
    """Do slices of open jobs for a while; return how many notifications were replayed.

    Two at once do slices of different jobs. Raise Unavailable: what was done stays done, and SWEEP has it gone on.
    """
    until = ctx.clock() + works_for.total_seconds()
    total = 0
    while (replayed := do_replay_slice(ctx)) is not None:
        total += replayed
        if ctx.clock() > until:
            ctx.publisher.request_replays()
            break
    return total


def do_replay_slice(ctx: Context) -> int | None:
    """Do a slice of the job that has waited longest; None: there is none without a worker."""

    def work(tx: Transaction) -> tuple[Sequence[Notification], datetime] | None:
        job = tx.lock_next_replay_job()
        return None if job is None else (_slice_of(ctx, tx, job), tx.now)

    done = ctx.store.transact(work)
    if done is None:
        return None
    rows, now = done
    ctx.publisher.publish(messages(rows, now))
    return len(rows)


def revive_replay_jobs(ctx: Context) -> None:
    """Work a little on jobs that nobody works on, and forget those of long ago.

    SWEEP calls it. It needs no right to enqueue a task, which a worker may lack. Raise Unavailable.
    """
    if ctx.store.transact(lambda tx: tx.has_idle_replay_job(IDLE)):
        log.info("replay.gone_on")
        work_on_replay_jobs(ctx, works_for=REVIVED_FOR)
    if ctx.store.transact(lambda tx: tx.may_run("forget_replays", FORGET_EVERY)):
        retention = ctx.settings.retention
        ctx.store.transact(lambda tx: tx.forget_replay_jobs(retention, _FORGOTTEN_AT_ONCE))


def replayed_words(number: int) -> str:
    """Return what a task did in words, for Flower."""
    return f"{counted(number, 'notification')} replayed"


def _slice_of(ctx: Context, tx: Transaction, job: ReplayJob) -> Sequence[Notification]:
    """Replay the next slice of a job whose row is locked, and note it; a job that cannot go on has failed."""
    last = job.extent.last_id
    try:
        scope = only([job.client_id])
        rows, ids = replay_in(
            *(ctx, tx, job.actor, job.wanted), scope=scope, after=job.reached, last=last
        )
    except Refused as error:
        tx.end_replay_job(job.id, JobState.FAILED, problem=str(error))
        log.warning("replay.failed", extra={"job": job.id, "error": str(error)})
        return []
    reached = ids[-1] if ids else job.reached
    tx.note_replay_slice(job.id, reached, len(rows), done=len(ids) < SLICE)
    return rows


def _found(job: ReplayJob | None, job_id: int) -> ReplayJob:
    if job is None:
        raise NotFound(f"There is no replay {job_id}.")
    return job

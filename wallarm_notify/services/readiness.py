"""Readiness: what of the installation is there and keeps up, for those who watch over it.

It is read without a scope: it says nothing of any client.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.readiness import (
    GONE_AFTER,
    HEARTBEAT,
    Readiness,
    Standing,
    Word,
    readiness_of,
    without_database,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def note_heartbeat(ctx: Context, node: str, queues: Collection[str]) -> None:
    """Note that ``node``, which takes from ``queues``, lives. Raise Unavailable.

    Each of its processes does so every ``HEARTBEAT``; one row is written for all of them.
    """
    ctx.store.transact(
        lambda tx: tx.note_heartbeat(
            node, sorted(queues), datetime.now(UTC), every=HEARTBEAT, gap=GONE_AFTER
        )
    )


def measure_queues(ctx: Context) -> None:
    """Note how many messages wait in each queue of the broker, as far as it says. Raise Unavailable."""
    lengths = ctx.publisher.lengths()
    if lengths:
        ctx.store.transact(lambda tx: tx.note_queue_lengths(lengths))


def show_readiness(ctx: Context, queues: Collection[str]) -> Readiness:
    """Return how it stands; ``queues`` are those that somebody has to take from."""
    try:
        ctx.store.transact(lambda tx: tx.now)
    except Unavailable:
        return without_database(Word.UNREACHABLE, Word.UNKNOWN)
    try:
        ctx.store.check()
        standing = ctx.store.transact(_standing)
    except Unavailable:
        return without_database(Word.OK, Word.OTHER_SCHEMA)
    is_there = ctx.publisher.length(first=True) is not None
    broker = Word.OK if is_there else Word.UNREACHABLE
    return readiness_of(standing, broker, queues, ctx.settings.sweep_interval)


def readiness_and_standing(ctx: Context, queues: Collection[str]) -> tuple[Readiness, Standing]:
    """Return how it stands, without a look at the broker, and what that was decided by. Raise Unavailable."""
    standing = ctx.store.transact(_standing)
    return readiness_of(standing, Word.UNKNOWN, queues, ctx.settings.sweep_interval), standing


def is_attended(ctx: Context, queues: Collection[str]) -> bool:
    """Return whether the database serves this program, somebody takes from each queue, and nothing is long overdue.

    Where SWEEP does not run nobody does: heartbeats of workers come while these cannot reach the broker too.
    """
    try:
        ctx.store.check()
        found, _ = readiness_and_standing(ctx, queues)
    except Unavailable:
        return False
    return all(word is Word.OK for word in (found.workers, found.beat, found.oldest_due))


def _standing(tx: Transaction) -> Standing:
    return Standing(
        tx.now, tx.last_run("sweep"), tx.nodes(), oldest_due(tx), tuple(tx.queue_lengths())
    )


def oldest_due(tx: Transaction) -> datetime | None:
    """Return when the check was due of what is overdue for longest; None: nothing is.

    What waits for a slow integration is not overdue.
    """
    return min((one.recheck_at for one in tx.backlogs() if not one.slow), default=None)

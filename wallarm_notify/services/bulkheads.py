"""Bulkheads: a slow integration is sent one request at a time, so that it delays no other (engine 11).

A bulkhead is held under a token, which is made of a notification's fence; it is free after a lease.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from wallarm_notify.domain.batches import messages
from wallarm_notify.domain.notification import MESSAGE_SIZE, Notification
from wallarm_notify.domain.sending import SLOW

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from wallarm_notify.domain.candidate import Candidate
    from wallarm_notify.domain.outcome import Attempt
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)


def mark_slow(ctx: Context, integration_ids: Iterable[int]) -> None:
    """Mark integrations as slow, whose answer has been outstanding for a second. Raise Unavailable."""
    ids = sorted(set(integration_ids))
    ctx.store.transact(lambda tx: tx.mark_slow(ids))
    log.warning("integration.slow", extra={"integrations": ids})


def hold_back(
    tx: Transaction, candidates: Sequence[Candidate[Notification]], lease: timedelta
) -> tuple[list[Candidate[Notification]], list[Candidate[Notification]]]:
    """Return which ``candidates`` may be sent, and which are held behind their integration's bulkhead.

    Of each slow integration the first candidate may, where the bulkhead is free, and takes it for a ``lease``.
    """
    waiting: dict[int, list[Candidate[Notification]]] = defaultdict(list)
    for c in candidates:
        if c.slow:
            waiting[c.notification.integration_id].append(c)
    if not waiting:
        return list(candidates), []
    taken = tx.take_bulkheads(
        {i: _token_to_come(first) for i, (first, *_) in waiting.items()}, lease
    )
    passes = {waiting[i][0].notification.id for i in taken}
    return (
        [c for c in candidates if not c.slow or c.notification.id in passes],
        [c for c in candidates if c.slow and c.notification.id not in passes],
    )


def free_unused(tx: Transaction, candidates: Iterable[Candidate[Notification]]) -> None:
    """Free the bulkheads that were taken by ``candidates`` that are not sent after all."""
    tokens = {c.notification.integration_id: _token_to_come(c) for c in candidates if c.slow}
    if tokens:
        tx.free_bulkheads(tokens)


def _token_to_come(candidate: Candidate[Notification]) -> str:
    """Return the token under which a notification that is about to be claimed holds the bulkhead."""
    n = candidate.notification
    return replace(n, fence=n.fence + 1).bulkhead_token


def free(
    ctx: Context, attempts: Sequence[Attempt], slow: Collection[int], tokens: Mapping[int, str]
) -> None:
    """Free the bulkheads of integrations that answered, and enqueue what is held there. Raise Unavailable.

    ``slow`` are the integrations that were slow when their attempts were claimed, or are now; ``tokens`` are
    those under which the bulkheads are held, by integration. One that answered in under a second is slow no
    more, and what is held there is enqueued together; of any other the next notification alone is.
    """
    took: dict[int, timedelta] = {}
    for a in attempts:
        if a.integration_id in slow:
            took[a.integration_id] = max(a.duration, took.get(a.integration_id, timedelta()))
    if not took:
        return
    recovered = sorted(i for i, duration in took.items() if duration < SLOW)
    limits = {i: MESSAGE_SIZE if i in recovered else 1 for i in sorted(took)}

    def next_ones(tx: Transaction) -> tuple[list[Notification], datetime]:
        if recovered:
            tx.recheck_soon(recovered)
        return tx.waiting_behind(limits), tx.now

    # Two transactions: none may lock an integration while it waits for notifications.
    ctx.store.transact(lambda tx: tx.free_bulkheads(tokens, recovered=recovered))
    rows, now = ctx.store.transact(next_ones)
    ctx.publisher.publish(messages(rows, now))

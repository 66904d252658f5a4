"""Claim: due notifications are taken for sending, under a fencing token and for a lease (engine 8).

There is one claim, ``claim_candidates``: of what a message names, and of what routing is about to store
(``services.inline_dispatch``).
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeAlias

from wallarm_notify.domain.alert_identity import start_of
from wallarm_notify.domain.batches import gap_between, messages
from wallarm_notify.domain.candidate import triage
from wallarm_notify.domain.notification import (
    WORKER_LOST,
    Notification,
    RowT,
    State,
    carried_on,
    claimed,
    ended,
    held_back,
    waiting_for_grant,
)
from wallarm_notify.domain.notification import put_back as given_back
from wallarm_notify.domain.rate_limit import (
    GrantRequest,
    Grants,
    give_back,
    is_severe,
    take_free_grants,
    take_grants,
)
from wallarm_notify.domain.sending import Claim, Sending
from wallarm_notify.domain.traffic import counted_waits
from wallarm_notify.services.bulkheads import free_unused, hold_back
from wallarm_notify.services.name_applications import name_applications
from wallarm_notify.services.record import log_ends

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wallarm_notify.domain.batches import Message
    from wallarm_notify.domain.candidate import Candidate, Triage
    from wallarm_notify.services.context import Context, ServiceSettings
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)


def claim(ctx: Context, ids: Sequence[int], links: Sequence[int] | None = None) -> Claim:
    """Claim what is due of the notifications ``ids``; enqueue again what is early. Raise Unavailable.

    ``links`` are the links under which the message carries them; None: it does not say. What another
    message carries by now is not enqueued again.
    """
    carried = dict(zip(ids, links or (), strict=False))
    done = ctx.store.transact(lambda tx: _take(tx, ids, carried, ctx))
    # After the commit: a transaction may be run several times, or fail at its end.
    _log_unreadable(done.unreadable)
    log_ends(done.ends)
    ctx.publisher.publish(done.again)
    return done.claim


@dataclass(frozen=True, slots=True)
class _Done:
    """What the transaction of a claim came to: the claim, messages to be enqueued again, and what is to be logged."""

    claim: Claim
    again: Sequence[Message]
    unreadable: Sequence[Candidate[Notification]]
    ends: Sequence[Notification]


def _take(tx: Transaction, ids: Sequence[int], carried: Mapping[int, int], ctx: Context) -> _Done:
    """Do the transaction of ``claim``."""
    began = ctx.clock()
    now, settings = tx.now, ctx.settings
    found = triage(tx.candidates(ids), now, carried)
    passed, held = hold_back(tx, found.ready, settings.lease)
    taken, reserved = claim_candidates(tx, passed, settings, may_wait=True)
    free_unused(tx, [c for c, _ in reserved])
    ends = _ended(found, now)
    behind = [held_back(c.notification, now) for c in (*found.unreadable, *held)]
    later = [waiting_for_grant(c.notification, grant, settings.grace) for c, grant in reserved]
    early, alone, moved = _carried_on(tx, found)
    tx.save([*ends, *behind, *later, *moved, *(t.notification for t in taken)])
    if reserved:
        tx.count(counted_waits(grant - now for _, grant in reserved))
    result = Claim(
        now=now,
        began=began,
        sendings=tuple(t.sending(t.notification) for t in taken),
        asked=len(ids),
        waiting=len(early) + len(later) + len(held) + len(alone),
        cancelled=len(found.cancel),
        lost=len(found.lost),
    )
    again = messages([*early, *later], now) + messages(alone, now, size=1)
    return _Done(result, again, found.unreadable, ends)


def _ended(found: Triage, now: datetime) -> list[Notification]:
    cancelled = [ended(n, State.CANCELLED, now) for n in found.cancel]
    return cancelled + [ended(n, State.FAILED, now, WORKER_LOST) for n in found.lost]


def _carried_on(
    tx: Transaction, found: Triage
) -> tuple[Sequence[Notification], Sequence[Notification], Sequence[Notification]]:
    """Return what is early, what is to be sent alone, and what of both is to be saved.

    SWEEP knows what it has to move after a jump of the clock by the transaction that wrote a row; until it
    has, rows are not written.
    """
    if not (found.early or found.alone) or not tx.is_clock_followed():
        return found.early, found.alone, ()
    early = [carried_on(n) for n in found.early]
    alone = [carried_on(n) for n in found.alone]
    return early, alone, [*early, *alone]


def _log_unreadable(unreadable: Sequence[Candidate[Notification]]) -> None:
    """Log the integrations whose key none of our Fernet keys opens: our fault, so their notifications wait."""
    if unreadable:
        log.error(
            "delivery.key_unreadable",
            extra={
                "integrations": sorted({c.notification.integration_id for c in unreadable}),
                "hint": "WALLARM_NOTIFY_SECRET_KEYS lacks the key these were encrypted with",
            },
        )


@dataclass(frozen=True, slots=True)
class Taken(Generic[RowT]):
    """A claimed candidate: its row as it is to be stored, and its grant; None: no rate limit."""

    candidate: Candidate[RowT]
    notification: RowT
    grant: float | None

    def sending(self, notification: Notification) -> Sending:
        """Return what the dispatcher sends; ``notification`` is the row as it was stored."""
        c = self.candidate
        if c.payload.key is None or c.fingerprint is None:
            raise ValueError(f"notification {notification.id} is claimed without a key")
        generation = None if notification.closing else c.generation
        return Sending(
            notification, c.payload, c.payload.key, c.fingerprint, generation, c.slow, self.grant
        )


_Grant: TypeAlias = "tuple[Candidate[RowT], float | None]"
"""A candidate and the grant that it holds, in epoch seconds; None where the rate is not limited."""


def claim_candidates(
    tx: Transaction,
    candidates: Sequence[Candidate[RowT]],
    settings: ServiceSettings,
    *,
    may_wait: bool,
) -> tuple[list[Taken[RowT]], list[tuple[Candidate[RowT], datetime]]]:
    """Claim the ``candidates`` that get a grant of the rate limit; return them, and those that wait for one.

    They come most severe first, then oldest; nothing but the rate limit keeps them from being sent. Where it
    ``may_wait``, it waits for the locks of their keys, and reserves grants for the others (spec 5). Else it
    waits for no lock and reserves nothing: it takes grants that nobody as severe waits for, and leaves the
    others for a claim by message.
    """
    payloads = name_applications(tx, [c.payload for c in candidates])
    candidates = [
        c if p is c.payload else replace(c, payload=p)
        for c, p in zip(candidates, payloads, strict=True)
    ]
    granted: list[_Grant[RowT]] = [(c, None) for c in candidates]
    reserved: list[tuple[Candidate[RowT], datetime]] = []
    if settings.rate_limit_per_minute and candidates:
        by_key: dict[bytes, list[Candidate[RowT]]] = defaultdict(list)
        for c in candidates:
            if c.fingerprint is not None:
                by_key[c.fingerprint].append(c)
        if may_wait:
            granted, reserved = _grants(tx, by_key, settings.rate_limit_per_minute)
        else:
            granted = _grants_at_hand(tx, by_key, settings.rate_limit_per_minute)
    now, lease = tx.now, settings.lease
    return [Taken(c, claimed(c.notification, now, lease), grant) for c, grant in granted], reserved


def _grants(
    tx: Transaction, by_key: Mapping[bytes, Sequence[Candidate[RowT]]], limit: int
) -> tuple[list[_Grant[RowT]], list[tuple[Candidate[RowT], datetime]]]:
    """Return candidates with the grant each has now, and the others with the time of the reserved one."""
    granted: list[_Grant[RowT]] = []
    reserved: list[tuple[Candidate[RowT], datetime]] = []
    kept: dict[bytes, Grants] = {}
    now = tx.now.timestamp()
    for key, grants in tx.grants(by_key).items():
        requests = [
            GrantRequest(c.notification.severity, c.notification.due_at.timestamp())
            for c in by_key[key]
        ]
        answers, kept[key] = take_grants(grants, requests, limit=limit, now=now)
        for c, grant in zip(by_key[key], answers, strict=True):
            if grant is None:
                granted.append((c, kept[key].sent[-1][0]))
            else:
                reserved.append((c, datetime.fromtimestamp(grant, UTC)))
    tx.save_grants(kept)
    return granted, reserved


def _grants_at_hand(
    tx: Transaction, by_key: Mapping[bytes, Sequence[Candidate[RowT]]], limit: int
) -> list[_Grant[RowT]]:
    """Return candidates with a free grant that nobody as severe waits for, of keys that nobody has locked."""
    granted: list[_Grant[RowT]] = []
    kept: dict[bytes, Grants] = {}
    now = tx.now.timestamp()
    for key, grants in tx.grants_at_hand(by_key).items():
        requests = by_key[key]
        severities = [c.notification.severity for c in requests]
        number, after = take_free_grants(grants, severities, limit=limit, now=now)
        if number:
            kept[key] = after
            granted += [(c, after.sent[-1][0]) for c in requests[:number]]
    tx.save_grants(kept)
    return granted


def put_back(ctx: Context, sendings: Sequence[Sending], *, behind_bulkhead: bool) -> None:
    """Give back claims whose requests were not begun, and their grants. Raise Unavailable.

    The notifications wait ``behind_bulkhead``, or are enqueued at once.
    """

    def work(tx: Transaction) -> tuple[list[Notification], datetime]:
        held = {n.id: n for n in tx.lock(sorted({s.notification.id for s in sendings}))}
        mine = [s for s in sendings if _is_held(tx, s, held)]
        rows = [given_back(held[s.notification.id], tx.now, ctx.settings.grace) for s in mine]
        if behind_bulkhead:
            rows = [held_back(n, tx.now) for n in rows]
        tx.save(rows)
        _give_grants_back(tx, mine, ctx.settings)
        return rows, tx.now

    tokens = {
        s.notification.integration_id: s.notification.bulkhead_token for s in sendings if s.slow
    }
    if tokens:
        ctx.store.transact(lambda tx: tx.free_bulkheads(tokens))
    # Last, for if it were repeated it would find nothing to enqueue.
    rows, now = ctx.store.transact(work)
    if behind_bulkhead:
        # One of each: it takes the bulkhead if that is free, and its record calls the next.
        rows = list({n.integration_id: n for n in reversed(rows)}.values())
    gap = gap_between(ctx.settings.rate_limit_per_minute)
    ctx.publisher.publish(messages(rows, now, gap=gap))


def _is_held(tx: Transaction, sending: Sending, rows: Mapping[int, Notification]) -> bool:
    """Return whether the claim of ``sending`` stands, by the rows that ``tx`` has locked."""
    claimed = sending.notification
    if not tx.is_of(claimed.id, start_of(sending.dedup_key)):
        return False
    n = rows[claimed.id]
    return n.lease_until is not None and n.fence == claimed.fence


def _give_grants_back(
    tx: Transaction, sendings: Sequence[Sending], settings: ServiceSettings
) -> None:
    unused = Counter(
        (s.fingerprint, s.grant, is_severe(s.notification.severity))
        for s in sendings
        if s.grant is not None
    )
    if settings.rate_limit_per_minute == 0 or not unused:
        return
    grants = tx.grants({key for key, _, _ in unused})
    for (key, grant, severe), number in unused.items():
        grants[key] = give_back(grants[key], number, granted=grant, severe=severe)
    tx.save_grants(grants)

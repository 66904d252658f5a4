"""Delivery: claim what is due, and record what came of it."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from wallarm_notify.domain.clock import BACK_FROM, Clock
from wallarm_notify.domain.health import by_minute
from wallarm_notify.domain.message import (
    Message,
    messages,
)
from wallarm_notify.domain.notification import (
    MESSAGE_SIZE,
    WORKER_LOST,
    Candidate,
    Notification,
    State,
    carried_on,
    claimed,
    ended,
    is_cancelled,
    parked,
    recorded,
    triage,
    waiting_for_turn,
)
from wallarm_notify.domain.notification import put_back as given_back
from wallarm_notify.domain.outcome import Attempt, outcome_of
from wallarm_notify.domain.pacing import Asking, Turns, give_back, take_free_turns, take_turns
from wallarm_notify.domain.sending import SLOW, Cargo, Claim, Made, Sending

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from wallarm_notify.services.context import Context, ServiceSettings
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)


def claim(ctx: Context, ids: Sequence[int], links: Sequence[int] | None = None) -> Claim:
    """Take what is due of ``ids``; enqueue again what is early. Raises Unavailable.

    ``links`` are those under which the message carries them, None where it does not say: what another
    message carries by now is not enqueued again.
    """
    carried = dict(zip(ids, links or (), strict=False))
    taken, again = ctx.store.transact(lambda tx: take(tx, ids, ctx.settings, ctx.clock, carried))
    ctx.publisher.publish(again)
    return taken


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record came to: the notifications that it changed, and the database's time."""

    now: datetime
    changed: tuple[Notification, ...]

    @property
    def next_links(self) -> list[Notification]:
        """What is to be enqueued for its next attempt."""
        return [n for n in self.changed if n.is_open]


def record(ctx: Context, attempts: Sequence[Attempt]) -> Recorded:
    """Store ``attempts`` and what follows from them. Raises Unavailable; the same again is harmless.

    The caller enqueues the ``next_links``, then calls ``follow_up``.
    """
    recorded = ctx.store.transact(lambda tx: write_down(tx, attempts, ctx.settings))
    _log_attempts(attempts)
    _log_ends(recorded.changed)
    return recorded


def follow_up(
    ctx: Context,
    attempts: Sequence[Attempt],
    recorded: Recorded,
    slow: Collection[int] = (),
    tokens: Mapping[int, str] | None = None,
) -> None:
    """Wipe the keys that ended with a record, and free the bulkheads of slow integrations. Raises Unavailable.

    ``slow`` are the integrations among the attempts that were slow when claimed, or are now; ``tokens``
    are those of the bulkheads that they held. The same again is harmless.
    """
    ended_last = {n.integration_id for n in recorded.changed if n.last and not n.is_open}
    if ended_last:
        ctx.store.transact(lambda tx: tx.wipe_ended_keys(sorted(ended_last)))
    if slow:
        _free_bulkheads(ctx, attempts, set(slow), tokens or {})


def mark_slow(ctx: Context, integration_ids: Iterable[int]) -> None:
    """Set integrations apart whose answer is outstanding for a second. Raises Unavailable."""
    ids = sorted(set(integration_ids))
    ctx.store.transact(lambda tx: tx.mark_slow(ids))
    log.warning("integration.slow", extra={"integrations": ids})


def put_back(ctx: Context, sendings: Sequence[Sending], *, behind_bulkhead: bool) -> None:
    """Give back claims, and their grants, whose requests were not begun. Raises Unavailable.

    They wait for a bulkhead to free, or are enqueued at once.
    """

    def work(tx: Transaction) -> tuple[list[Notification], datetime]:
        held = {s.notification.id: s.notification.claim for s in sendings}
        mine = [n for n in tx.lock(sorted(held)) if n.lease_until and n.claim == held[n.id]]
        rows = [
            parked(given_back(n, tx.now, ctx.settings.ring), tx.now)
            if behind_bulkhead
            else given_back(n, tx.now, ctx.settings.ring)
            for n in mine
        ]
        tx.save(rows)
        kept = {n.id for n in rows}
        _give_grants_back(tx, [s for s in sendings if s.notification.id in kept], ctx.settings)
        return rows, tx.now

    tokens = {s.notification.integration_id: s.notification.lane_token for s in sendings if s.slow}
    if tokens:
        ctx.store.transact(lambda tx: tx.free_lanes(tokens))
    # Last, for the same again would find nothing to enqueue.
    rows, now = ctx.store.transact(work)
    if behind_bulkhead:
        # One of each: it takes the bulkhead if that is free, and its record calls the next.
        rows = list({n.integration_id: n for n in reversed(rows)}.values())
    ctx.publisher.publish(messages(rows, now))


def _free_bulkheads(
    ctx: Context, attempts: Sequence[Attempt], slow: set[int], tokens: Mapping[int, str]
) -> None:
    """Free the bulkheads of what was answered, and call what waits there next."""
    took: dict[int, timedelta] = {}
    for a in attempts:
        if a.integration_id in slow:
            took[a.integration_id] = max(a.duration, took.get(a.integration_id, timedelta()))
    recovered = {i for i, duration in took.items() if duration < SLOW}

    def free(tx: Transaction) -> None:
        tx.free_lanes(tokens, recovered=sorted(recovered))

    def call(tx: Transaction) -> tuple[list[Notification], datetime]:
        if recovered:
            tx.ring_soon(sorted(recovered))
        limits = {i: MESSAGE_SIZE if i in recovered else 1 for i in sorted(took)}
        return tx.waiting_behind(limits), tx.now

    if took:
        # Two transactions: nobody may hold an integration while it waits for notifications.
        ctx.store.transact(free)
        rows, now = ctx.store.transact(call)
        ctx.publisher.publish(messages(rows, now))


def take(
    tx: Transaction,
    ids: Sequence[int],
    settings: ServiceSettings,
    clock: Clock,
    links: Mapping[int, int],
) -> tuple[Claim, list[Message]]:
    """The claim's transaction: see ``claim``."""
    began = clock()
    now = tx.now
    found = triage(tx.candidates(ids), now, links)
    early, alone = found.early, found.alone
    carries_on = bool(early or alone) and tx.is_clock_followed()
    if carries_on:
        early, alone = (tuple(map(carried_on, part)) for part in (early, alone))
    changed = [ended(n, State.CANCELLED, now) for n in found.cancel]
    changed += [ended(n, State.FAILED, now, WORKER_LOST) for n in found.lost]
    cargo = tx.cargo([c.notification.id for c in found.ready]) if found.ready else {}
    ready, locked_up = _with_keys(found.ready, cargo)
    changed += [parked(n, now) for n in locked_up]
    ready, behind = _in_lanes(tx, ready, settings)
    changed += [parked(n, now) for n in behind]
    granted, waiting = _with_turns(tx, ready, settings)
    changed += waiting
    sendings = _sendings(granted, cargo, now, settings)
    # What SWEEP is about to move along is told by the transaction that wrote it: it is left as it is.
    carried = [*early, *alone] if carries_on else []
    tx.save([*changed, *carried, *(s.notification for s in sendings)])
    _log_ends(changed)
    claim = Claim(
        now=now,
        began=began,
        sendings=tuple(sendings),
        asked=len(ids),
        waiting=len(found.early) + len(waiting) + len(behind) + len(found.alone),
        cancelled=len(found.cancel),
        lost=len(found.lost),
    )
    again = messages([*early, *waiting], now)
    return claim, again + messages(alone, now, size=1)


def claim_new(tx: Transaction, made: Sequence[Made], settings: ServiceSettings) -> list[Sending]:
    """Claims what it can of what this transaction is about to store; ``made`` comes most severe first.

    The rest is to be rung for, as routing must not wait, nor take long: that of slow integrations, of those
    switched off meanwhile or whose key cannot be read, what has no turn now, and what another
    transaction is pacing.
    """
    candidates = tx.candidates_of(made)
    cargo = tx.cargo([c.notification.id for c in candidates])
    ready = [
        c
        for c in candidates
        if not c.slow and not is_cancelled(c) and cargo[c.notification.id].key is not None
    ]
    return _sendings(_with_free_turns(tx, ready, settings), cargo, tx.now, settings)


def _sendings(
    granted: Sequence[tuple[Candidate, float | None]],
    cargo: Mapping[int, Cargo],
    now: datetime,
    settings: ServiceSettings,
) -> list[Sending]:
    """Those that have a turn, claimed."""
    return [
        Sending(
            claimed(c.notification, now, settings.lease),
            load,
            load.key,
            c.fingerprint,
            None if c.notification.last else c.generation,
            c.slow,
            turn,
        )
        for c, turn in granted
        if (load := cargo[c.notification.id]).key is not None and c.fingerprint is not None
    ]


def _in_lanes(
    tx: Transaction, ready: Sequence[Candidate], settings: ServiceSettings
) -> tuple[list[Candidate], list[Notification]]:
    """Of each slow integration the first one, if its lane is free; the others wait behind it."""
    by_integration: dict[int, list[Candidate]] = defaultdict(list)
    for c in ready:
        if c.slow:
            by_integration[c.notification.integration_id].append(c)
    if not by_integration:
        return list(ready), []
    tokens = {i: _token_to_come(waiting[0]) for i, waiting in by_integration.items()}
    taken = tx.take_lanes(tokens, settings.lease)
    first = {by_integration[i][0].notification.id for i in taken}
    return (
        [c for c in ready if not c.slow or c.notification.id in first],
        [c.notification for c in ready if c.slow and c.notification.id not in first],
    )


def _token_to_come(candidate: Candidate) -> str:
    """The lane token of a notification that is about to be claimed."""
    n = candidate.notification
    return replace(n, claim=n.claim + 1).lane_token


def _with_keys(
    ready: Sequence[Candidate], cargo: Mapping[int, Cargo]
) -> tuple[list[Candidate], list[Notification]]:
    """Parts those whose key none of our Fernet keys opens: our trouble, so they wait."""
    open_, locked_up = [], []
    for c in ready:
        load = cargo.get(c.notification.id)
        if load is None or load.key is None:
            locked_up.append(c.notification)
        else:
            open_.append(c)
    if locked_up:
        log.error(
            "delivery.key_unreadable",
            extra={
                "integrations": sorted({n.integration_id for n in locked_up}),
                "hint": "WALLARM_NOTIFY_SECRET_KEYS lacks the key these were encrypted with",
            },
        )
    return open_, locked_up


def _with_turns(
    tx: Transaction, ready: Sequence[Candidate], settings: ServiceSettings
) -> tuple[list[tuple[Candidate, float | None]], list[Notification]]:
    """Those whose turn is now, with it, and the others, due at the turn they were promised (spec 5)."""
    if settings.pace_per_minute == 0 or not ready:
        return [(c, None) for c in ready], []
    by_key = _by_key(ready)
    granted: list[tuple[Candidate, float | None]] = []
    waiting: list[Notification] = []
    kept: dict[bytes, Turns] = {}
    lanes_unused: dict[int, str] = {}
    for key, turns in tx.turns(by_key).items():
        answers, kept[key] = take_turns(
            turns,
            [
                Asking(c.notification.severity, c.notification.due_at.timestamp())
                for c in by_key[key]
            ],
            limit=settings.pace_per_minute,
            now=tx.now.timestamp(),
        )
        for c, turn in zip(by_key[key], answers, strict=True):
            if turn is None:
                granted.append((c, kept[key].sent[-1][0]))
                continue
            due = datetime.fromtimestamp(turn, UTC)
            waiting.append(waiting_for_turn(c.notification, due, settings.ring))
            if c.slow:
                lanes_unused[c.notification.integration_id] = _token_to_come(c)
    tx.save_turns(kept)
    if lanes_unused:
        tx.free_lanes(lanes_unused)
    return granted, waiting


def _with_free_turns(
    tx: Transaction, ready: Sequence[Candidate], settings: ServiceSettings
) -> list[tuple[Candidate, float | None]]:
    """Those for which there is a turn now that nobody waits for, with it."""
    if settings.pace_per_minute == 0 or not ready:
        return [(c, None) for c in ready]
    by_key = _by_key(ready)
    granted: list[tuple[Candidate, float | None]] = []
    kept: dict[bytes, Turns] = {}
    now = tx.now.timestamp()
    for key, turns in tx.turns_at_hand(by_key).items():
        asking = by_key[key]
        number, after = take_free_turns(turns, len(asking), limit=settings.pace_per_minute, now=now)
        if number:
            kept[key] = after
            granted += [(c, after.sent[-1][0]) for c in asking[:number]]
    tx.save_turns(kept)
    return granted


def _by_key(ready: Sequence[Candidate]) -> dict[bytes, list[Candidate]]:
    by_key: dict[bytes, list[Candidate]] = defaultdict(list)
    for c in ready:
        if c.fingerprint is not None:
            by_key[c.fingerprint].append(c)
    return by_key


def _give_grants_back(
    tx: Transaction, sendings: Sequence[Sending], settings: ServiceSettings
) -> None:
    unused = Counter((s.fingerprint, s.turn) for s in sendings if s.turn is not None)
    if settings.pace_per_minute == 0 or not unused:
        return
    turns = tx.turns({key for key, _ in unused})
    for (key, turn), number in unused.items():
        turns[key] = give_back(turns[key], number, granted=turn)
    tx.save_turns(turns)


def write_down(tx: Transaction, attempts: Sequence[Attempt], settings: ServiceSettings) -> Recorded:
    """The record's transaction: see ``record``."""
    rows = {n.id: n for n in tx.lock(sorted({a.notification_id for a in attempts}))}
    attempts = [_by_this_clock(a, tx.now) for a in attempts]
    stored = tx.insert_attempts(attempts)
    new = []
    changed = dict(rows)
    for a in sorted(attempts, key=lambda a: a.claim):
        n = changed.get(a.notification_id)
        if n is None or (a.notification_id, a.claim) not in stored:
            continue
        stored.discard((a.notification_id, a.claim))
        new.append(a)
        outcome = outcome_of(
            a.answer, number=a.number, last=n.last, scale=settings.retry_time_scale
        )
        changed[n.id] = recorded(
            n,
            outcome,
            current=n.claim == a.claim,
            answered_at=a.answered_at,
            now=tx.now,
            ring=settings.ring,
        )
    different = tuple(n for i, n in changed.items() if n is not rows[i])
    tx.save(different)
    tx.count_attempts(by_minute(new))
    return Recorded(tx.now, different)


def _by_this_clock(attempt: Attempt, now: datetime) -> Attempt:
    """``attempt``, also where the database's clock was set back since its claim: answered now at the latest.

    Else the next wait would count from a time to come.
    """
    ahead = attempt.answered_at - now
    return attempt if ahead < BACK_FROM else replace(attempt, at=attempt.at - ahead)


def _log_attempts(attempts: Sequence[Attempt]) -> None:
    reasons = Counter(a.answer.reason or "delivered" for a in attempts)
    integrations = {a.integration_id for a in attempts}
    log.info(
        "delivery.recorded",
        extra={"integrations": sorted(integrations), **{str(r): n for r, n in reasons.items()}},
    )


def _log_ends(notifications: Iterable[Notification]) -> None:
    for n in notifications:
        if n.state is State.FAILED:
            log.error(
                "notification.failed",
                extra={
                    "notification": n.id,
                    "integration": n.integration_id,
                    "attempts": n.attempts_made,
                    "reason": n.end_reason or "every attempt of the schedule failed",
                },
            )

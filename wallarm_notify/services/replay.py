"""Replay: notifications that failed, were skipped or cancelled are sent again, by choice (spec 5).

They keep their dedup keys and their old attempts; a further run begins.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from wallarm_notify.domain.activity import Action, Change, ObjectType
from wallarm_notify.domain.batches import messages
from wallarm_notify.domain.errors import Hint, NotFound, Refused, Todo
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.notification import REPLAYABLE, Notification, replayed
from wallarm_notify.services.activity import log_changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.views import ReplayTarget, Wanted
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

SLICE: Final = 500

MOST_NAMED: Final = 100
"""At most so many notifications of an integration are named in a line of the activity log."""


def replay_notifications(ctx: Context, actor: Actor, scope: Scope, ids: Sequence[int]) -> int:
    """Replay the notifications ``ids``, all or none; return how many. Raise NotFound, Refused, Unavailable."""

    def work(tx: Transaction) -> tuple[list[Notification], datetime]:
        rows = tx.lock_for_replay(scope, sorted(set(ids)))
        missing = sorted(set(ids) - {n.id for n in rows})
        if missing:
            raise NotFound(f"There is no notification {', '.join(map(str, missing))}.")
        targets = tx.replay_targets(scope, [n.integration_id for n in rows])
        for n in rows:
            _refuse_unfit(n, targets)
        log_changes(tx, actor, *_changes_by_id(rows, targets))
        return _replay(ctx, tx, rows, targets), tx.now

    return _publish_for(ctx, *ctx.store.transact(work))


def count_replayable(ctx: Context, scope: Scope, wanted: Wanted) -> int:
    """Return how many notifications ``wanted`` means. Raise NotFound, Refused, Unavailable."""

    def work(tx: Transaction) -> int:
        target_of(wanted, tx.replay_targets(scope, [wanted.integration_id]))
        return tx.count_replayable(scope, wanted)

    return ctx.store.transact(work)


def replay_slice(
    ctx: Context, actor: Actor, scope: Scope, wanted: Wanted, after: int
) -> tuple[int, int | None]:
    """Replay the next slice above id ``after``; return how many, and the id to go on after.

    None in its place: it is done. Raise NotFound, Refused, Unavailable; earlier slices stay replayed.
    """

    def work(tx: Transaction) -> tuple[list[Notification], datetime, list[int]]:
        rows, ids = replay_in(ctx, tx, actor, wanted, scope=scope, after=after)
        return rows, tx.now, ids

    rows, now, ids = ctx.store.transact(work)
    return _publish_for(ctx, rows, now), ids[-1] if len(ids) == SLICE else None


def replay_in(
    ctx: Context,
    tx: Transaction,
    actor: Actor,
    wanted: Wanted,
    *,
    scope: Scope,
    after: int,
    last: int | None = None,
) -> tuple[list[Notification], list[int]]:
    """Replay the next slice above id ``after``, up to ``last``, in a transaction.

    Return what was replayed, and the ids that were looked at: fewer than a slice where these were the last. Raise
    NotFound, Refused.
    """
    found = tx.replayable(scope, wanted, after, SLICE)
    ids = found if last is None else [one for one in found if one <= last]
    targets = tx.replay_targets(scope, [wanted.integration_id])
    target = target_of(wanted, targets)
    rows = [n for n in tx.lock_for_replay(scope, ids) if n.state in wanted.states]
    if rows:
        log_changes(tx, actor, _change_of(target, _filter_document(wanted, len(rows))))
    return _replay(ctx, tx, rows, targets), ids


def _replay(
    ctx: Context,
    tx: Transaction,
    rows: Sequence[Notification],
    targets: Mapping[int, ReplayTarget],
) -> list[Notification]:
    grace = ctx.settings.grace
    again = [replayed(n, targets[n.integration_id].disablings, tx.now, grace) for n in rows]
    tx.save(again)
    return again


def _publish_for(ctx: Context, rows: Sequence[Notification], now: datetime) -> int:
    ctx.publisher.publish(messages(rows, now))
    return len(rows)


# Lines of the activity log.


def _changes_by_id(
    rows: Sequence[Notification], targets: Mapping[int, ReplayTarget]
) -> list[Change]:
    """Return a line for each integration, with the notifications by id."""
    by_integration = groupby(
        sorted((n.integration_id, n.id) for n in rows), key=lambda pair: pair[0]
    )
    changes = []
    for integration_id, pairs in by_integration:
        ids = [notification_id for _, notification_id in pairs]
        named = {"notifications": len(ids), "ids": ids[:MOST_NAMED]}
        changes.append(_change_of(targets[integration_id], named))
    return changes


def _filter_document(wanted: Wanted, number: int) -> dict[str, Any]:
    """Return the filter that was asked for, and how many notifications it replayed."""
    asked = {
        "state": ", ".join(wanted.states),
        "severity": None
        if set(wanted.severities) == set(Severity)
        else ", ".join(severity.word for severity in wanted.severities),
        "since": wanted.since and wanted.since.isoformat(),
        "ended_since": wanted.ended_since and wanted.ended_since.isoformat(),
        "type": wanted.event_type,
    }
    return {
        "notifications": number,
        **{name: value for name, value in asked.items() if value is not None},
    }


def _change_of(target: ReplayTarget, after: Mapping[str, Any]) -> Change:
    return Change(
        *(Action.REPLAYED, ObjectType.INTEGRATION, target.client_id, target.id), after=after
    )


# What is refused.


def _refuse_unfit(n: Notification, targets: Mapping[int, ReplayTarget]) -> None:
    if n.state not in REPLAYABLE:
        raise Refused(
            f"Notification {n.id} is {n.state}; only {', '.join(REPLAYABLE)} ones can be replayed."
        )
    if n.integration_id not in targets:
        raise Refused(
            f"Integration {n.integration_id} does not exist any more; nothing can be replayed to it."
        )
    _refuse_disabled(targets[n.integration_id])


def target_of(wanted: Wanted, targets: Mapping[int, ReplayTarget]) -> ReplayTarget:
    """Return the integration that ``wanted`` is of. Raise NotFound; Refused where it is disabled."""
    if wanted.integration_id not in targets:
        raise NotFound(
            f"Integration {wanted.integration_id} does not exist any more; nothing can be replayed to it."
        )
    target = targets[wanted.integration_id]
    _refuse_disabled(target)
    return target


def _refuse_disabled(target: ReplayTarget) -> None:
    if not target.enabled:
        raise Refused(
            f"Integration {target.id} is disabled.",
            hint=Hint(Todo.ENABLE_INTEGRATION, target.id),
        )

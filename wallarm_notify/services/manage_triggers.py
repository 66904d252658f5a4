"""Manage triggers: create, change, enable, disable, duplicate and delete them (spec 3).

Each change is one small transaction, with the event of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from wallarm_notify.domain.activity import Action, Change, ObjectType, action_of, difference
from wallarm_notify.domain.actor import PAUSE_END
from wallarm_notify.domain.batches import messages
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.meanwhile import check_unchanged
from wallarm_notify.domain.pause import DisabledUntil, check_end, is_over
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.text import LONGEST_NAME, check_lines, read_name
from wallarm_notify.domain.triggers.trigger import (
    AppliedTrigger,
    Trigger,
    TriggerChange,
    TriggerDraft,
    changed_trigger,
    default_name,
)
from wallarm_notify.schemas.documents.triggers import trigger_settings
from wallarm_notify.services.activity import log_changes
from wallarm_notify.services.announce import announce, own_event
from wallarm_notify.services.trigger_listings import there_is

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.event import Event
    from wallarm_notify.domain.notification import Notification
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

MOST_INTEGRATIONS: Final = 100

MOST_TRIGGERS: Final = 200
"""How many a client may have: each looks at each event of its type, in one transaction."""


def create_trigger(ctx: Context, actor: Actor, scope: Scope, draft: TriggerDraft) -> Trigger:
    """Store a new trigger and return it. Raise NotFound, Refused, Unavailable."""
    scope.check(draft.client_id)
    check_lines("comment", draft.comment)
    given = None if draft.name is None else read_name(draft.name)

    def work(tx: Transaction) -> _Done:
        _check_integrations(tx, scope, draft.client_id, draft.integration_ids)
        _check_number(tx, draft.client_id)
        name = given or default_name(actor.name, tx.now)[:LONGEST_NAME]
        return _created(ctx, tx, actor, tx.insert_trigger(draft, name, by=actor.name))

    return _finished(ctx, work).trigger


def apply_trigger(
    ctx: Context, actor: Actor, scope: Scope, trigger_id: int, change: TriggerChange
) -> AppliedTrigger:
    """Change all that ``change`` names at once; do nothing where nothing differs.

    Where criteria change, or it is enabled, it starts counting afresh. Raise NotFound, Refused,
    ChangedMeanwhile, Unavailable.
    """
    check_lines("comment", change.comment or "")
    if change.name is not None:
        change = replace(change, name=read_name(change.name))

    def work(tx: Transaction) -> _Done:
        if change.integration_ids is not None:
            # Before the trigger: a deletion locks an integration before its triggers.
            standing = there_is(trigger_id, tx.standing_trigger(scope, trigger_id))
            _check_integrations(tx, scope, standing.client_id, change.integration_ids)
        if change.until is not None:
            check_end(change.until.at, tx.now)
        before = there_is(trigger_id, tx.lock_trigger(scope, trigger_id))
        after = changed_trigger(before, change)
        if after != before:  # who sends the same form twice overwrites nothing
            check_unchanged(change.marks, trigger_settings(before))
        return _changed(ctx, tx, actor, before, after)

    done = _finished(ctx, work)
    return AppliedTrigger(done.trigger, done.changed)


def enable_trigger(ctx: Context, actor: Actor, scope: Scope, trigger_id: int) -> Trigger:
    """Enable a trigger, which counts afresh, and return it.

    Raise NotFound, Unavailable, and Refused where it is enabled already.
    """
    return _switch(ctx, actor, scope, trigger_id, TriggerChange(enabled=True))


def disable_trigger(
    ctx: Context, actor: Actor, scope: Scope, trigger_id: int, *, until: datetime | None = None
) -> Trigger:
    """Disable a trigger and return it; what it fired already is sent.

    Beat enables it at ``until``; None: somebody has to. Of one that is disabled already only that changes.
    Raise NotFound, Unavailable, and Refused where it is so already or ``until`` is no time to come.
    """
    change = TriggerChange(enabled=False, until=DisabledUntil(until))
    return _switch(ctx, actor, scope, trigger_id, change)


def end_pause_of_trigger(ctx: Context, trigger_id: int) -> bool:
    """Enable a trigger whose pause is over, which counts afresh; return whether it was so. Raise Unavailable."""

    def work(tx: Transaction) -> _Done | None:
        before = tx.lock_trigger(EVERY_CLIENT, trigger_id)
        if before is None or not is_over(
            enabled=before.enabled, until=before.disabled_until, now=tx.now
        ):
            return None
        after = changed_trigger(before, TriggerChange(enabled=True))
        return _changed(ctx, tx, PAUSE_END, before, after)

    done = ctx.store.transact(work)
    if done is not None:
        ctx.publisher.publish(messages(done.notifications, done.now))
    return done is not None


def duplicate_trigger(
    ctx: Context, actor: Actor, scope: Scope, trigger_id: int, *, name: str | None = None
) -> Trigger:
    """Store a copy of a trigger, which counts for itself, and return it. Raise NotFound, Refused, Unavailable."""
    if name is not None:
        name = read_name(name)

    def work(tx: Transaction) -> _Done:
        original = there_is(trigger_id, tx.standing_trigger(scope, trigger_id))
        _check_number(tx, original.client_id)
        draft = TriggerDraft(
            client_id=original.client_id,
            criteria=original.criteria,
            integration_ids=tuple(sorted(tx.hold_integrations(scope, original.integration_ids))),
            comment=original.comment,
            enabled=original.enabled,
            chosen_severity=original.chosen_severity,
            group=original.group,
        )
        called = name or f"Copy of {original.name}"[:LONGEST_NAME]
        return _created(ctx, tx, actor, tx.insert_trigger(draft, called, by=actor.name))

    return _finished(ctx, work).trigger


def delete_trigger(ctx: Context, actor: Actor, scope: Scope, trigger_id: int) -> Trigger:
    """Delete a trigger for ever; return it as it was. Raise NotFound, Unavailable.

    What it fired already is sent.
    """

    def work(tx: Transaction) -> _Done:
        trigger = there_is(trigger_id, tx.lock_trigger(scope, trigger_id))
        tx.erase_trigger(trigger_id)
        change = _change_of(Action.DELETED, trigger, before=trigger_settings(trigger))
        event = _event(trigger, "trigger.deleted", {}, actor, tx.now)
        return _Done(trigger, _announced(ctx, tx, actor, change, event), tx.now)

    return _finished(ctx, work).trigger


def ensure_trigger_deleted(ctx: Context, actor: Actor, scope: Scope, trigger_id: int) -> None:
    """Delete a trigger for ever; one that was deleted already stays so. Raise NotFound, Unavailable.

    Whoever did not get the answer asks again. After an hour and more nobody knows it any more.
    """
    try:
        delete_trigger(ctx, actor, scope, trigger_id)
    except NotFound:
        if not ctx.store.transact(lambda tx: tx.was_trigger(scope, trigger_id)):
            raise


def loss_of(trigger: Trigger, integration_id: int) -> Change:
    """Return the activity log's line that ``trigger`` has lost a deleted integration."""
    before, after = _ids_at_loss(trigger, integration_id)
    return _change_of(
        Action.UPDATED,
        trigger,
        before={"integration_ids": before},
        after={"integration_ids": after},
    )


def event_of_loss(trigger: Trigger, integration_id: int, actor: Actor, at: datetime) -> Event:
    """Return the event that ``trigger`` has lost a deleted integration."""
    before, after = _ids_at_loss(trigger, integration_id)
    changes = {"integration_ids": {"before": before, "after": after}}
    return _event(trigger, "trigger.updated", {"changes": changes}, actor, at)


def _ids_at_loss(trigger: Trigger, integration_id: int) -> tuple[list[int], list[int]]:
    kept = list(trigger.integration_ids)
    return sorted([*kept, integration_id]), kept


def _announced_differences(before: Trigger, after: Trigger) -> dict[str, Any]:
    """Return what differs, by field, as JSON; of a comment only that it differs, as it is for colleagues."""
    old, new = difference(trigger_settings(before), trigger_settings(after))
    differences = {
        name: {"before": old[name], "after": value}
        for name, value in new.items()
        if name != "comment"
    }
    return {**differences, "comment": {}} if "comment" in new else differences


def _switch(
    ctx: Context, actor: Actor, scope: Scope, trigger_id: int, change: TriggerChange
) -> Trigger:
    applied = apply_trigger(ctx, actor, scope, trigger_id, change)
    if not applied.changed:
        word = "enabled" if change.enabled else "disabled"
        raise Refused(f"Trigger {trigger_id} is {word} already.")
    return applied.trigger


# In a transaction, and after it.


@dataclass(frozen=True, slots=True)
class _Done:
    """What the transaction of a change came to."""

    trigger: Trigger
    notifications: list[Notification]
    now: datetime
    changed: bool = True


def _created(ctx: Context, tx: Transaction, actor: Actor, made: Trigger) -> _Done:
    change = _change_of(Action.CREATED, made, after=trigger_settings(made))
    event = _event(made, "trigger.created", {}, actor, tx.now)
    return _Done(made, _announced(ctx, tx, actor, change, event), tx.now)


def _changed(ctx: Context, tx: Transaction, actor: Actor, before: Trigger, after: Trigger) -> _Done:
    """Store and announce what differs; do nothing where nothing does."""
    if after == before:
        return _Done(before, [], tx.now, changed=False)
    tx.save_trigger(after)
    was, is_now = difference(trigger_settings(before), trigger_settings(after))
    switched = None if before.enabled is after.enabled else after.enabled
    change = _change_of(action_of(switched), after, before=was, after=is_now)
    changes = {"changes": _announced_differences(before, after)}
    event = _event(after, "trigger.updated", changes, actor, tx.now)
    return _Done(after, _announced(ctx, tx, actor, change, event), tx.now)


def _announced(
    ctx: Context, tx: Transaction, actor: Actor, change: Change, event: Event
) -> list[Notification]:
    """Log a change and announce it; return what is to be sent."""
    log_changes(tx, actor, change)
    return announce(tx, [event], ctx.settings.grace)


def _finished(ctx: Context, work: Callable[[Transaction], _Done]) -> _Done:
    """Run ``work`` in a transaction, and publish its notifications after the commit."""
    done = ctx.store.transact(work)
    ctx.publisher.publish(messages(done.notifications, done.now))
    return done


def _change_of(
    action: Action,
    trigger: Trigger,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Change:
    return Change(
        *(action, ObjectType.TRIGGER, trigger.client_id, trigger.id),
        before=before or {},
        after=after or {},
    )


def _event(
    trigger: Trigger, event_type: str, fields: Mapping[str, Any], actor: Actor, at: datetime
) -> Event:
    standing = {
        "trigger_id": trigger.id,
        "name": trigger.name,
        "template_id": str(trigger.criteria.condition),
        "actor": {"name": actor.name},
    }
    return own_event(trigger.client_id, event_type, at=at, fields={**standing, **fields})


def _check_number(tx: Transaction, client_id: int) -> None:
    if tx.count_triggers(client_id) >= MOST_TRIGGERS:
        raise Refused(
            f"Client {client_id} has {MOST_TRIGGERS} triggers, which is the most; delete one it does not need."
        )


def _check_integrations(tx: Transaction, scope: Scope, client_id: int, ids: Iterable[int]) -> None:
    wanted = sorted(set(ids))
    if not wanted:
        raise Refused("a trigger notifies one integration or more.", field="integration")
    if len(wanted) > MOST_INTEGRATIONS:
        raise Refused(f"a trigger notifies at most {MOST_INTEGRATIONS}.", field="integration")
    there = tx.hold_integrations(scope, wanted)
    for one in wanted:
        if one not in there:
            raise Refused(f"there is no integration {one}.", field="integration")
        if there[one] != client_id:
            raise Refused(
                f"{one} belongs to another client; a trigger notifies integrations of its own "
                f"client, here {client_id}.",
                field="integration",
            )

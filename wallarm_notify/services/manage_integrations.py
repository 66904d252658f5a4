"""Manage integrations: create, change, enable, disable and delete them (spec 1).

Each change is one small transaction (engine 12).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from wallarm_notify.domain.activity import Action, Change, ObjectType, action_of, difference
from wallarm_notify.domain.actor import PAUSE_END
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.integration import (
    Applied,
    IntegrationChange,
    SwitchedOff,
    check_kept,
    default_name,
    news_of,
)
from wallarm_notify.domain.meanwhile import check_unchanged
from wallarm_notify.domain.original import region_of
from wallarm_notify.domain.pause import DisabledUntil, check_end, is_over, reason_with_end
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.text import check_text, read_name
from wallarm_notify.schemas.documents.integrations import integration_settings
from wallarm_notify.services.activity import log_changes
from wallarm_notify.services.announce import announce
from wallarm_notify.services.manage_triggers import event_of_loss, loss_of
from wallarm_notify.services.switch_off import announce_switch_off, finish_switch_off

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.integration import (
        Draft,
        Integration,
        IntegrationKey,
        Stored,
    )
    from wallarm_notify.domain.notification import Notification
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.triggers.trigger import Trigger
    from wallarm_notify.domain.unsent import Unsent
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

DUE_SLICE: Final = 500


def create_integration(
    ctx: Context, actor: Actor, scope: Scope, draft: Draft, key: IntegrationKey
) -> Integration:
    """Store a new integration and return it; its ``warnings`` say what may surprise.

    Raise NotFound, Refused, Unavailable.
    """
    scope.check(draft.client_id)
    given = None if draft.name is None else read_name(draft.name)

    def work(tx: Transaction) -> Integration:
        named = replace(
            draft,
            name=given or default_name(actor.name, tx.now),
            summary=draft.summary or ctx.settings.summary,
            region=draft.region or region_of(tx.client(draft.client_id)[1] or ctx.settings.cloud),
        )
        made = _shown(tx, tx.insert_integration(named, key, by=actor.name))
        twins = tx.same_key(scope, key, made.id)
        log_changes(tx, actor, _change_of(Action.CREATED, made, after=integration_settings(made)))
        return _warned(made, twins)

    return ctx.store.transact(work)


def apply_integration(
    ctx: Context, actor: Actor, scope: Scope, integration_id: int, change: IntegrationChange
) -> Applied:
    """Change all that ``change`` names at once; do nothing where nothing differs.

    What waits is sent by the new key or region. Where it is enabled, a clean failure window begins; where it
    is disabled, the client's subscribers are notified, itself last. Raise NotFound, Refused, ChangedMeanwhile,
    Unavailable.
    """
    if change.name is not None:
        change = replace(change, name=read_name(change.name))
    check_text("reason", change.reason)

    def work(tx: Transaction) -> _Done:
        stored = _locked(tx, scope, integration_id)
        if change.until is not None:
            check_end(change.until.at, tx.now)
        done = _apply(ctx, tx, actor, stored, change)
        twins = [] if change.key is None else tx.same_key(scope, change.key, stored.id)
        shown = _warned(done.applied.integration, twins)
        return replace(done, applied=replace(done.applied, integration=shown))

    done = ctx.store.transact(work)
    applied = done.applied
    if applied.news.enabled is False:
        off = finish_switch_off(ctx, integration_id, done.notifications, done.now)
        applied = replace(applied, off=off)
    if applied.news.is_another_way:
        while ctx.store.transact(lambda tx: tx.due_now(integration_id, DUE_SLICE)):
            pass
    return applied


def enable_integration(
    ctx: Context, actor: Actor, scope: Scope, integration_id: int
) -> tuple[Integration, Unsent]:
    """Enable an integration, with a clean failure window; return it, and what was not delivered meanwhile.

    Raise NotFound, Unavailable, and Refused where it is enabled already.
    """
    change = IntegrationChange(enabled=True)
    applied = apply_integration(ctx, actor, scope, integration_id, change)
    if applied.unsent is None:
        raise Refused(f"Integration {integration_id} is enabled already.")
    return applied.integration, applied.unsent


def disable_integration(
    ctx: Context,
    actor: Actor,
    scope: Scope,
    integration_id: int,
    *,
    reason: str,
    until: datetime | None = None,
) -> tuple[Integration, SwitchedOff]:
    """Disable an integration and notify the client's subscribers, itself last; return it, and what followed.

    Beat enables it at ``until``; None: somebody has to. Of one that is disabled already only that changes.
    Raise NotFound, Unavailable, and Refused where it is so already or ``until`` is no time to come.
    """
    change = IntegrationChange(enabled=False, reason=reason, until=DisabledUntil(until))
    applied = apply_integration(ctx, actor, scope, integration_id, change)
    if applied.news.is_nothing:
        raise Refused(f"Integration {integration_id} is disabled already.")
    return applied.integration, applied.off or SwitchedOff(0, 0, closing=False)


def end_pause_of_integration(ctx: Context, integration_id: int) -> bool:
    """Enable an integration whose pause is over, with a clean failure window; return whether it was so.

    What was not delivered meanwhile is not counted: nobody asks, and there may be much. Raise Unavailable.
    """

    def work(tx: Transaction) -> bool:
        stored = tx.lock_integration(EVERY_CLIENT, integration_id)
        if stored is None or not is_over(
            enabled=stored.enabled, until=stored.disabled_until, now=tx.now
        ):
            return False
        before = _shown(tx, integration_id)
        tx.switch_on(integration_id)
        news = IntegrationChange(enabled=True)
        log_changes(tx, PAUSE_END, _change_by(news, before, _shown(tx, integration_id)))
        return True

    return ctx.store.transact(work)


def delete_integration(
    ctx: Context, actor: Actor, scope: Scope, integration_id: int, *, reason: str
) -> SwitchedOff:
    """Delete an integration for ever; return what followed. Raise NotFound, Refused, Unavailable.

    Subscribers are notified as of a disabling, and triggers lose it.
    """
    check_text("reason", reason)

    def work(tx: Transaction) -> _Deleted:
        return _delete(ctx, tx, actor, _locked(tx, scope, integration_id), reason)

    d = ctx.store.transact(work)
    done = finish_switch_off(ctx, integration_id, d.notifications, d.now, d.further)
    return replace(done, triggers={t.id: bool(t.integration_ids) for t in d.losing})


def ensure_integration_deleted(
    ctx: Context, actor: Actor, scope: Scope, integration_id: int, *, reason: str
) -> None:
    """Delete an integration for ever; one that was deleted already stays so. Raise NotFound, Refused, Unavailable.

    Whoever did not get the answer asks again.
    """
    try:
        delete_integration(ctx, actor, scope, integration_id, reason=reason)
    except NotFound:
        if not ctx.store.transact(lambda tx: tx.was_integration(scope, integration_id)):
            raise


# In a transaction.


@dataclass(frozen=True, slots=True)
class _Done:
    """What the transaction of a change came to."""

    applied: Applied
    notifications: list[Notification]
    now: datetime


@dataclass(frozen=True, slots=True)
class _Deleted:
    """What the transaction of a deletion came to."""

    notifications: list[Notification]
    further: list[Notification]
    losing: list[Trigger]
    now: datetime


def _apply(
    ctx: Context,
    tx: Transaction,
    actor: Actor,
    stored: Stored,
    change: IntegrationChange,
) -> _Done:
    fingerprint = None if change.key is None else tx.fingerprint(change.key)
    news = news_of(stored, change, fingerprint)
    before = _shown(tx, stored.id)
    check_kept(change.kept_key, before)
    if news.is_nothing:
        return _Done(Applied(before, news), [], tx.now)
    check_unchanged(change.marks, integration_settings(before))
    unsent = _write(tx, actor, stored.id, news)
    after = _shown(tx, stored.id)
    log_changes(tx, actor, _change_by(news, before, after))
    notifications = []
    if news.enabled is False:
        itself = replace(stored, name=after.name, subscriptions=frozenset(after.subscriptions))
        notifications = announce_switch_off(
            *(ctx, tx, itself, "integration.disabled"),
            reason=reason_with_end(news.reason, after.disabled_until),
            actor={"name": actor.name},
        )
    return _Done(Applied(after, news, unsent=unsent), notifications, tx.now)


def _write(
    tx: Transaction, actor: Actor, integration_id: int, news: IntegrationChange
) -> Unsent | None:
    """Store what differs; return what was not delivered before it was enabled, where it is enabled now."""
    if news.sets:
        tx.update_integration(integration_id, news)
    until = None if news.until is None else news.until.at
    if news.enabled is None:
        if news.until is not None:
            tx.set_disabled_until(integration_id, until)
        return None
    if not news.enabled:
        tx.switch_off(integration_id, by=actor.name, reason=news.reason, until=until)
        return None
    since = tx.broke_at(integration_id)
    tx.switch_on(integration_id)
    return tx.ended_undelivered(integration_id, since)


def _delete(ctx: Context, tx: Transaction, actor: Actor, stored: Stored, reason: str) -> _Deleted:
    before = _shown(tx, stored.id)
    if stored.enabled:
        tx.switch_off(stored.id, by=actor.name, reason=reason)
    losing = tx.take_off_triggers(stored.client_id, stored.id)
    tx.erase_integration(stored.id)
    log_changes(
        tx,
        actor,
        _change_of(Action.DELETED, before, before=integration_settings(before)),
        *(loss_of(t, stored.id) for t in losing),
    )
    notifications = announce_switch_off(
        *(ctx, tx, stored, "integration.deleted"), reason=reason, actor={"name": actor.name}
    )
    lost = [event_of_loss(t, stored.id, actor, tx.now) for t in losing]
    further = announce(tx, lost, ctx.settings.grace, excluding=stored.id) if lost else []
    has_closing = any(n.integration_id == stored.id for n in notifications)
    if not has_closing and not tx.has_open_closing(stored.id):
        tx.wipe_key(stored.id)
    return _Deleted(notifications, further, losing, tx.now)


def _locked(tx: Transaction, scope: Scope, integration_id: int) -> Stored:
    stored = tx.lock_integration(scope, integration_id)
    if stored is None:
        raise NotFound(f"There is no integration {integration_id}.")
    return stored


def _shown(tx: Transaction, integration_id: int) -> Integration:
    integration = tx.integration(EVERY_CLIENT, integration_id)
    if integration is None:
        raise NotFound(f"There is no integration {integration_id}.")
    return integration


def _change_by(news: IntegrationChange, before: Integration, after: Integration) -> Change:
    """Return the activity log's line of a change.

    A new key is in it even where its last four characters are the old one's.
    """
    was, is_now = difference(integration_settings(before), integration_settings(after))
    if news.key is not None:
        was["key"], is_now["key"] = before.key, after.key
    return _change_of(action_of(news.enabled), after, before=was, after=is_now)


def _change_of(
    action: Action,
    integration: Integration,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Change:
    return Change(
        *(action, ObjectType.INTEGRATION, integration.client_id, integration.id),
        before=before or {},
        after=after or {},
    )


def _warned(integration: Integration, twins: Sequence[int]) -> Integration:
    """Return it with warnings of what may surprise; ``twins`` are other integrations with its key."""
    warnings = []
    if twins:
        named = ", ".join(map(str, twins))
        warnings.append(
            f"integration {named} has the same key: events that both subscribe to page twice, and the two "
            "share one rate limit."
        )
    if not integration.subscriptions:
        warnings.append("it subscribes to nothing, so only triggers can use it.")
    return replace(integration, warnings=tuple(warnings))

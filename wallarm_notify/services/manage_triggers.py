"""Managing triggers: create, update, enable, disable, duplicate, delete (spec 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wallarm_notify.domain.batches import messages
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.text import LONGEST_NAME, check_name, check_text
from wallarm_notify.domain.triggers.trigger import (
    Trigger,
    TriggerChange,
    TriggerDraft,
    check_criteria,
    default_name,
)
from wallarm_notify.schemas.documents.triggers import trigger_settings
from wallarm_notify.services.announce import announce, own_event
from wallarm_notify.services.trigger_listings import there_is

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from wallarm_notify.domain.event import Event
    from wallarm_notify.domain.notification import Notification
    from wallarm_notify.services.ports import Publisher
    from wallarm_notify.store import Store, Transaction

MOST_INTEGRATIONS = 100

MOST_TRIGGERS = 200
"""Triggers of one client: each looks at each event of its kind, in one transaction."""


class TriggerManagement:
    """Administrators' changes of triggers; each is one small transaction, the event of it included."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        *,
        grace: timedelta,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._grace = grace

    def create(self, draft: TriggerDraft) -> Trigger:
        """Stores a new trigger. Raises Refused, Unavailable."""
        check_text("user", draft.user)
        check_text("comment", draft.comment)
        if draft.name is not None:
            check_name(draft.name)

        def work(tx: Transaction) -> tuple[Trigger, Sequence[Event]]:
            _check_integrations(tx, draft.client_id, draft.integration_ids)
            _check_number(tx, draft.client_id)
            name = draft.name or default_name(draft.user, tx.now)[:LONGEST_NAME]
            made = tx.insert_trigger(draft, name)
            return made, [self._event(made, "trigger.created", draft.user, tx.now)]

        return self._do(work)

    def update(self, trigger_id: int, change: TriggerChange, *, user: str) -> Trigger:
        """Changes a trigger; other criteria start counting afresh. Raises Refused, Unavailable."""
        check_text("user", user)
        check_text("comment", change.comment or "")
        if change.name is not None:
            check_name(change.name)

        def work(tx: Transaction) -> tuple[Trigger, Sequence[Event]]:
            standing = there_is(trigger_id, tx.trigger(trigger_id))
            if change.integration_ids is not None:
                # Before the trigger: whoever deletes an integration holds it before its triggers.
                _check_integrations(tx, standing.client_id, change.integration_ids)
            before = there_is(trigger_id, tx.lock_trigger(trigger_id))
            return self._changed(tx, before, _with(before, change), user)

        return self._do(work)

    def enable(self, trigger_id: int, *, user: str) -> Trigger:
        """Lets it fire; it counts afresh. Raises Refused, Unavailable."""
        return self._switch(trigger_id, user, enabled=True)

    def disable(self, trigger_id: int, *, user: str) -> Trigger:
        """Lets it fire no more; what it fired already is sent. Raises Refused, Unavailable."""
        return self._switch(trigger_id, user, enabled=False)

    def duplicate(self, trigger_id: int, *, user: str, name: str | None = None) -> Trigger:
        """Stores a copy that counts for itself. Raises Refused, Unavailable."""
        check_text("user", user)
        if name is not None:
            check_name(name)

        def work(tx: Transaction) -> tuple[Trigger, Sequence[Event]]:
            original = there_is(trigger_id, tx.trigger(trigger_id))
            _check_number(tx, original.client_id)
            draft = TriggerDraft(
                client_id=original.client_id,
                criteria=original.criteria,
                integration_ids=tuple(sorted(tx.hold_integrations(original.integration_ids))),
                user=user,
                comment=original.comment,
                enabled=original.enabled,
            )
            made = tx.insert_trigger(draft, name or f"Copy of {original.name}"[:LONGEST_NAME])
            return made, [self._event(made, "trigger.created", user, tx.now)]

        return self._do(work)

    def delete(self, trigger_id: int, *, user: str) -> Trigger:
        """Deletes it, for ever; what it fired already is sent. Raises Refused, Unavailable."""
        check_text("user", user)

        def work(tx: Transaction) -> tuple[Trigger, Sequence[Event]]:
            trigger = there_is(trigger_id, tx.lock_trigger(trigger_id))
            tx.erase_trigger(trigger_id)
            return trigger, [self._event(trigger, "trigger.deleted", user, tx.now)]

        return self._do(work)

    def _switch(self, trigger_id: int, user: str, *, enabled: bool) -> Trigger:
        check_text("user", user)

        def work(tx: Transaction) -> tuple[Trigger, Sequence[Event]]:
            before = there_is(trigger_id, tx.lock_trigger(trigger_id))
            if before.enabled is enabled:
                word = "enabled" if enabled else "disabled"
                raise Refused(f"Trigger {trigger_id} is {word} already.")
            return self._changed(tx, before, replace(before, enabled=enabled), user)

        return self._do(work)

    def _changed(
        self, tx: Transaction, before: Trigger, after: Trigger, user: str
    ) -> tuple[Trigger, Sequence[Event]]:
        """Writes what differs and tells of it; nothing is done where nothing does."""
        changes = differences(before, after)
        if not changes:
            return before, []
        afresh = before.criteria != after.criteria or (after.enabled and not before.enabled)
        after = replace(after, version=before.version + afresh)
        tx.save_trigger(after)
        event = updated_event(after, changes, user=user, at=tx.now)
        return after, [event]

    def _event(self, trigger: Trigger, event_type: str, user: str, at: datetime) -> Event:
        return _event(trigger, event_type, {}, user=user, at=at)

    def _do(self, work: Callable[[Transaction], tuple[Trigger, Sequence[Event]]]) -> Trigger:
        """Runs ``work`` in a transaction that announces its events, and rings after it."""

        def announcing(tx: Transaction) -> tuple[Trigger, list[Notification], datetime]:
            trigger, events = work(tx)
            told = announce(tx, events, self._grace) if events else []
            return trigger, told, tx.now

        trigger, told, now = self._store.transact(announcing)
        self._publisher.publish(messages(told, now))
        return trigger


def updated_event(
    trigger: Trigger,
    changes: Mapping[str, Any],
    *,
    user: str,
    at: datetime,
) -> Event:
    """The event that ``trigger`` was changed: ``changes`` by field, each with before and after."""
    told = {"changes": dict(changes)}
    return _event(trigger, "trigger.updated", told, user=user, at=at)


def _event(
    trigger: Trigger,
    event_type: str,
    told: Mapping[str, Any],
    *,
    user: str,
    at: datetime,
) -> Event:
    standing = {
        "trigger_id": trigger.id,
        "name": trigger.name,
        "template_id": str(trigger.criteria.condition),
        "actor": {"name": user},
    }
    return own_event(trigger.client_id, event_type, at=at, told={**standing, **told})


def differences(before: Trigger, after: Trigger) -> dict[str, Any]:
    """What differs, by field, as JSON has it; a comment's text is for colleagues and not told."""
    old: dict[str, Any] = {**trigger_settings(before)}
    new: dict[str, Any] = {**trigger_settings(after)}
    if before.comment != after.comment:
        return {**differences(replace(before, comment=after.comment), after), "comment": {}}
    return {
        name: {"before": old[name], "after": value}
        for name, value in new.items()
        if old[name] != value
    }


def _with(trigger: Trigger, change: TriggerChange) -> Trigger:
    """``trigger`` after ``change``. Raises Refused where its parts do not go together."""
    condition = change.condition or trigger.criteria.condition
    threshold = change.threshold
    if threshold is None and condition.terms.counted is not None:
        threshold = trigger.criteria.threshold
    filters = trigger.criteria.filters if change.filters is None else change.filters
    ids = trigger.integration_ids if change.integration_ids is None else change.integration_ids
    return replace(
        trigger,
        name=trigger.name if change.name is None else change.name,
        comment=trigger.comment if change.comment is None else change.comment,
        criteria=check_criteria(condition, filters, threshold),
        integration_ids=tuple(sorted(set(ids))),
    )


def _check_number(tx: Transaction, client_id: int) -> None:
    if tx.count_triggers(client_id) >= MOST_TRIGGERS:
        raise Refused(
            f"Client {client_id} has {MOST_TRIGGERS} triggers, which is the most; delete one it does not need."
        )


def _check_integrations(tx: Transaction, client_id: int, ids: Iterable[int]) -> None:
    wanted = sorted(set(ids))
    if not wanted:
        raise Refused("a trigger notifies one integration or more.", field="integration")
    if len(wanted) > MOST_INTEGRATIONS:
        raise Refused(f"a trigger notifies at most {MOST_INTEGRATIONS}.", field="integration")
    there = tx.hold_integrations(wanted)
    for one in wanted:
        if one not in there:
            raise Refused(f"there is no integration {one}.", field="integration")
        if there[one] != client_id:
            raise Refused(
                f"{one} belongs to another client; a trigger notifies integrations of its own "
                f"client, here {client_id}.",
                field="integration",
            )

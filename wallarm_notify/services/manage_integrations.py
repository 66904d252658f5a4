"""Integrations, as administrators manage them: create, update, enable, disable, delete (spec 1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.integration import (
    Change,
    Draft,
    Integration,
    IntegrationKey,
    Stored,
    SwitchedOff,
    Unsent,
    default_name,
)
from wallarm_notify.domain.text import check_name, check_text
from wallarm_notify.services.announce import announce
from wallarm_notify.services.manage_triggers import updated_event
from wallarm_notify.services.switch_off import SwitchingOff

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from wallarm_notify.domain.event import Event
    from wallarm_notify.domain.notification import Notification
    from wallarm_notify.domain.triggers.trigger import Trigger
    from wallarm_notify.services.ports import Publisher
    from wallarm_notify.store import Store, Transaction

DUE_SLICE = 500


class Management:
    """Administrators' changes of integrations; each is one small transaction (engine 12)."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        *,
        grace: timedelta,
    ) -> None:
        self._store = store
        self._grace = grace
        self._off = SwitchingOff(store, publisher, grace=grace)

    def create(self, draft: Draft, key: IntegrationKey) -> Integration:
        """Stores a new integration; its ``warnings`` tell what may surprise. Raises Refused, Unavailable."""
        check_text("user", draft.user)
        if draft.name is not None:
            check_name(draft.name)

        def work(tx: Transaction) -> Integration:
            named = replace(draft, name=draft.name or default_name(draft.user, tx.now))
            made = _shown(tx, tx.insert_integration(named, key))
            return replace(made, warnings=_warnings(made, tx.same_key(key, made.id)))

        return self._store.transact(work)

    def update(self, integration_id: int, change: Change) -> Integration:
        """Changes an integration; what waits uses the new key or region. Raises Refused, Unavailable."""
        if change.name is not None:
            check_name(change.name)

        def work(tx: Transaction) -> Integration:
            _locked(tx, integration_id)
            tx.update_integration(
                integration_id,
                name=change.name,
                region=change.region,
                subscriptions=change.subscriptions,
                key=change.key,
            )
            now = _shown(tx, integration_id)
            twins = [] if change.key is None else tx.same_key(change.key, integration_id)
            return replace(now, warnings=_warnings(now, twins))

        updated = self._store.transact(work)
        if change.key is not None or change.region is not None:
            while self._store.transact(lambda tx: tx.due_now(integration_id, DUE_SLICE)):
                pass
        return updated

    def enable(self, integration_id: int) -> tuple[Integration, Unsent]:
        """Enables, with a clean failure window; tells what was not delivered meanwhile.

        Raises Refused, Unavailable.
        """

        def work(tx: Transaction) -> tuple[Integration, Unsent]:
            if _locked(tx, integration_id).enabled:
                raise Refused(f"Integration {integration_id} is enabled already.")
            since = tx.broke_at(integration_id)
            tx.switch_on(integration_id)
            unsent = Unsent(since, tx.ended_undelivered(integration_id, since))
            return _shown(tx, integration_id), unsent

        return self._store.transact(work)

    def disable(self, integration_id: int, *, user: str, reason: str) -> SwitchedOff:
        """Switches off; tells the client's subscribers, this one last. Raises Refused, Unavailable."""
        check_text("user", user)
        check_text("reason", reason)

        def work(tx: Transaction) -> tuple[Stored, list[Notification], datetime]:
            stored = _locked(tx, integration_id)
            if not stored.enabled:
                raise Refused(f"Integration {integration_id} is disabled already.")
            tx.switch_off(integration_id, by=user, reason=reason)
            told = self._off.tell(
                tx, stored, "integration.disabled", reason=reason, actor={"name": user}
            )
            return stored, told, tx.now

        return self._off.finish(*self._store.transact(work))

    def delete(self, integration_id: int, *, user: str, reason: str) -> SwitchedOff:
        """Deletes with all configuration; cannot be undone. Raises Refused, Unavailable."""
        check_text("user", user)
        check_text("reason", reason)

        def work(tx: Transaction) -> _Deleted:
            stored = _locked(tx, integration_id)
            if stored.enabled:
                tx.switch_off(integration_id, by=user, reason=reason)
            losing = tx.take_off_triggers(stored.client_id, integration_id)
            told = self._off.tell(
                tx, stored, "integration.deleted", reason=reason, actor={"name": user}
            )
            lost = [self._lost(t, integration_id, user, tx.now) for t in losing]
            further = announce(tx, lost, self._grace, but=integration_id) if lost else []
            needs_key = any(n.integration_id == stored.id for n in told) or tx.has_open_closing(
                stored.id
            )
            tx.erase_integration(integration_id, keep_key=needs_key)
            return _Deleted(stored, told, further, losing, tx.now)

        d = self._store.transact(work)
        done = self._off.finish(d.stored, d.told, d.now, d.further)
        return replace(done, triggers={t.id: bool(t.integration_ids) for t in d.losing})

    def _lost(self, trigger: Trigger, integration_id: int, user: str, now: datetime) -> Event:
        """The event that ``trigger`` has lost a deleted integration."""
        kept = list(trigger.integration_ids)
        changes = {"integration_ids": {"before": sorted([*kept, integration_id]), "after": kept}}
        return updated_event(trigger, changes, user=user, at=now)


@dataclass(frozen=True, slots=True)
class _Deleted:
    """What the transaction of a deletion came to."""

    stored: Stored
    told: list[Notification]
    further: list[Notification]
    losing: list[Trigger]
    now: datetime


def _locked(tx: Transaction, integration_id: int) -> Stored:
    stored = tx.lock_integration(integration_id)
    if stored is None:
        raise NotFound(f"There is no integration {integration_id}.")
    return stored


def _shown(tx: Transaction, integration_id: int) -> Integration:
    integration = tx.integration(integration_id)
    if integration is None:
        raise NotFound(f"There is no integration {integration_id}.")
    return integration


def _warnings(integration: Integration, twins: Sequence[int]) -> tuple[str, ...]:
    warnings = []
    if twins:
        named = ", ".join(map(str, twins))
        warnings.append(
            f"integration {named} has the same key: events that both subscribe to page twice, and the two "
            "share one pace."
        )
    if not integration.subscriptions:
        warnings.append("it subscribes to nothing, so only triggers can use it; see --subscribe.")
    return tuple(warnings)

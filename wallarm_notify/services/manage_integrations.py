"""Integrations, as administrators manage them: create, update, enable, disable, delete (spec 1)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.integration import (
    Integration,
    IntegrationKey,
    Subscriber,
    default_name,
    subscribers,
)
from wallarm_notify.domain.message import messages
from wallarm_notify.domain.notification import NewNotification, Notification, State, ended
from wallarm_notify.services.ports import Doorbell, Store
from wallarm_notify.services.route import counts_of

INTEGRATION_TYPE = "pager_duty"
"""What the original calls this kind of integration."""

LONGEST_NAME = 200

LONGEST_REASON = 500

CANCEL_SLICE = 500


@dataclass(frozen=True, slots=True)
class Draft:
    """A new integration, before it has an id; ``name`` None takes the default."""

    client_id: int
    region: str
    subscriptions: tuple[str, ...]
    enabled: bool
    user: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What an update sets; None leaves it as it is."""

    name: str | None = None
    region: str | None = None
    subscriptions: tuple[str, ...] | None = None
    key: IntegrationKey | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """An integration's locked row."""

    id: int
    client_id: int
    name: str
    region: str
    subscriptions: frozenset[str]
    enabled: bool
    disablings: int
    key_token: bytes


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """What disabling or deleting came to: how many were told, and what was cancelled."""

    told: int
    cancelled: int
    last: bool


class ManagementQueries(Protocol):
    """What managing integrations asks of the database."""

    @property
    def now(self) -> datetime:
        """The transaction's time by the database's clock."""
        ...

    def insert_integration(self, draft: Draft, key: IntegrationKey) -> int:
        """Stores a new integration; its id."""
        ...

    def same_key(self, key: IntegrationKey, but: int | None) -> list[int]:
        """The other integrations that have this key."""
        ...

    def lock_integration(self, integration_id: int) -> Stored | None:
        """One integration, locked."""
        ...

    def update_integration(
        self,
        integration_id: int,
        *,
        name: str | None,
        region: str | None,
        subscriptions: Sequence[str] | None,
        key: IntegrationKey | None,
    ) -> None:
        """Changes what is not None."""
        ...

    def switch_off(self, integration_id: int, *, by: str, reason: str) -> None:
        """Disables it."""
        ...

    def switch_on(self, integration_id: int) -> None:
        """Enables it."""
        ...

    def erase_integration(self, integration_id: int, *, keep_key: bool) -> None:
        """Removes its configuration."""
        ...

    def integration(self, integration_id: int) -> Integration | None:
        """One integration as people see it."""
        ...

    def ended_meanwhile(self, integration_id: int) -> Mapping[str, int]:
        """How many of its notifications are skipped, cancelled and failed."""
        ...

    def subscribers_of(self, client_ids: Iterable[int]) -> list[Subscriber]:
        """The integrations of clients."""
        ...

    def insert_events(self, events: Sequence[tuple[Event, int]]) -> Any:
        """Stores events with their fan-out."""
        ...

    def insert_notifications(
        self, new: Sequence[NewNotification], ring: timedelta
    ) -> list[Notification]:
        """Makes notifications; those to be sent."""
        ...

    def count(self, changes: Mapping[str, int]) -> None:
        """Adds to the ledger's counters."""
        ...

    def left_behind_by(self, integration_id: int, limit: int) -> list[Notification]:
        """Open notifications, locked, made before the integration was last switched off."""
        ...

    def due_now(self, integration_id: int, limit: int) -> int:
        """Lets first attempts that wait for a turn of the old key come at once; how many."""
        ...

    def has_open_last(self, integration_id: int) -> bool:
        """Whether its last notification is still on its way, and needs the key."""
        ...

    def save(self, notifications: Sequence[Notification]) -> None:
        """Writes what changes of locked notifications."""
        ...


class Management:
    """Administrators' changes of integrations; each is one small transaction (engine 12)."""

    def __init__(
        self,
        store: Store[ManagementQueries],
        doorbell: Doorbell,
        *,
        ring: timedelta,
        hash_body: Callable[[Mapping[str, Any]], bytes],
    ) -> None:
        self._store = store
        self._doorbell = doorbell
        self._ring = ring
        self._hash_body = hash_body

    def create(self, draft: Draft, key: IntegrationKey) -> Integration:
        """Stores a new integration; its ``warnings`` tell what may surprise. Raises Refused, Unavailable."""
        _check_said("user", draft.user)
        if draft.name is not None:
            _check_name(draft.name)

        def work(tx: ManagementQueries) -> Integration:
            named = replace(draft, name=draft.name or default_name(draft.user, tx.now))
            made = _shown(tx, tx.insert_integration(named, key))
            return replace(made, warnings=_warnings(made, tx.same_key(key, made.id)))

        return self._store.transact(work)

    def update(self, integration_id: int, change: Change) -> Integration:
        """Changes an integration; what waits uses the new key or region. Raises Refused, Unavailable."""
        if change.name is not None:
            _check_name(change.name)

        def work(tx: ManagementQueries) -> Integration:
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
            while self._store.transact(lambda tx: tx.due_now(integration_id, CANCEL_SLICE)):
                pass
        return updated

    def enable(self, integration_id: int) -> tuple[Integration, Mapping[str, int]]:
        """Enables; with it come the counts of what ended unsent. Raises Refused, Unavailable."""

        def work(tx: ManagementQueries) -> tuple[Integration, Mapping[str, int]]:
            if _locked(tx, integration_id).enabled:
                raise Refused(f"Integration {integration_id} is enabled already.")
            tx.switch_on(integration_id)
            return _shown(tx, integration_id), tx.ended_meanwhile(integration_id)

        return self._store.transact(work)

    def disable(self, integration_id: int, *, user: str, reason: str) -> SwitchedOff:
        """Switches off; tells the client's subscribers, this one last. Raises Refused, Unavailable."""
        _check_said("user", user)
        _check_said("reason", reason)

        def work(tx: ManagementQueries) -> tuple[Stored, list[Notification], datetime]:
            stored = _locked(tx, integration_id)
            if not stored.enabled:
                raise Refused(f"Integration {integration_id} is disabled already.")
            tx.switch_off(integration_id, by=user, reason=reason)
            told = self._tell(tx, stored, "integration.disabled", user=user, reason=reason)
            return stored, told, tx.now

        return self._finish(*self._store.transact(work))

    def delete(self, integration_id: int, *, user: str, reason: str) -> SwitchedOff:
        """Deletes with all configuration; cannot be undone. Raises Refused, Unavailable."""
        _check_said("user", user)
        _check_said("reason", reason)

        def work(tx: ManagementQueries) -> tuple[Stored, list[Notification], datetime]:
            stored = _locked(tx, integration_id)
            if stored.enabled:
                tx.switch_off(integration_id, by=user, reason=reason)
            told = self._tell(tx, stored, "integration.deleted", user=user, reason=reason)
            needs_key = any(n.integration_id == stored.id for n in told) or tx.has_open_last(
                stored.id
            )
            tx.erase_integration(integration_id, keep_key=needs_key)
            return stored, told, tx.now

        return self._finish(*self._store.transact(work))

    def _tell(
        self,
        tx: ManagementQueries,
        stored: Stored,
        event_type: str,
        *,
        user: str,
        reason: str,
    ) -> list[Notification]:
        """Routes our own event in the transaction that causes it (engine 5); the broken one comes last."""
        event = self._event(stored, event_type, at=tx.now, user=user, reason=reason)
        others = [i for i in tx.subscribers_of([stored.client_id]) if i.id != stored.id]
        new = [
            NewNotification(
                client_id=stored.client_id,
                integration_id=i.id,
                event_id=event.id,
                severity=event.severity,
                disablings=i.disablings,
                skipped=not i.enabled,
            )
            for i in subscribers(event, others)
        ]
        if stored.enabled and event.subscription in stored.subscriptions:
            new.append(
                NewNotification(
                    client_id=stored.client_id,
                    integration_id=stored.id,
                    event_id=event.id,
                    severity=event.severity,
                    disablings=stored.disablings + 1,
                    last=True,
                )
            )
        tx.insert_events([(event, len(new))])
        pending = tx.insert_notifications(new, self._ring)
        tx.count(counts_of(taken=1, matched=int(bool(new)), kept=0, readmitted=0, new=new))
        return sorted(pending, key=lambda n: n.last)

    def _event(
        self, stored: Stored, event_type: str, *, at: datetime, user: str, reason: str
    ) -> Event:
        event_id = uuid4()
        body = {
            "id": str(event_id),
            "client_id": stored.client_id,
            "type": event_type,
            "occurred_at": at.isoformat(),
            "integration_id": stored.id,
            "integration_name": stored.name,
            "integration_type": INTEGRATION_TYPE,
            "reason": reason,
            "actor": {"name": user},
        }
        return Event(event_id, stored.client_id, event_type, at, body, self._hash_body(body))

    def _finish(self, stored: Stored, told: list[Notification], now: datetime) -> SwitchedOff:
        """After the commit: rings, the last notification after the others, and cancels what waits."""
        self._doorbell.ring(messages([n for n in told if not n.last], now))
        self._doorbell.ring(messages([n for n in told if n.last], now))

        def cancel(tx: ManagementQueries) -> int:
            rows = [
                ended(n, State.CANCELLED, tx.now)
                for n in tx.left_behind_by(stored.id, CANCEL_SLICE)
            ]
            tx.save(rows)
            return len(rows)

        cancelled = 0
        while (done := self._store.transact(cancel)) > 0:
            cancelled += done
        return SwitchedOff(len(told), cancelled, any(n.last for n in told))


def _locked(tx: ManagementQueries, integration_id: int) -> Stored:
    stored = tx.lock_integration(integration_id)
    if stored is None:
        raise NotFound(f"There is no integration {integration_id}.")
    return stored


def _shown(tx: ManagementQueries, integration_id: int) -> Integration:
    integration = tx.integration(integration_id)
    if integration is None:
        raise NotFound(f"There is no integration {integration_id}.")
    return integration


def _check_said(what: str, text: str) -> None:
    if len(text) > LONGEST_REASON or not text.isprintable():
        raise Refused(f"{what}: give at most {LONGEST_REASON} printable characters.")


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise Refused(f"name: give 1 to {LONGEST_NAME} printable characters.")


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

"""Switching off: the event it causes, who is told of it, and the end of what waited (engine 5 and 12)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import uuid4

from wallarm_notify.domain.event import Event
from wallarm_notify.domain.integration import Subscriber, subscribers
from wallarm_notify.domain.message import messages
from wallarm_notify.domain.notification import NewNotification, Notification, State, ended
from wallarm_notify.services.ports import Doorbell, Store
from wallarm_notify.services.route import counts_of

INTEGRATION_TYPE: Final = "pager_duty"
"""What the original calls this kind of integration."""

CANCEL_SLICE: Final = 500


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
    generation: int
    key_token: bytes


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """What switching off came to: how many are told, what was cancelled, whether itself is told last."""

    told: int
    cancelled: int
    last: bool


class SwitchOffQueries(Protocol):
    """What switching off asks of the database."""

    @property
    def now(self) -> datetime:
        """The transaction's time by the database's clock."""
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

    def save(self, notifications: Sequence[Notification]) -> None:
        """Writes what changes of locked notifications."""
        ...


class SwitchingOff:
    """What disabling by hand, deleting and the review have in common."""

    def __init__(
        self,
        store: Store[SwitchOffQueries],
        doorbell: Doorbell,
        *,
        ring: timedelta,
        hash_body: Callable[[Mapping[str, Any]], bytes],
    ) -> None:
        self._store = store
        self._doorbell = doorbell
        self._ring = ring
        self._hash_body = hash_body

    def tell(
        self, tx: SwitchOffQueries, stored: Stored, event_type: str, **told: Any
    ) -> list[Notification]:
        """Routes our own event, with what is ``told``, in the transaction that causes it.

        ``stored`` is the integration before it was switched off; if it was enabled and subscribes,
        its own notification comes a moment after the others.
        """
        event = self._event(stored, event_type, at=tx.now, told=told)
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
        told_of_it = tx.insert_notifications(new, self._ring)
        tx.count(counts_of(taken=1, matched=int(bool(new)), kept=0, readmitted=0, new=new))
        return told_of_it

    def finish(self, stored: Stored, told: Sequence[Notification], now: datetime) -> SwitchedOff:
        """After the commit: rings, and cancels what waits."""
        self._doorbell.ring(messages(told, now))

        def cancel(tx: SwitchOffQueries) -> int:
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

    def _event(
        self, stored: Stored, event_type: str, *, at: datetime, told: Mapping[str, Any]
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
            **told,
        }
        return Event(event_id, stored.client_id, event_type, at, body, self._hash_body(body))

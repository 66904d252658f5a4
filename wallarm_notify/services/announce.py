"""Announce: events of our own are stored and routed in the transaction that causes them (engine 5).

Notifications are the outbox: they are stored with the change, and published after its commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from wallarm_notify.domain.canonical import canonical, hash_of
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.ledger import counts_of
from wallarm_notify.services.routing import notification_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from wallarm_notify.domain.notification import NewNotification, Notification
    from wallarm_notify.store import Transaction


def own_event(client_id: int, event_type: str, *, at: datetime, fields: Mapping[str, Any]) -> Event:
    """Return a new event of our own, with ``fields`` beside what every event has."""
    event_id = uuid4()
    body = {
        "id": str(event_id),
        "client_id": client_id,
        "type": event_type,
        "occurred_at": at.isoformat(),
        **fields,
    }
    return Event(event_id, client_id, event_type, at, body, hash_of(body), canonical(body))


def announce(
    tx: Transaction,
    events: Sequence[Event],
    grace: timedelta,
    *,
    excluding: int | None = None,
    also: Sequence[NewNotification] = (),
) -> list[Notification]:
    """Store ``events`` of one client with their notifications; return the notifications to be sent.

    Integration ``excluding`` is sent none. ``also`` are further notifications of these events. Publish what
    is returned after the commit. No trigger looks at events of our own.
    """
    subscribers = tx.subscribers_of({e.client_id: True for e in events})
    new = [
        notification_of(e, i, tx.now, grace)
        for e in events
        for i in subscribers.of(e)
        if i.id != excluding
    ] + list(also)
    fan_out = [(e, sum(n.event_key == e.key for n in new)) for e in events]
    inserted = tx.insert_events(fan_out, subscribers.rules_versions)
    stored = tx.insert_notifications(new, {key: one.no for key, one in inserted.items()})
    matched = sum(1 for _, number in fan_out if number)
    tx.count(counts_of(taken=len(events), matched=matched, kept=0, readmitted=0, new=new))
    return [n for n in stored if n is not None and n.is_open]

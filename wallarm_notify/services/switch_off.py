"""Switch off: an integration's event, who is notified of it, and the end of what waited (engine 5, 12).

Disabling by hand, deleting and the review use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wallarm_notify.domain.batches import messages
from wallarm_notify.domain.integration import SwitchedOff
from wallarm_notify.domain.notification import State, ended, fresh
from wallarm_notify.services.announce import announce, own_event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from wallarm_notify.domain.event import Event
    from wallarm_notify.domain.integration import Stored
    from wallarm_notify.domain.notification import Notification
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

INTEGRATION_TYPE: Final = "pager_duty"
"""What the original calls this kind of integration."""

CANCEL_SLICE: Final = 500


def announce_switch_off(
    ctx: Context, tx: Transaction, stored: Stored, event_type: str, **fields: Any
) -> list[Notification]:
    """Announce that an integration is switched off, in the transaction that does it; return what is to be sent.

    ``stored`` is the integration before, ``fields`` what the event says beside it. If it was enabled and
    subscribes, its closing comes a moment after the notifications of the others.
    """
    grace = ctx.settings.grace
    event = _event(stored, event_type, at=tx.now, fields=fields)
    closing = fresh(
        client_id=stored.client_id,
        integration_id=stored.id,
        event_id=event.id,
        severity=event.severity,
        disablings=stored.disablings + 1,
        closing=True,
        now=tx.now,
        grace=grace,
    )
    itself = stored.enabled and event.subscription in stored.subscriptions
    return announce(tx, [event], grace, excluding=stored.id, also=[closing] if itself else [])


def finish_switch_off(
    ctx: Context,
    integration_id: int,
    notifications: Sequence[Notification],
    now: datetime,
    further: Sequence[Notification] = (),
) -> SwitchedOff:
    """Publish what was announced, after its commit, and cancel what waits; return the numbers of both.

    ``notifications`` are those of the switching off, ``further`` those of what follows from it. Raise
    Unavailable: SWEEP does what is left.
    """
    ctx.publisher.publish(messages([*notifications, *further], now))

    def cancel(tx: Transaction) -> int:
        rows = [
            ended(n, State.CANCELLED, tx.now)
            for n in tx.left_behind_by(integration_id, CANCEL_SLICE)
        ]
        tx.save(rows)
        return len(rows)

    cancelled = 0
    while (done := ctx.store.transact(cancel)) > 0:
        cancelled += done
    return SwitchedOff(len(notifications), cancelled, any(n.closing for n in notifications))


def _event(stored: Stored, event_type: str, *, at: datetime, fields: Mapping[str, Any]) -> Event:
    integration = {
        "integration_id": stored.id,
        "integration_name": stored.name,
        "integration_type": INTEGRATION_TYPE,
    }
    return own_event(stored.client_id, event_type, at=at, fields={**integration, **fields})

"""Switching off: its event, who is told of it, and the end of what waited (engine 5 and 12).

Disabling by hand, deleting and the review have this in common.
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
    ctx: Context, tx: Transaction, stored: Stored, event_type: str, **told: Any
) -> list[Notification]:
    """Announce our own event, with what is ``told``, in the transaction that causes it.

    ``stored`` is the integration before it was switched off; if it was enabled and subscribes,
    its own notification comes a moment after the others.
    """
    grace = ctx.settings.grace
    event = _event(stored, event_type, at=tx.now, told=told)
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
    return announce(tx, [event], grace, but=stored.id, also=[closing] if itself else [])


def finish_switch_off(
    ctx: Context,
    integration_id: int,
    told: Sequence[Notification],
    now: datetime,
    further: Sequence[Notification] = (),
) -> SwitchedOff:
    """Publish, after the commit, who is ``told`` and what else follows, and cancel what waits."""
    ctx.publisher.publish(messages([*told, *further], now))

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
    return SwitchedOff(len(told), cancelled, any(n.closing for n in told))


def _event(stored: Stored, event_type: str, *, at: datetime, told: Mapping[str, Any]) -> Event:
    integration = {
        "integration_id": stored.id,
        "integration_name": stored.name,
        "integration_type": INTEGRATION_TYPE,
    }
    return own_event(stored.client_id, event_type, at=at, told={**integration, **told})

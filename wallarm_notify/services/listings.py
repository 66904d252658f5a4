"""What people look at: notifications with their attempts, rejected events, and undecodable messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.errors import NotFound

if TYPE_CHECKING:
    from wallarm_notify.domain.views import ShownNotification, ShownRejection, ShownUndecodable
    from wallarm_notify.store import Store


def show_notification(store: Store, notification_id: int) -> ShownNotification:
    """One notification with all its attempts. Raises NotFound, Unavailable."""
    shown = store.transact(lambda tx: tx.notification(notification_id))
    if shown is None:
        raise NotFound(f"There is no notification {notification_id}.")
    return shown


def show_rejection(store: Store, rejected_id: int) -> ShownRejection:
    """One rejected event with all that was kept of it. Raises NotFound, Unavailable."""
    shown = store.transact(lambda tx: tx.rejection(rejected_id))
    if shown is None:
        raise NotFound(f"There is no rejected event {rejected_id}.")
    return shown


def show_undecodable(store: Store, message_id: int) -> ShownUndecodable:
    """One undecodable message with all that was kept of it. Raises NotFound, Unavailable."""
    shown = store.transact(lambda tx: tx.undecodable_message(message_id))
    if shown is None:
        raise NotFound(f"There is no undecodable message {message_id}.")
    return shown

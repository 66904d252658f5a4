"""What people look at: notifications with their attempts, rejected events, and undecodable messages."""

from typing import Protocol

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.views import Filter, ShownNotification, ShownRejection, ShownUndecodable
from wallarm_notify.services.ports import Store


class ListingQueries(Protocol):
    """What listings ask of the database."""

    def notifications(self, wanted: Filter) -> list[ShownNotification]:
        """Notifications, newest first."""
        ...

    def notification(self, notification_id: int) -> ShownNotification | None:
        """One notification with its attempts."""
        ...

    def rejection(self, rejected_id: int) -> ShownRejection | None:
        """One rejected event, with all that was kept of it."""
        ...

    def undecodable_message(self, message_id: int) -> ShownUndecodable | None:
        """One undecodable message, with all that was kept of it."""
        ...


def show_notification(store: Store[ListingQueries], notification_id: int) -> ShownNotification:
    """One notification with all its attempts. Raises NotFound, Unavailable."""
    shown = store.transact(lambda tx: tx.notification(notification_id))
    if shown is None:
        raise NotFound(f"There is no notification {notification_id}.")
    return shown


def show_rejection(store: Store[ListingQueries], rejected_id: int) -> ShownRejection:
    """One rejected event with all that was kept of it. Raises NotFound, Unavailable."""
    shown = store.transact(lambda tx: tx.rejection(rejected_id))
    if shown is None:
        raise NotFound(f"There is no rejected event {rejected_id}.")
    return shown


def show_undecodable(store: Store[ListingQueries], message_id: int) -> ShownUndecodable:
    """One undecodable message with all that was kept of it. Raises NotFound, Unavailable."""
    shown = store.transact(lambda tx: tx.undecodable_message(message_id))
    if shown is None:
        raise NotFound(f"There is no undecodable message {message_id}.")
    return shown

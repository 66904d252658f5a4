"""The document of a restore: what a restored database may send a second time."""

from datetime import datetime

from typing_extensions import TypedDict

from wallarm_notify.domain.restore import Restored


class MayBeSentDocument(TypedDict):
    """An integration with open notifications that may have been sent after the backup was made."""

    integration_id: int
    """The number of the integration."""
    client_id: int
    """The client that it belongs to."""
    name: str
    """Its name."""
    notifications: int
    """How many such notifications it has."""
    since: datetime
    """When the oldest of them was made."""


class RestoredDocument(TypedDict):
    """How it stands after a restore."""

    known_until: datetime | None
    """The last moment that the database knows of; null where it is empty."""
    may_be_sent: list[MayBeSentDocument]
    """The integrations with notifications that may have been sent later."""
    replays: int
    """Replays that are not done yet, and may have been."""
    cancelled_at: datetime | None
    """When all these were cancelled; null where they were not."""


def restored_document(restored: Restored) -> RestoredDocument:
    """Return the document of a restore."""
    return {
        "known_until": restored.known_until,
        "may_be_sent": [
            {
                "integration_id": one.id,
                "client_id": one.client_id,
                "name": one.name,
                "notifications": one.notifications,
                "since": one.since,
            }
            for one in restored.may_be_sent
        ],
        "replays": restored.replays,
        "cancelled_at": restored.cancelled_at,
    }

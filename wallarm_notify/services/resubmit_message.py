"""Resubmit: the events of an undecodable message are taken in after all, as it is or mended (spec 2).

It was never received, so its events count as any that come.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.services.ports import Store
from wallarm_notify.services.route import Routed


class MessageQueries(Protocol):
    """What re-submitting a message asks of the database beside routing."""

    def lock_undecodable(self, message_id: int) -> Mapping[str, Any] | None:
        """One message, locked."""
        ...

    def mark_undecodable_resubmitted(self, message_id: int) -> None:
        """Its events are taken in."""
        ...


class Ingest(Protocol):
    """What takes events in."""

    def ingest(self, events: Sequence[Event], rejections: Sequence[Rejection]) -> list[Routed]:
        """Routes ``events`` and keeps ``rejections``; the same again is harmless."""
        ...


class ResubmitMessage:
    """Takes a message's events in, and marks it once they are stored: in between it may be done again."""

    def __init__(self, store: Store[MessageQueries], router: Ingest) -> None:
        self._store = store
        self._router = router

    def body(self, message_id: int) -> bytes:
        """What was kept. Raises NotFound, and Refused where it is cut or done already."""
        row = self._store.transact(lambda tx: _standing(tx, message_id))
        if row["cut"]:
            raise Refused(
                f"Of undecodable message {message_id} only the first 64 kB of {row['bytes']} bytes were kept; "
                "give the whole message with --file."
            )
        return bytes(row["body"])

    def submit(
        self, message_id: int, events: Sequence[Event], rejections: Sequence[Rejection]
    ) -> list[Routed]:
        """Takes in what the message holds; what of it is invalid is rejected, as ever.

        Raises NotFound, Unavailable, and Refused where no event of it is valid: then nothing has moved.
        """
        self._store.transact(lambda tx: _standing(tx, message_id))
        if not events:
            why = (
                f"No event of it is valid: {rejections[0].reason}"
                if rejections
                else "It holds no event."
            )
            raise Refused(
                f"{why} Undecodable message {message_id} stays as it is; mend it with --file."
            )
        routed = self._router.ingest(events, rejections)

        def mark(tx: MessageQueries) -> None:
            _standing(tx, message_id)
            tx.mark_undecodable_resubmitted(message_id)

        self._store.transact(mark)
        return routed


def _standing(tx: MessageQueries, message_id: int) -> Mapping[str, Any]:
    row = tx.lock_undecodable(message_id)
    if row is None:
        raise NotFound(
            f"There is no undecodable message {message_id}; see: wallarm-notify events undecodable"
        )
    if row["resubmitted_at"] is not None:
        raise Refused(
            f"Undecodable message {message_id} was re-submitted already, at "
            f"{row['resubmitted_at']:%Y-%m-%d %H:%M:%S %Z}."
        )
    return row

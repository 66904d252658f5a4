"""Resubmit: the events of an undecodable message, or of a call set aside, are taken in after all (spec 2).

It was never received, so its events count as any that come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from wallarm_notify.domain.errors import NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wallarm_notify.domain.event import Event, Rejection
    from wallarm_notify.services.route import Routed
    from wallarm_notify.store import Store, Transaction


@dataclass(frozen=True, slots=True)
class Kept:
    """A kind of messages that are kept: how people call one, where they find it, and what is done with it.

    ``standing`` raises NotFound, and Refused where it was re-submitted already.
    """

    words: str
    standing: Callable[[Transaction, int], Mapping[str, Any]]
    mark: Callable[[Transaction, int], None]


class Ingest(Protocol):
    """What takes events in."""

    def ingest(self, events: Sequence[Event], rejections: Sequence[Rejection]) -> list[Routed]:
        """Routes ``events`` and keeps ``rejections``; the same again is harmless."""
        ...


class ResubmitMessage:
    """Takes a message's events in, and marks it once they are stored: in between it may be done again."""

    def __init__(self, store: Store, router: Ingest, kept: Kept) -> None:
        self._store = store
        self._router = router
        self._kept = kept

    @property
    def words(self) -> str:
        """How people call one of these messages."""
        return self._kept.words

    def body(self, message_id: int) -> bytes:
        """What was kept. Raises NotFound, and Refused where it is cut or done already."""
        row = self._store.transact(lambda tx: self._kept.standing(tx, message_id))
        if row["cut"]:
            raise Refused(
                f"Of {self._kept.words} {message_id} only the first 64 kB of {row['bytes']} bytes were kept; "
                "give the whole message with --file."
            )
        return bytes(row["body"])

    def submit(
        self, message_id: int, events: Sequence[Event], rejections: Sequence[Rejection]
    ) -> list[Routed]:
        """Takes in what the message holds; what of it is invalid is rejected, as ever.

        Raises NotFound, Unavailable, and Refused where no event of it is valid: then nothing has moved.
        """
        self._store.transact(lambda tx: self._kept.standing(tx, message_id))
        if not events:
            why = (
                f"No event of it is valid: {rejections[0].reason}"
                if rejections
                else "It holds no event."
            )
            raise Refused(
                f"{why} The {self._kept.words} {message_id} stays as it is; mend it with --file."
            )
        routed = self._router.ingest(events, rejections)

        def mark(tx: Transaction) -> None:
            self._kept.standing(tx, message_id)
            self._kept.mark(tx, message_id)

        self._store.transact(mark)
        return routed


def _undecodable(tx: Transaction, message_id: int) -> Mapping[str, Any]:
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


def _set_aside(tx: Transaction, call_id: int) -> Mapping[str, Any]:
    kept = tx.lock_set_aside(call_id)
    if kept is None:
        raise NotFound(
            f"No call {call_id} is set aside; see: wallarm-notify events set-aside. One that a worker has "
            "stored meanwhile is there no more."
        )
    return {"cut": False, "body": kept.call.body}


UNDECODABLE: Final = Kept(
    "undecodable message",
    _undecodable,
    lambda tx, message_id: tx.mark_undecodable_resubmitted(message_id),
)
SET_ASIDE: Final = Kept(
    "call set aside", _set_aside, lambda tx, call_id: tx.forget_set_aside(call_id)
)

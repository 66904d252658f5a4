"""Candidates: what may be claimed, and what becomes of a message's at its claim (engine 8)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic

from wallarm_notify.domain.notification import (
    ALONE_AFTER,
    LOST_AFTER,
    Notification,
    RowT,
)
from wallarm_notify.domain.sending import Payload


@dataclass(frozen=True, slots=True)
class Candidate(Generic[RowT]):
    """A notification that may be claimed, beside how its integration stands and what its send would need.

    A message names it, or this transaction is about to store it.
    ``fingerprint`` tells keys apart for the rate limit without being one; None: the key is wiped.
    ``generation`` numbers the integration's clean failure windows (spec 6).
    """

    notification: RowT
    enabled: bool
    disablings: int
    generation: int
    slow: bool
    fingerprint: bytes | None
    payload: Payload

    @property
    def is_readable(self) -> bool:
        """Whether one of our Fernet keys opens the integration's key."""
        return self.payload.key is not None


@dataclass(frozen=True, slots=True)
class Triage:
    """What is to become of the notifications of one message, before bulkheads and the rate limit have a say.

    Of those ``ready`` the most severe come first, then the oldest.
    """

    ready: tuple[Candidate[Notification], ...]
    unreadable: tuple[Candidate[Notification], ...]
    early: tuple[Notification, ...]
    cancel: tuple[Notification, ...]
    lost: tuple[Notification, ...]
    alone: tuple[Notification, ...]


def is_cancelled(candidate: Candidate[RowT]) -> bool:
    """Whether its integration was switched off after the notification was made (spec 1)."""
    n = candidate.notification
    if candidate.fingerprint is None:
        return True
    if n.closing:
        return n.disablings != candidate.disablings
    return not candidate.enabled or n.disablings != candidate.disablings


def may_be_sent_at_once(candidate: Candidate[RowT]) -> bool:
    """Return whether nothing keeps it from being sent but, maybe, the rate limit."""
    return not candidate.slow and candidate.is_readable and not is_cancelled(candidate)


def triage(
    candidates: Iterable[Candidate[Notification]],
    now: datetime,
    links: Mapping[int, int] | None = None,
) -> Triage:
    """Sorts a message's notifications; those that ended, or that a live worker is on, are left out.

    ``links`` are those that the message carries them under, by id. Who would have to be enqueued again
    is left out too where a later message carries it: a message that came twice would go on twice, for as
    long as there is a wait. Without links, as in messages of the version before, it is enqueued.
    """
    carried = links or {}
    chosen: dict[str, list[Candidate[Notification]]] = {k: [] for k in Triage.__slots__}
    open_ = [c for c in candidates if c.notification.is_open]
    for c in open_:
        n = c.notification
        is_current = carried.get(n.id, n.link) == n.link
        if n.lease_until is not None and n.lease_until > now:
            continue
        if is_cancelled(c):
            chosen["cancel"].append(c)
        elif n.due_at > now:
            if is_current:
                chosen["early"].append(c)
        elif n.lost_claims >= LOST_AFTER:
            chosen["lost"].append(c)
        elif n.lost_claims >= ALONE_AFTER and len(open_) > 1:
            if is_current:
                chosen["alone"].append(c)
        else:
            chosen["ready" if c.is_readable else "unreadable"].append(c)
    chosen["ready"].sort(key=lambda c: (-c.notification.severity, c.notification.id))
    return Triage(
        ready=tuple(chosen["ready"]),
        unreadable=tuple(chosen["unreadable"]),
        **{
            k: tuple(c.notification for c in chosen[k])
            for k in ("early", "cancel", "lost", "alone")
        },
    )

"""Candidates: notifications that may be claimed, and the decision on each before its claim (engine 8)."""

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
    """A notification that may be claimed, with the state of its integration and what its send needs.

    A message names it, or this transaction is about to store it. ``fingerprint`` identifies a key for the
    rate limit without revealing it, None if the key is wiped. ``generation`` numbers the integration's
    clean failure windows (spec 6).
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
        """Whether one of this installation's Fernet keys decrypts the integration's key."""
        return self.payload.key is not None


@dataclass(frozen=True, slots=True)
class Triage:
    """The decisions on the notifications of one message, before bulkheads and the rate limit.

    Those ``ready`` are ordered: the most severe first, then the oldest.
    """

    ready: tuple[Candidate[Notification], ...]
    unreadable: tuple[Candidate[Notification], ...]
    early: tuple[Notification, ...]
    cancel: tuple[Notification, ...]
    lost: tuple[Notification, ...]
    alone: tuple[Notification, ...]


def is_cancelled(candidate: Candidate[RowT]) -> bool:
    """Return whether its integration was disabled after the notification was made (spec 1)."""
    n = candidate.notification
    if candidate.fingerprint is None:
        return True
    if n.closing:
        return n.disablings != candidate.disablings
    return not candidate.enabled or n.disablings != candidate.disablings


def may_be_sent_at_once(candidate: Candidate[RowT]) -> bool:
    """Return whether it can be sent now, unless the rate limit forbids it."""
    return not candidate.slow and candidate.is_readable and not is_cancelled(candidate)


def triage(
    candidates: Iterable[Candidate[Notification]],
    now: datetime,
    links: Mapping[int, int] | None = None,
) -> Triage:
    """Return the decision on each of a message's notifications that has not ended and that no live worker has.

    ``links`` are those under which the message carries them, by id. A notification that would be enqueued
    again is left out if a later message carries it: otherwise a message that came twice would go on twice,
    as long as there is a wait. Without links, as in messages of the version before, it is enqueued.
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

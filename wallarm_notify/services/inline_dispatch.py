"""Inline dispatch: a process that delivers claims first attempts in the transaction that makes them.

It is the claim of ``services.claim``, of what is not stored yet; no message goes over the broker
(docs/decisions/0010). Routing waits for no lock because of it, and what it does not claim is enqueued.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.candidate import may_be_sent_at_once
from wallarm_notify.domain.notification import MESSAGE_SIZE, NewNotification, Notification
from wallarm_notify.domain.rate_limit import order_gap
from wallarm_notify.domain.sending import Claim
from wallarm_notify.services.claim import Taken, claim_candidates

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from wallarm_notify.domain.event import EventKey
    from wallarm_notify.domain.sending import Made, Sending
    from wallarm_notify.services.context import ServiceSettings
    from wallarm_notify.services.ports import Dispatcher
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)

FEW: Final = 500
"""A transaction that makes more claims none: from a claim to the commit the keys' rate limits are locked."""

SOON: Final = 0.5
"""A transaction that has taken so many seconds claims none: a request has to begin within 2 s (spec 1)."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Stored notifications: which are to be enqueued, and which this process is to send."""

    pending: Sequence[Notification]
    sendings: Sequence[Sending]

    def claim(self, now: datetime, began: float) -> Claim | None:
        """Return the claim of a transaction that ``began`` before its ``now``; None: nothing was claimed."""
        number = len(self.sendings)
        return Claim(now, began, tuple(self.sendings), number) if number else None


def room_of(dispatcher: Dispatcher | None, client_ids: Collection[int]) -> Mapping[int, int]:
    """Return how many first attempts of each client ``dispatcher`` takes now; empty: none."""
    if dispatcher is None:
        return {}
    try:
        room = dispatcher.room(client_ids)
    except Exception:  # events are to be stored, whatever keeps them from being sent here
        log.exception("ingest.no_dispatcher")
        return {}
    return room if any(room.values()) else {}


def hand_over(dispatcher: Dispatcher | None, claim: Claim | None) -> None:
    """Have ``claim`` sent, after its commit; where that fails, SWEEP finds it when the lease is over."""
    if dispatcher is None or claim is None:
        return
    try:
        dispatcher.dispatch(claim)
    except Exception:
        log.exception("ingest.not_handed_over")


def store(
    tx: Transaction,
    made: Sequence[Made],
    numbers: Mapping[EventKey, int],
    settings: ServiceSettings,
    *,
    room: Mapping[int, int],
    seconds: float,
) -> Stored:
    """Store the notifications that were ``made``, and claim those that there is ``room`` for.

    ``numbers`` are those of their events; ``room`` is how many this process can send of each client,
    ``seconds`` how long the transaction has taken.
    """
    is_soon = len(made) <= FEW and seconds < SOON
    taken = _claimed(tx, made, settings, room) if room and is_soon else {}
    rows = [
        taken[m.notification.identity].notification
        if taken and m.notification.identity in taken
        else m.notification
        for m in made
    ]
    stored = tx.insert_notifications(rows, numbers)
    there = [(row, n) for row, n in zip(rows, stored, strict=True) if n is not None]
    return Stored(
        [n for _, n in there if n.is_open and n.lease_until is None],
        [taken[row.identity].sending(n) for row, n in there if n.lease_until is not None],
    )


def _claimed(
    tx: Transaction, made: Sequence[Made], settings: ServiceSettings, room: Mapping[int, int]
) -> dict[tuple[object, ...], Taken[NewNotification]]:
    """Claim the most severe, then oldest, at most as many as a message holds; return them by identity."""
    chosen = _chosen(made, room, in_order=order_gap(settings.rate_limit_per_minute) > 0)
    if not chosen:
        return {}
    ready = [c for c in tx.candidates_of(chosen) if may_be_sent_at_once(c)]
    taken, _ = claim_candidates(tx, ready, settings, may_wait=False)
    return {t.notification.identity: t for t in taken}


def _chosen(made: Sequence[Made], room: Mapping[int, int], *, in_order: bool) -> list[Made]:
    """Return the most severe, then oldest, that there is room for.

    ``in_order``, those of one integration and one severity are chosen together or not at all: what would go by
    message meanwhile would overtake them (spec 5).
    """
    open_ = sorted(
        (m for m in made if m.notification.is_open), key=lambda m: -m.notification.severity
    )
    groups: dict[object, list[Made]] = {}
    for place, m in enumerate(open_):
        n = m.notification
        together = (n.integration_id, n.severity) if in_order else place
        groups.setdefault(together, []).append(m)
    left = Counter(room)
    chosen: list[Made] = []
    for group in groups.values():
        client_id = group[0].notification.client_id
        if len(group) <= min(left[client_id], MESSAGE_SIZE - len(chosen)):
            left[client_id] -= len(group)
            chosen += group
    return chosen

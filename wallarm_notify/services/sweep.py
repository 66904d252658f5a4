"""Sweep: ring again for what is overdue and nobody is on, and end what its integration's end left."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from wallarm_notify.domain.batches import messages
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.notification import Notification, State, ended, rung
from wallarm_notify.domain.overdue import is_long_overdue, shares_of
from wallarm_notify.domain.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wallarm_notify.services.ports import Doorbell
    from wallarm_notify.store import Store, Transaction

log = logging.getLogger(__name__)

ROUNDS: Final = 5
"""So many transactions a run makes at the most; the next run goes on."""

LONG_QUEUE: Final = 50
"""A queue with so many messages is merely slow: only what is long overdue is rung for, a few at a time."""

CANCEL_SLICE: Final = 500

FORGET_EVERY: Final = timedelta(hours=1)
"""How often the turns of keys are looked through that nobody has any more."""


class Queues(Protocol):
    """How long the delivery queues are."""

    def length(self, *, first: bool) -> int | None:
        """Messages waiting in the queue of first attempts, or of retries; None: it cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class Swept:
    """What a run did."""

    rung: int = 0
    cancelled: int = 0
    ran: bool = True

    @property
    def words(self) -> str:
        """For people, and for Flower."""
        if not self.ran:
            return "another run was there first"
        return f"{counted(self.rung, 'notification')} rung for, {self.cancelled} cancelled"


class Sweep:
    """Beat's errand. Two at once harm nothing.

    ``first`` and ``then`` is what else a run does, before and after the ringing.
    """

    def __init__(
        self,
        store: Store,
        doorbell: Doorbell,
        queues: Queues,
        *,
        ring: timedelta,
        interval: timedelta,
        first: Sequence[Callable[[], object]] = (),
        then: Sequence[Callable[[], object]] = (),
    ) -> None:
        self._first = first
        self._then = then
        self._store = store
        self._doorbell = doorbell
        self._queues = queues
        self._ring = ring
        self._interval = interval

    def run(self) -> Swept:
        """One run; ends at once where another is under way or has just been. Raises Unavailable."""
        if not self._store.transact(lambda tx: tx.may_run("sweep", self._interval * 0.8)):
            return Swept(ran=False)
        _run_each(self._first)
        cancelled = cancel_left_behind(self._store)
        self._store.transact(lambda tx: tx.wipe_ended_keys())
        if self._store.transact(lambda tx: tx.may_run("forget_turns", FORGET_EVERY)):
            self._store.transact(lambda tx: tx.forget_turns())
        rung_for = 0
        for round_ in range(ROUNDS):
            done = self._ring_round(again=round_ > 0)
            rung_for += done
            if not done:
                break
        _run_each(self._then)
        return Swept(rung_for, cancelled)

    def _ring_round(self, *, again: bool = False) -> int:
        room = {first: self._has_room(first=first) for first in (True, False)}

        def work(tx: Transaction) -> tuple[list[Notification], datetime]:
            run = int(tx.now.timestamp() / self._interval.total_seconds())
            shares = shares_of(
                tx.backlogs(), room, now=tx.now, ring=self._ring, run=run, again=again
            )
            rows = [
                rung(n, tx.now, self._ring)
                for n in (tx.overdue(shares) if shares else ())
                if room[n.attempts_made == 0] or self._is_long_overdue(n, tx.now)
            ]
            tx.save(rows)
            return rows, tx.now

        rows, now = self._store.transact(work)
        self._doorbell.ring(messages(rows, now))
        return len(rows)

    def _is_long_overdue(self, n: Notification, now: datetime) -> bool:
        return n.ring_at is not None and is_long_overdue(n.due_at, n.ring_at, now, self._ring)

    def _has_room(self, *, first: bool) -> bool:
        length = self._queues.length(first=first)
        return length is not None and length < LONG_QUEUE


def _run_each(parts: Sequence[Callable[[], object]]) -> None:
    """Runs ``parts``; one that fails keeps nothing else from being done."""
    for part in parts:
        try:
            part()
        except NotifyError as error:
            log.warning("sweep.not_now", extra={"error": str(error)})
        except Exception:
            log.exception("sweep.fault")


def cancel_left_behind(store: Store) -> int:
    """Cancels, slice by slice, what waited for integrations that were switched off; how many."""

    def work(tx: Transaction) -> int:
        rows = [ended(n, State.CANCELLED, tx.now) for n in tx.left_behind(CANCEL_SLICE)]
        tx.save(rows)
        return len(rows)

    cancelled = 0
    while (done := store.transact(work)) > 0:
        cancelled += done
        if done < CANCEL_SLICE:
            break
    return cancelled

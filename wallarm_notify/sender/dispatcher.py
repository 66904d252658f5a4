"""The courier: makes a process's requests to PagerDuty side by side, and hands in what came of them.

Two threads. The carrier begins requests, drives them and finds out who is slow; the clerk records
outcomes, some at a time, in the database. A task hands its claim over and is done, so that the next one
is claimed while this one is sent; it waits, at most 2 s, where too much lies here already (engine 9).
"""

import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.errors import BadRow, NotifyError
from wallarm_notify.domain.notification import START_WITHIN
from wallarm_notify.domain.outcome import Attempt
from wallarm_notify.domain.sending import SLOW, Claim, Sending
from wallarm_notify.pagerduty.client import KEPT_CONNECTIONS, Landed, Poster

log = logging.getLogger(__name__)

FAST_AT_ONCE: Final = 80
"""Requests a process has under way at once, those of slow integrations left out (engine 24)."""

CLIENT_AT_ONCE: Final = 64
"""Of these one client has at most so many: however much it has to be sent, another's begin at once."""

SLOW_AT_ONCE: Final = 192
"""Requests of slow integrations a process has under way at once."""

CONNECTIONS: Final = KEPT_CONNECTIONS + 2 * (FAST_AT_ONCE + SLOW_AT_ONCE)
"""Files a process may have open to PagerDuty: connections that are kept, and new ones.

Each new one looks up a name, or tries two addresses at once.
"""

SAME_AT_ONCE: Final = 16
"""Requests to one integration at once, so that one that begins to hang takes few with it."""

AHEAD: Final = 300
"""So many notifications may lie here, answered or not, when the next ones are claimed."""

RECORD_EVERY: Final = 0.2
"""Seconds between two records: what comes meanwhile is recorded together; the first does not wait."""

RECORD_AT_ONCE: Final = 200

_TICK: Final = 0.05


class Desk(Protocol):
    """Where outcomes are handed in."""

    def record(
        self,
        attempts: Sequence[Attempt],
        slow: Sequence[int] = (),
        lanes: Mapping[int, str] | None = None,
    ) -> None:
        """Stores attempts and what follows from them."""
        ...

    def ring_gathered(self, *, at_once: bool = False) -> float | None:
        """Enqueues what follows; seconds until it is to be called again, None: not for now."""
        ...

    def mark_slow(self, integration_ids: Sequence[int]) -> None:
        """Sets integrations apart."""
        ...

    def put_back(self, sendings: Sequence[Sending], *, behind_lane: bool) -> None:
        """Gives back claims whose requests were not begun."""
        ...


@dataclass(eq=False, slots=True)
class Trip:
    """One notification's request, from the claim to the record."""

    sending: Sending
    claim: Claim
    slow: bool
    attempt: Attempt | None = None
    settled: bool = False

    @property
    def integration_id(self) -> int:
        """Whose request it is."""
        return self.sending.notification.integration_id

    @property
    def client_id(self) -> int:
        """Whose integration that is."""
        return self.sending.cargo.event.client_id


@dataclass(slots=True)
class _Papers:
    """What lies on the clerk's desk."""

    answered: list[Trip] = field(default_factory=list)
    slow: list[int] = field(default_factory=list)
    behind_lane: list[Trip] = field(default_factory=list)
    not_begun: list[Trip] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.answered or self.slow or self.behind_lane or self.not_begun)


class Courier:
    """One for a process. ``url`` and ``pack`` say where a sending goes and what its body is."""

    def __init__(
        self,
        poster: Poster[Trip],
        desk: Desk,
        *,
        url: Callable[[Sending], str],
        pack: Callable[[Sending], bytes],
    ) -> None:
        self._poster = poster
        self._desk = desk
        self._url = url
        self._pack = pack
        self._inbox: queue.SimpleQueue[Trip] = queue.SimpleQueue()
        self._waiting: deque[Trip] = deque()
        self._flying: dict[Trip, float] = {}
        """When each began, by the monotonic clock."""
        self._papers: queue.SimpleQueue[_Papers] = queue.SimpleQueue()
        self._here = 0
        self._slow_here = 0
        self._unbegun: dict[int, int] = {}
        """By client, those of slow integrations left out; one that has none is not in it."""
        self._flying_of: dict[int, int] = {}
        """Of those under way, likewise."""
        self._changed = threading.Condition()
        for work in (self._carry_on, self._keep_books):
            threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True).start()

    def carry(self, claim: Claim) -> None:
        """Takes over a claim."""
        with self._changed:
            self._here += len(claim.sendings)
            self._slow_here += sum(s.slow for s in claim.sendings)
            for s in claim.sendings:
                if not s.slow:
                    client = s.cargo.event.client_id
                    self._unbegun[client] = self._unbegun.get(client, 0) + 1
        for sending in claim.sendings:
            self._inbox.put(Trip(sending, claim, sending.slow))
        self._poster.wake()

    def room(self, client_ids: Iterable[int]) -> dict[int, int]:
        """How many more of each client may be claimed now so that all begin with the next two rounds of answers.

        However much of one client waits here, there is room for others. Of one integration fewer begin at
        once; what does not in time is put back.
        """
        with self._changed:
            if not self._is_not_too_far_ahead():
                return dict.fromkeys(client_ids, 0)
            ahead = sum(min(number, CLIENT_AT_ONCE) for number in self._unbegun.values())
            most = 2 * FAST_AT_ONCE - ahead
            return {
                i: max(min(2 * CLIENT_AT_ONCE - self._unbegun.get(i, 0), most), 0)
                for i in client_ids
            }

    def wait_for_room(self, seconds: float) -> bool:
        """Waits until a claim may come that can wait as well, at most so long; whether it may.

        That is when every request has been begun, and not too many are to be recorded: what was claimed
        before there was a place for it would have to be put back.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._unbegun and self._is_not_too_far_ahead(), seconds
            )

    def _is_not_too_far_ahead(self) -> bool:
        """Slow integrations are left out."""
        return self._here - self._slow_here <= AHEAD

    def drain(self, seconds: float) -> bool:
        """Waits until everything taken over is recorded, at most so long; whether it is.

        What follows from it is enqueued now.
        """
        with self._changed:
            is_idle = self._changed.wait_for(lambda: self._here == 0, seconds)
        self._desk.ring_gathered(at_once=True)
        return is_idle

    # The carrier's thread.

    def _carry_on(self) -> None:
        while True:
            try:
                self._carry_some()
            except Exception:
                log.exception("courier.carrier")
                time.sleep(_TICK)

    def _carry_some(self) -> None:
        """One round: what has landed, what has come, who has become slow."""
        busy = self._waiting or self._flying
        papers = _Papers()
        try:
            for landed in self._poster.wait(_TICK if busy else None):
                papers.answered.append(self._home(landed))
            while not self._inbox.empty():
                self._waiting.append(self._inbox.get())
            now = time.monotonic()
            self._mark_slow(papers, now)
            self._begin_trips(papers, now)
        finally:
            if papers:
                self._papers.put(papers)

    def _home(self, landed: Landed[Trip]) -> Trip:
        trip = landed.ticket
        del self._flying[trip]
        if not trip.slow:
            _one_less(self._flying_of, trip.client_id)
        trip.attempt = _attempt_of(trip, landed)
        return trip

    def _mark_slow(self, papers: _Papers, now: float) -> None:
        """Sets apart whose answer is outstanding for a second."""
        newly = []
        for trip, began in self._flying.items():
            if now - began < SLOW.total_seconds():
                break  # the others began later
            if not trip.slow:
                trip.slow = True
                _one_less(self._flying_of, trip.client_id)
                newly.append(trip)
        if newly:
            papers.slow.extend(sorted({t.integration_id for t in newly}))
            with self._changed:
                self._slow_here += len(newly)
                self._changed.notify_all()

    def _begin_trips(self, papers: _Papers, now: float) -> None:
        """Begins what there is room for, in the order in which it came."""
        if not self._waiting:
            return
        fast = sum(not t.slow for t in self._flying)
        slow = len(self._flying) - fast
        same = Counter(t.integration_id for t in self._flying)
        hanging = {t.integration_id for t in self._flying if t.slow and not t.sending.slow}
        # Of a machine that slept meanwhile claims are too old, though nothing was done.
        at, late = since_boot(), START_WITHIN.total_seconds() * 0.95
        kept: deque[Trip] = deque()
        is_over_time = False
        gone: list[Trip] = []
        while self._waiting:
            trip = self._waiting.popleft()
            # What is under way is looked after in between: packing a large body takes a while.
            is_over_time = is_over_time or time.monotonic() - now >= _TICK
            if trip.integration_id in hanging:
                papers.behind_lane.append(trip)
                gone.append(trip)
            elif at - trip.claim.began >= late:
                papers.not_begun.append(trip)
                gone.append(trip)
            elif (
                is_over_time
                or same[trip.integration_id] >= SAME_AT_ONCE
                or (slow >= SLOW_AT_ONCE if trip.slow else fast >= FAST_AT_ONCE)
                or (self._flying_of.get(trip.client_id, 0) >= CLIENT_AT_ONCE and not trip.slow)
            ):
                kept.append(trip)
            else:
                gone.append(trip)
                if not self._begin(trip):
                    continue
                same[trip.integration_id] += 1
                slow, fast = slow + trip.slow, fast + (not trip.slow)
        self._waiting = kept
        with self._changed:
            for trip in gone:
                if not trip.sending.slow:
                    _one_less(self._unbegun, trip.client_id)
            self._changed.notify_all()
        if is_over_time:
            self._poster.wake()

    def _begin(self, trip: Trip) -> bool:
        sending = trip.sending
        try:
            self._poster.begin(trip, self._url(sending), self._pack(sending), sending.key)
        except Exception:
            # Ours, not PagerDuty's: the lease runs out, and after ten such claims it ends.
            log.exception("delivery.not_sent", extra={"notification": sending.notification.id})
            self._settle([trip])
            return False
        self._flying[trip] = time.monotonic()
        if not trip.slow:
            self._flying_of[trip.client_id] = self._flying_of.get(trip.client_id, 0) + 1
        return True

    def _settle(self, trips: Sequence[Trip]) -> None:
        """These are over and done with."""
        with self._changed:
            for trip in trips:
                if not trip.settled:  # some of a batch may have been before the database went away
                    trip.settled = True
                    self._here -= 1
                    self._slow_here -= trip.slow
            self._changed.notify_all()

    # The clerk's thread.

    def _keep_books(self) -> None:
        desk = _Papers()
        rest: float | None = None
        not_before = 0.0
        while True:
            self._gather(desk, rest, not_before)
            not_before = time.monotonic() + RECORD_EVERY
            try:
                self._hand_in(desk)
                rest = self._desk.ring_gathered()
            except NotifyError as error:
                log.warning("courier.waits_for_database", extra={"error": str(error)})
                time.sleep(0.5)
            except Exception:
                log.exception("courier.clerk")
                time.sleep(0.5)

    def _gather(self, desk: _Papers, rest: float | None, not_before: float) -> None:
        """Takes in papers till it is time to hand them in, or enough outcomes lie there.

        Where none come it is over after ``rest`` seconds.
        """
        while len(desk.answered) < RECORD_AT_ONCE:
            try:
                if not desk:
                    papers = self._papers.get(timeout=rest)
                elif (wait := not_before - time.monotonic()) > 0:
                    papers = self._papers.get(timeout=wait)
                else:
                    papers = self._papers.get_nowait()
            except queue.Empty:
                return
            desk.answered += papers.answered
            desk.slow += papers.slow
            desk.behind_lane += papers.behind_lane
            desk.not_begun += papers.not_begun

    def _hand_in(self, desk: _Papers) -> None:
        """Does one kind of paper after the other; what fails stays on the desk."""
        if desk.slow:
            self._desk.mark_slow(desk.slow)
            desk.slow.clear()
        for trips, behind_lane in ((desk.behind_lane, True), (desk.not_begun, False)):
            if trips:
                self._desk.put_back([t.sending for t in trips], behind_lane=behind_lane)
                self._settle(trips)
                trips.clear()
        while desk.answered:
            self._record(desk.answered[:RECORD_AT_ONCE])
            del desk.answered[:RECORD_AT_ONCE]

    def _record(self, trips: Sequence[Trip]) -> None:
        attempts = [t.attempt for t in trips if t.attempt is not None]
        slow = sorted({t.integration_id for t in trips if t.slow or t.sending.slow})
        lanes = {
            t.integration_id: t.sending.notification.lane_token for t in trips if t.sending.slow
        }
        try:
            self._desk.record(attempts, slow, lanes)
        except BadRow as error:
            if len(trips) > 1:
                for trip in trips:
                    self._record([trip])
                return
            # One outcome must not keep all others from being recorded; its lease runs out.
            log.error("delivery.not_recorded", extra={"error": str(error)})  # noqa: TRY400 - it says all
        self._settle(trips)


def _one_less(numbers: dict[int, int], client_id: int) -> None:
    """Counts one of a client's off; who has none left is not in it."""
    left = numbers[client_id] - 1
    if left:
        numbers[client_id] = left
    else:
        del numbers[client_id]


def _attempt_of(trip: Trip, landed: Landed[Trip]) -> Attempt:
    n = trip.sending.notification
    return Attempt(
        notification_id=n.id,
        integration_id=n.integration_id,
        generation=trip.sending.generation,
        claim=n.claim,
        run=n.run,
        number=trip.sending.number,
        # The database's clock at the claim, and how far ours has moved since.
        at=trip.claim.now + timedelta(seconds=landed.began - trip.claim.began),
        duration=timedelta(seconds=max(landed.ended - landed.began, 0)),
        answer=landed.answer,
    )

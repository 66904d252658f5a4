"""The courier: makes a process's requests to PagerDuty side by side, and hands in what came of them.

Two threads and a pool. The dispatcher begins requests, watches their time and finds out who is slow;
the clerk records outcomes, some at a time, in the database. A task waits for its own at most 2 s:
what hangs is recorded when it ends, while the task's slot is free again (engine 9).
"""

import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from wallarm_notify.adapters.pagerduty.post import Flight, Poster, timed_out
from wallarm_notify.domain.errors import BadRow, NotifyError
from wallarm_notify.domain.notification import START_WITHIN
from wallarm_notify.domain.outcome import Answer, Attempt, FailureReason
from wallarm_notify.services.deliver import SLOW, Claim, Sending

log = logging.getLogger(__name__)

FAST_AT_ONCE: Final = 64
"""Requests a process has under way at once, those of slow integrations left out (engine 24)."""

SLOW_AT_ONCE: Final = 192
"""Requests of slow integrations a process has under way at once."""

SAME_AT_ONCE: Final = 16
"""Requests to one integration at once, so that one that begins to hang takes few with it."""

RECORD_EVERY: Final = 0.05
"""Seconds that outcomes gather before they are recorded together."""

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


class Tour:
    """The trips of one claim: a task waits for them."""

    def __init__(self, trips: int) -> None:
        self._left = trips
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._came = Counter[str]()
        if not trips:
            self._done.set()

    def settle(self, what: str) -> None:
        """One trip is over and done with: ``what`` came of it."""
        with self._lock:
            self._came[what] += 1
            self._left -= 1
            if self._left == 0:
                self._done.set()

    def wait(self, seconds: float) -> str:
        """Waits for the trips, at most so long; what came of them in words."""
        self._done.wait(seconds)
        with self._lock:
            parts = [f"{number} {what}" for what, number in sorted(self._came.items())]
            if self._left:
                parts.append(f"{self._left} still under way")
        return ", ".join(parts)


@dataclass(eq=False, slots=True)
class Trip:
    """One notification's request, from the claim to the record."""

    sending: Sending
    tour: Tour
    claim_began: float
    claim: Claim
    slow: bool
    flight: Flight | None = None
    settled: bool = False
    attempt: Attempt | None = None

    @property
    def integration_id(self) -> int:
        """Whose request it is."""
        return self.sending.notification.integration_id


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
        poster: Poster,
        desk: Desk,
        *,
        url: Callable[[Sending], str],
        pack: Callable[[Sending], bytes],
    ) -> None:
        self._poster = poster
        self._desk = desk
        self._url = url
        self._pack = pack
        self._jobs: queue.SimpleQueue[Trip] = queue.SimpleQueue()
        self._inbox: queue.SimpleQueue[Trip | None] = queue.SimpleQueue()
        self._waiting: deque[Trip] = deque()
        self._flying: dict[Trip, None] = {}
        self._senders_busy = 0
        self._papers: queue.SimpleQueue[_Papers] = queue.SimpleQueue()
        self._idle = threading.Event()
        self._idle.set()
        self._on_desk = 0
        self._count_lock = threading.Lock()
        for work in (self._dispatch, self._keep_books):
            threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True).start()
        # All at once: a limit of the system's shows now, not in the middle of a batch.
        self._senders = _start_senders(self._send, FAST_AT_ONCE + SLOW_AT_ONCE)

    def carry(self, claim: Claim, began: float) -> Tour:
        """Takes over a claim that was begun at ``began`` by the monotonic clock."""
        tour = Tour(len(claim.sendings))
        with self._count_lock:
            self._on_desk += len(claim.sendings)
            if claim.sendings:
                self._idle.clear()
        for sending in claim.sendings:
            self._inbox.put(Trip(sending, tour, began, claim, sending.slow))
        return tour

    def drain(self, seconds: float) -> bool:
        """Waits until everything taken over is recorded, at most so long; whether it is.

        What follows from it is enqueued now.
        """
        is_idle = self._idle.wait(seconds)
        self._desk.ring_gathered(at_once=True)
        return is_idle

    # The dispatcher's thread.

    def _dispatch(self) -> None:
        while True:
            busy = self._waiting or self._flying
            self._receive(_TICK if busy else None)
            try:
                papers = _Papers()
                now = time.monotonic()
                self._begin_trips(papers, now)
                self._watch(papers, now)
                if papers:
                    self._papers.put(papers)
            except Exception:
                log.exception("courier.dispatcher")

    def _receive(self, timeout: float | None) -> None:
        try:
            trip = self._inbox.get(timeout=timeout)
            while True:
                if trip is not None:
                    if trip.flight is None:
                        self._waiting.append(trip)
                    else:
                        self._flying.pop(trip, None)
                        self._senders_busy -= 1
                trip = self._inbox.get_nowait()
        except queue.Empty:
            pass

    def _begin_trips(self, papers: _Papers, now: float) -> None:
        fast = sum(not t.slow for t in self._flying)
        slow = len(self._flying) - fast
        same = Counter(t.integration_id for t in self._flying)
        hanging = {t.integration_id for t in self._flying if t.slow and not t.sending.slow}
        late = START_WITHIN.total_seconds() * 0.95
        kept: deque[Trip] = deque()
        while self._waiting:
            trip = self._waiting.popleft()
            if trip.integration_id in hanging:
                papers.behind_lane.append(trip)
            elif now - trip.claim_began >= late:
                papers.not_begun.append(trip)
            elif (
                self._senders_busy >= self._senders
                or same[trip.integration_id] >= SAME_AT_ONCE
                or (slow >= SLOW_AT_ONCE if trip.slow else fast >= FAST_AT_ONCE)
            ):
                kept.append(trip)
            else:
                same[trip.integration_id] += 1
                slow, fast = slow + trip.slow, fast + (not trip.slow)
                self._begin(trip)
        self._waiting = kept

    def _begin(self, trip: Trip) -> None:
        trip.flight = self._poster.flight()
        self._flying[trip] = None
        self._senders_busy += 1
        self._jobs.put(trip)

    def _watch(self, papers: _Papers, now: float) -> None:
        """Ends what is out of time, and sets apart whose answer is outstanding for a second."""
        newly_slow = set()
        for trip in list(self._flying):
            flight = trip.flight
            if flight is None:
                continue
            if not trip.slow and now - flight.began >= SLOW.total_seconds():
                trip.slow = True
                newly_slow.add(trip.integration_id)
            reason = flight.overdue(now)
            if reason is not None:
                self._flying.pop(trip, None)
                self._land(trip, timed_out(reason, now - flight.began), now)
                flight.abort()
        papers.slow.extend(sorted(newly_slow))

    # The senders' threads.

    def _send(self) -> None:
        while True:
            trip = self._jobs.get()
            try:
                self._fly(trip)
            except Exception:
                # Ours, not PagerDuty's: the lease runs out, and after ten such claims it ends.
                notification = trip.sending.notification.id
                log.exception("delivery.not_sent", extra={"notification": notification})
                self._settle(trip, "not sent")
            finally:
                self._inbox.put(trip)

    def _fly(self, trip: Trip) -> None:
        sending, flight = trip.sending, trip.flight
        if flight is None:
            raise AssertionError("a trip flies after it began")
        body = self._pack(sending)
        answer = self._poster.post(self._url(sending), body, sending.key, flight)
        self._land(trip, answer, time.monotonic())

    def _land(self, trip: Trip, answer: Answer, now: float) -> None:
        """The request is over: once, whoever says so first."""
        with self._count_lock:
            if trip.attempt is not None or trip.settled:
                return
            trip.attempt = _attempt_of(trip, answer, now)
        self._papers.put(_Papers(answered=[trip]))

    def _settle(self, trip: Trip, what: str) -> None:
        with self._count_lock:
            if trip.settled:
                return
            trip.settled = True
            self._on_desk -= 1
            if self._on_desk == 0:
                self._idle.set()
        trip.tour.settle(what)

    # The clerk's thread.

    def _keep_books(self) -> None:
        desk = _Papers()
        rest: float | None = None
        while True:
            self._gather(desk, rest)
            try:
                self._hand_in(desk)
                rest = self._desk.ring_gathered()
            except NotifyError as error:
                log.warning("courier.waits_for_database", extra={"error": str(error)})
                time.sleep(0.5)
            except Exception:
                log.exception("courier.clerk")
                time.sleep(0.5)

    def _gather(self, desk: _Papers, rest: float | None) -> None:
        """Takes in papers: till some outcomes lie there, or they have lain long enough.

        Where none come it is over after ``rest`` seconds.
        """
        until = time.monotonic() + RECORD_EVERY
        while len(desk.answered) < RECORD_AT_ONCE:
            wait = until - time.monotonic() if desk else rest
            if wait is not None and wait <= 0:
                return
            try:
                papers = self._papers.get(timeout=wait)
            except queue.Empty:
                return
            if not desk:
                until = time.monotonic() + RECORD_EVERY
            desk.answered += papers.answered
            desk.slow += papers.slow
            desk.behind_lane += papers.behind_lane
            desk.not_begun += papers.not_begun
            if self._inbox.empty() and self._papers.empty() and not self._flying:
                return

    def _hand_in(self, desk: _Papers) -> None:
        """Does one kind of paper after the other; what fails stays on the desk."""
        if desk.slow:
            self._desk.mark_slow(desk.slow)
            desk.slow.clear()
        for trips, behind_lane, what in (
            (desk.behind_lane, True, "waiting for a slow integration"),
            (desk.not_begun, False, "put back"),
        ):
            if trips:
                self._desk.put_back([t.sending for t in trips], behind_lane=behind_lane)
                for trip in trips:
                    self._settle(trip, what)
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
            self._settle(trips[0], "not recorded")
            return
        for trip in trips:
            if trip.attempt is not None:
                self._settle(trip, _came_of(trip.attempt.answer))


def _start_senders(work: Callable[[], None], wanted: int) -> int:
    """Starts the threads that send; how many there are, fewer where the system allows no more."""
    for started in range(wanted):
        try:
            threading.Thread(target=work, name=f"send-{started}", daemon=True).start()
        except RuntimeError as error:
            if started == 0:
                raise
            log.warning("courier.few_threads", extra={"threads": started, "error": str(error)})
            return started
    return wanted


def _attempt_of(trip: Trip, answer: Answer, now: float) -> Attempt:
    n = trip.sending.notification
    began = trip.flight.began if trip.flight else now
    return Attempt(
        notification_id=n.id,
        integration_id=n.integration_id,
        generation=trip.sending.generation,
        claim=n.claim,
        run=n.run,
        number=trip.sending.number,
        # The database's clock at the claim, and how far ours has moved since.
        at=trip.claim.now + timedelta(seconds=began - trip.claim_began),
        duration=timedelta(seconds=max(now - began, 0)),
        answer=answer,
    )


def _came_of(answer: Answer) -> str:
    if answer.reason is None:
        return "delivered"
    if answer.status is None or answer.reason is FailureReason.THROTTLED:
        return f"failed ({answer.reason})"
    return f"failed (HTTP {answer.status})"

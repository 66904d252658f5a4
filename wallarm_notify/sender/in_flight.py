"""What a process has in flight, claimed and not recorded yet: which requests begin, and which wait.

Each integration, each client and all slow integrations together are bulkheads: each has a limit of requests
under way, so that requests that hang, or come in masses, leave room for others (engine 11 and 24).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from threading import Condition
from typing import Final

from wallarm_notify.domain.notification import START_WITHIN
from wallarm_notify.domain.rate_limit import order_gap
from wallarm_notify.domain.sending import SLOW, Claim, Sending


@dataclass(frozen=True, slots=True)
class InFlightLimits:
    """How much may be in flight at once; times are in seconds.

    At most ``fast`` requests are under way at once, and ``slow`` more of slow integrations. Of the fast ones
    one client has at most ``of_client``, so that other clients' requests begin at once, and one integration has
    at most ``of_integration``, so that few requests hang when it begins to. Under a rate limit an integration's
    next request begins when its last one is answered or has been out for ``in_order_for``, so that they arrive
    in order (spec 5), or at once where that is 0. There is room for another claim while at most ``in_line`` wait
    for that, and while at most ``unrecorded`` others are in flight, answered or not.
    """

    fast: int = 80
    slow: int = 192
    of_client: int = 64
    of_integration: int = 16
    unrecorded: int = 300
    in_line: int = 300
    in_order_for: float = 0.25
    slow_after: float = SLOW.total_seconds()
    begin_within: float = START_WITHIN.total_seconds() * 0.95


LIMITS: Final = InFlightLimits()


def limits_under(rate_limit: int) -> InFlightLimits:
    """Return the limits where a key may have ``rate_limit`` requests a minute; 0: as many as there are."""
    return replace(LIMITS, in_order_for=order_gap(rate_limit))


@dataclass(eq=False, slots=True)
class Dispatch:
    """One claimed notification, from its claim to its record.

    ``is_slow``: its integration was slow at the claim, or has kept this request waiting for a second.
    ``is_in_order``: its integration's requests begin one after the other, as the rate limit spreads them anyway.
    ``is_in_line``: it was claimed while another of them had not ended.
    """

    sending: Sending
    claim: Claim
    integration_id: int
    client_id: int
    is_slow: bool
    is_in_order: bool
    is_in_line: bool = False

    @classmethod
    def of(cls, sending: Sending, claim: Claim, limits: InFlightLimits) -> "Dispatch":
        """Return the dispatch of one notification of ``claim``."""
        return cls(
            sending,
            claim,
            sending.notification.integration_id,
            sending.payload.event.client_id,
            is_slow=sending.slow,
            is_in_order=sending.grant is not None and limits.in_order_for > 0,
        )

    @property
    def holds_up(self) -> bool:
        """Whether no other claim is made until it has begun."""
        return not self.is_slow and not self.is_in_line


class Step(Enum):
    """What happens to a request that waits."""

    BEGIN = "it is to be sent now, and counts as under way"
    HOLD = "its integration has become slow: it goes back, to wait behind the bulkhead"
    RETURN = "it, or one that it must not overtake, could not begin within 2 s of its claim: it goes back"


class UnderWay:
    """The requests that have begun and not ended, within the limits of the bulkheads. Not thread-safe."""

    def __init__(self, limits: InFlightLimits) -> None:
        self._limits = limits
        self._fast: dict[Dispatch, float] = {}
        """When each request began, the oldest first."""
        self._slow: set[Dispatch] = set()
        self._of_client: dict[int, int] = {}
        """The number of fast requests of each client."""
        self._of_integration: dict[int, int] = {}
        self._last: dict[int, tuple[Dispatch, float]] = {}
        """The last request of each integration in order that has not ended, and when it began."""

    def __len__(self) -> int:
        return len(self._fast) + len(self._slow)

    def has_room_for(self, dispatch: Dispatch, now: float) -> bool:
        """Return whether every bulkhead of this request has room for it, and it is its turn."""
        limits = self._limits
        if dispatch.is_in_order and (last := self._last.get(dispatch.integration_id)) is not None:
            _, began = last
            if now - began < limits.in_order_for:
                return False
        if self._of_integration.get(dispatch.integration_id, 0) >= limits.of_integration:
            return False
        if dispatch.is_slow:
            return len(self._slow) < limits.slow
        of_client = self._of_client.get(dispatch.client_id, 0)
        return len(self._fast) < limits.fast and of_client < limits.of_client

    def begin(self, dispatch: Dispatch, now: float) -> None:
        """Count a request as under way."""
        _add(self._of_integration, dispatch.integration_id, 1)
        if dispatch.is_in_order:
            self._last[dispatch.integration_id] = (dispatch, now)
        if dispatch.is_slow:
            self._slow.add(dispatch)
        else:
            self._fast[dispatch] = now
            _add(self._of_client, dispatch.client_id, 1)

    def end(self, dispatch: Dispatch) -> None:
        """Stop counting a request as under way."""
        last = self._last.get(dispatch.integration_id)
        if last is not None and last[0] is dispatch:
            del self._last[dispatch.integration_id]
        if self._fast.pop(dispatch, None) is None:
            self._slow.remove(dispatch)
        else:
            _add(self._of_client, dispatch.client_id, -1)
        _add(self._of_integration, dispatch.integration_id, -1)

    def become_slow(self, now: float) -> list[Dispatch]:
        """Return the requests without an answer for too long, now marked as slow; they make room for others."""
        found = []
        for dispatch, began in self._fast.items():
            if now - began < self._limits.slow_after:
                break  # all further requests began later
            found.append(dispatch)
        for dispatch in found:
            dispatch.is_slow = True
            del self._fast[dispatch]
            self._slow.add(dispatch)
            _add(self._of_client, dispatch.client_id, -1)
        return found

    def hanging(self) -> set[int]:
        """Return the ids of the integrations that have become slow by requests under way."""
        return {d.integration_id for d in self._slow if not d.sending.slow}


class InFlight:
    """Everything that a process has in flight: waiting, under way, or to be recorded.

    It is thread-safe: every method is one step, and only the methods named ``wait…`` block. The dispatcher
    alone moves requests from one state to the next. ``now`` is the monotonic clock; ``age_now`` is a clock that
    goes on while the machine sleeps, for the age of claims.
    """

    def __init__(self, limits: InFlightLimits = LIMITS) -> None:
        self._limits = limits
        self._changed = Condition()
        self._waiting: deque[Dispatch] = deque()
        self._passed_over: deque[Dispatch] = deque()
        """Requests that wait, too: in this round there was no room for them."""
        self._waits: set[int] = set()
        """The integrations in order of which one was passed over in this round: no later one may begin in it."""
        self._went_back: set[tuple[int, int]] = set()
        """Integrations in order, each with a severity of which one went back in this round: later ones follow it."""
        self._unbegun: dict[int, int] = {}
        """The number of fast requests of each client that have not begun, without those in line."""
        self._lines: dict[int, int] = {}
        """The number of requests of each integration in order that have not ended."""
        self._in_line: dict[int, int] = {}
        """The number of fast requests of each client in line that have not begun."""
        self._under_way = UnderWay(limits)
        self._hanging: set[int] = set()
        self._unrecorded: set[Dispatch] = set()
        """All fast requests, whatever their state."""
        self._unrecorded_slow: set[Dispatch] = set()

    # Called by the tasks that claim.

    def add(self, claim: Claim) -> None:
        """Let the notifications of ``claim`` wait until there is room for each."""
        dispatches = [Dispatch.of(sending, claim, self._limits) for sending in claim.sendings]
        with self._changed:
            self._waiting.extend(dispatches)
            self._unrecorded.update(d for d in dispatches if not d.is_slow)
            self._unrecorded_slow.update(d for d in dispatches if d.is_slow)
            for dispatch in dispatches:
                if dispatch.is_in_order:
                    dispatch.is_in_line = dispatch.integration_id in self._lines
                    _add(self._lines, dispatch.integration_id, 1)
                self._count_waiting(dispatch, 1)

    def room(self, client_ids: Iterable[int]) -> dict[int, int]:
        """Return how many more notifications of each client may be claimed now.

        All of them begin within two rounds of answers. However many of one client wait, there is room for
        others. One integration's begin more slowly; those that do not begin in time are put back.
        """
        limits = self._limits
        with self._changed:
            if self._records_lag():
                return dict.fromkeys(client_ids, 0)
            ahead = sum(min(number, limits.of_client) for number in self._unbegun.values())
            most = 2 * limits.fast - ahead
            return {
                i: max(min(2 * limits.of_client - self._unbegun_of(i), most), 0) for i in client_ids
            }

    def wait_for_room(self, seconds: float) -> bool:
        """Return whether there is room for another claim, within ``seconds`` of waiting (back-pressure).

        There is room when every request has begun and not too many are unrecorded: whatever is claimed before
        would have to be put back. Slow integrations do not count.
        """
        with self._changed:
            return self._changed.wait_for(self._has_room, seconds)

    def wait_until_recorded(self, seconds: float) -> bool:
        """Return whether nothing is in flight, within ``seconds`` of waiting."""
        with self._changed:
            return self._changed.wait_for(lambda: self._total() == 0, seconds)

    # Called by the dispatcher.

    def start_round(self, now: float) -> list[int]:
        """Let every waiting request be considered again; return which integrations became slow.

        The most severe comes first, then what was claimed first (spec 5). An integration becomes slow when one of
        its answers has been outstanding for a second (engine 11).
        """
        with self._changed:
            self._waiting.extendleft(reversed(self._passed_over))
            self._passed_over.clear()
            self._waits.clear()
            self._went_back.clear()
            if len(self._waiting) > 1:
                self._waiting = deque(sorted(self._waiting, key=_severity_of, reverse=True))
            slow = self._under_way.become_slow(now)
            self._hanging = self._under_way.hanging()
            self._unrecorded.difference_update(slow)
            self._unrecorded_slow.update(slow)
            self._wake_waiting()
            return sorted({d.integration_id for d in slow})

    def next(self, now: float, age_now: float) -> tuple[Step, Dispatch] | None:
        """Return the next request that need not wait longer, and what happens to it; None if there is none."""
        with self._changed:
            while self._waiting:
                dispatch = self._waiting.popleft()
                step = self._step(dispatch, now, age_now)
                if step is None:
                    self._pass_over(dispatch)
                    continue
                self._count_waiting(dispatch, -1)
                if step is Step.BEGIN:
                    self._under_way.begin(dispatch, now)
                elif dispatch.is_in_order:
                    _add(self._lines, dispatch.integration_id, -1)
                if not dispatch.is_slow:
                    self._wake_waiting()
                return step, dispatch
            return None

    def end(self, dispatches: Iterable[Dispatch]) -> None:
        """Note that these requests are over, however they ended; they are still to be recorded."""
        with self._changed:
            for dispatch in dispatches:
                self._under_way.end(dispatch)
                if dispatch.is_in_order:
                    _add(self._lines, dispatch.integration_id, -1)

    @property
    def is_busy(self) -> bool:
        """Whether any request waits or is under way."""
        with self._changed:
            return bool(self._waiting or self._passed_over or self._under_way)

    # Called by the recorder.

    def forget(self, dispatches: Sequence[Dispatch]) -> None:
        """Remove what is recorded or was given back; a second call for the same is harmless."""
        with self._changed:
            self._unrecorded.difference_update(dispatches)
            self._unrecorded_slow.difference_update(dispatches)
            self._wake_waiting()

    # Counts.

    @property
    def waiting(self) -> int:
        """The number of requests that have not begun."""
        with self._changed:
            return len(self._waiting) + len(self._passed_over)

    @property
    def under_way(self) -> int:
        """The number of requests under way."""
        with self._changed:
            return len(self._under_way)

    @property
    def unrecorded(self) -> int:
        """The number of requests in flight, whatever their state."""
        with self._changed:
            return self._total()

    # Called with the lock held.

    def _count_waiting(self, dispatch: Dispatch, change: int) -> None:
        """Count a request that begins to wait, or ceases to."""
        if dispatch.holds_up:
            _add(self._unbegun, dispatch.client_id, change)
        elif not dispatch.is_slow:
            _add(self._in_line, dispatch.client_id, change)

    def _pass_over(self, dispatch: Dispatch) -> None:
        self._passed_over.append(dispatch)
        if dispatch.is_in_order:
            self._waits.add(dispatch.integration_id)

    def _step(self, dispatch: Dispatch, now: float, age_now: float) -> Step | None:
        """Return what happens to a request that waits, or None if it waits on."""
        if dispatch.integration_id in self._hanging:
            return Step.HOLD
        kind = dispatch.integration_id, _severity_of(dispatch)
        if age_now - dispatch.claim.began >= self._limits.begin_within or kind in self._went_back:
            if dispatch.is_in_order:
                self._went_back.add(kind)
            return Step.RETURN
        if dispatch.is_in_order and dispatch.integration_id in self._waits:
            return None
        return Step.BEGIN if self._under_way.has_room_for(dispatch, now) else None

    def _has_room(self) -> bool:
        in_line = sum(self._in_line.values())
        return not self._unbegun and in_line <= self._limits.in_line and not self._records_lag()

    def _records_lag(self) -> bool:
        """Return whether so much is unrecorded, without those in line, that nothing more is claimed."""
        unrecorded = len(self._unrecorded) - sum(self._in_line.values())
        return unrecorded > self._limits.unrecorded

    def _unbegun_of(self, client_id: int) -> int:
        return self._unbegun.get(client_id, 0) + self._in_line.get(client_id, 0)

    def _total(self) -> int:
        return len(self._unrecorded) + len(self._unrecorded_slow)

    def _wake_waiting(self) -> None:
        """Wake the threads that wait for room, or for nothing to be in flight, which is room too."""
        if self._has_room():
            self._changed.notify_all()


def _severity_of(dispatch: Dispatch) -> int:
    return int(dispatch.sending.notification.severity)


def _add(numbers: dict[int, int], key: int, change: int) -> None:
    """Add ``change`` to the number of ``key``; a number of 0 is removed."""
    number = numbers.get(key, 0) + change
    if number:
        numbers[key] = number
    else:
        del numbers[key]

"""What a process has in flight: claimed, and not recorded yet. It decides which requests begin, and which wait.

Each integration, each client and all slow integrations together are bulkheads: they have so many requests
under way at most, so that whatever hangs or comes in masses leaves room for others (engine 11 and 24).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from threading import Condition
from typing import Final

from wallarm_notify.domain.notification import START_WITHIN
from wallarm_notify.domain.sending import SLOW, Claim, Sending


@dataclass(frozen=True, slots=True)
class InFlightLimits:
    """How much may be in flight at once; times in seconds.

    ``fast`` requests may be under way at once, those of slow integrations left out, of which there may be
    ``slow`` more. However much one client has to be sent, ``of_client`` of the fast ones are its at most, so
    that another's begin at once; ``of_integration`` go to one integration, so that one that begins to hang takes
    few with it. The next claim is welcome while at most ``unrecorded`` lie here, answered or not.
    """

    fast: int = 80
    slow: int = 192
    of_client: int = 64
    of_integration: int = 16
    unrecorded: int = 300
    slow_after: float = SLOW.total_seconds()
    begin_within: float = START_WITHIN.total_seconds() * 0.95


LIMITS: Final = InFlightLimits()


@dataclass(eq=False, slots=True)
class Dispatch:
    """One claimed notification, from its claim to its record.

    ``is_slow``: its integration was slow when it was claimed, or has kept it waiting for a second.
    """

    sending: Sending
    claim: Claim
    integration_id: int
    client_id: int
    is_slow: bool

    @classmethod
    def of(cls, sending: Sending, claim: Claim) -> "Dispatch":
        """Return the dispatch of what ``claim`` has claimed."""
        client_id = sending.payload.event.client_id
        return cls(sending, claim, sending.notification.integration_id, client_id, sending.slow)


class Step(Enum):
    """What becomes of a request that waits."""

    BEGIN = "it is to be sent now, and counts as under way"
    HOLD = "its integration has become slow: it goes back, to wait behind the bulkhead"
    RETURN = "it could not begin within 2 s of its claim: it goes back"


class UnderWay:
    """Requests that have begun and not ended, each within the limits of its bulkheads. For one thread at a time."""

    def __init__(self, limits: InFlightLimits) -> None:
        self._limits = limits
        self._fast: dict[Dispatch, float] = {}
        """When each began, the oldest first."""
        self._slow: set[Dispatch] = set()
        self._of_client: dict[int, int] = {}
        """How many of the fast ones are each client's."""
        self._of_integration: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._fast) + len(self._slow)

    def has_room_for(self, dispatch: Dispatch) -> bool:
        """Return whether every bulkhead that this one passes has room for it."""
        limits = self._limits
        if self._of_integration.get(dispatch.integration_id, 0) >= limits.of_integration:
            return False
        if dispatch.is_slow:
            return len(self._slow) < limits.slow
        of_client = self._of_client.get(dispatch.client_id, 0)
        return len(self._fast) < limits.fast and of_client < limits.of_client

    def begin(self, dispatch: Dispatch, now: float) -> None:
        """Count it as under way."""
        _add(self._of_integration, dispatch.integration_id, 1)
        if dispatch.is_slow:
            self._slow.add(dispatch)
        else:
            self._fast[dispatch] = now
            _add(self._of_client, dispatch.client_id, 1)

    def end(self, dispatch: Dispatch) -> None:
        """Count it no more."""
        if self._fast.pop(dispatch, None) is None:
            self._slow.remove(dispatch)
        else:
            _add(self._of_client, dispatch.client_id, -1)
        _add(self._of_integration, dispatch.integration_id, -1)

    def become_slow(self, now: float) -> list[Dispatch]:
        """Mark as slow whatever has been outstanding for too long, and return it; it makes room for others."""
        found = []
        for dispatch, began in self._fast.items():
            if now - began < self._limits.slow_after:
                break  # the others began later
            found.append(dispatch)
        for dispatch in found:
            dispatch.is_slow = True
            del self._fast[dispatch]
            self._slow.add(dispatch)
            _add(self._of_client, dispatch.client_id, -1)
        return found

    def hanging(self) -> set[int]:
        """Return the integrations that have become slow by what is under way."""
        return {d.integration_id for d in self._slow if not d.sending.slow}


class InFlight:
    """The one owner of what a process has in flight: what waits, what is under way, what is to be recorded.

    It may be used from several threads: every method is one step, and none waits but those that say so. The
    dispatcher alone moves requests from one state to the next. ``now`` is the monotonic clock; ``age_now``
    is one that goes on while the machine sleeps, by which claims grow old.
    """

    def __init__(self, limits: InFlightLimits = LIMITS) -> None:
        self._limits = limits
        self._changed = Condition()
        self._waiting: deque[Dispatch] = deque()
        self._passed_over: deque[Dispatch] = deque()
        """Those that wait, too: in this round there was no room for them."""
        self._unbegun: dict[int, int] = {}
        """How many of these are of each client, slow ones left out."""
        self._under_way = UnderWay(limits)
        self._hanging: set[int] = set()
        self._unrecorded: set[Dispatch] = set()
        """All of them, whatever their state, but for slow ones."""
        self._unrecorded_slow: set[Dispatch] = set()

    # For whoever claims.

    def add(self, claim: Claim) -> None:
        """Let what ``claim`` has claimed wait for its turn."""
        dispatches = [Dispatch.of(sending, claim) for sending in claim.sendings]
        fast = [d for d in dispatches if not d.is_slow]
        with self._changed:
            self._waiting.extend(dispatches)
            self._unrecorded.update(fast)
            self._unrecorded_slow.update(d for d in dispatches if d.is_slow)
            for dispatch in fast:
                _add(self._unbegun, dispatch.client_id, 1)

    def room(self, client_ids: Iterable[int]) -> dict[int, int]:
        """Return how many more of each client may be claimed so that all begin within two rounds of answers.

        However much of one client waits, there is room for others. Of one integration fewer begin at once;
        what does not in time is put back.
        """
        limits = self._limits
        with self._changed:
            if len(self._unrecorded) > limits.unrecorded:
                return dict.fromkeys(client_ids, 0)
            ahead = sum(min(number, limits.of_client) for number in self._unbegun.values())
            most = 2 * limits.fast - ahead
            return {
                i: max(min(2 * limits.of_client - self._unbegun.get(i, 0), most), 0)
                for i in client_ids
            }

    def wait_for_room(self, seconds: float) -> bool:
        """Wait, at most so long, until the next claim is welcome; return whether it is (back-pressure).

        That is when every request has begun, and not too many are to be recorded: what is claimed
        before there is a place for it would have to be put back. Slow integrations are left out.
        """
        with self._changed:
            return self._changed.wait_for(self._has_room, seconds)

    def wait_until_recorded(self, seconds: float) -> bool:
        """Wait, at most so long, until nothing is in flight; return whether nothing is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._total() == 0, seconds)

    # For the dispatcher.

    def start_round(self, now: float) -> list[int]:
        """Let all that waits be looked at again, from the oldest on; return which integrations became slow.

        Those are the ones whose answer has been outstanding for a second (engine 11).
        """
        with self._changed:
            self._waiting.extendleft(reversed(self._passed_over))
            self._passed_over.clear()
            slow = self._under_way.become_slow(now)
            self._hanging = self._under_way.hanging()
            self._unrecorded.difference_update(slow)
            self._unrecorded_slow.update(slow)
            self._tell()
            return sorted({d.integration_id for d in slow})

    def next(self, now: float, age_now: float) -> tuple[Step, Dispatch] | None:
        """Return what becomes of the next request that need not wait longer; None: nothing in this round."""
        with self._changed:
            while self._waiting:
                dispatch = self._waiting.popleft()
                step = self._step(dispatch, age_now)
                if step is None:
                    self._passed_over.append(dispatch)
                    continue
                if step is Step.BEGIN:
                    self._under_way.begin(dispatch, now)
                if not dispatch.is_slow:
                    _add(self._unbegun, dispatch.client_id, -1)
                    self._tell()
                return step, dispatch
            return None

    def end(self, dispatches: Iterable[Dispatch]) -> None:
        """Note that these requests are over, however they ended; they are still to be recorded."""
        with self._changed:
            for dispatch in dispatches:
                self._under_way.end(dispatch)

    @property
    def is_busy(self) -> bool:
        """Whether anything waits or is under way."""
        with self._changed:
            return bool(self._waiting or self._passed_over or self._under_way)

    # For the recorder.

    def forget(self, dispatches: Sequence[Dispatch]) -> None:
        """Let go of what is recorded, or was given back; again is harmless."""
        with self._changed:
            self._unrecorded.difference_update(dispatches)
            self._unrecorded_slow.difference_update(dispatches)
            self._tell()

    # How much of it there is.

    @property
    def waiting(self) -> int:
        """How many requests have not begun."""
        with self._changed:
            return len(self._waiting) + len(self._passed_over)

    @property
    def under_way(self) -> int:
        """How many requests are outstanding."""
        with self._changed:
            return len(self._under_way)

    @property
    def unrecorded(self) -> int:
        """How many are in flight, whatever their state."""
        with self._changed:
            return self._total()

    # Within one step.

    def _step(self, dispatch: Dispatch, age_now: float) -> Step | None:
        """Return what becomes of a request that waits; None: it waits on."""
        if dispatch.integration_id in self._hanging:
            return Step.HOLD
        if age_now - dispatch.claim.began >= self._limits.begin_within:
            return Step.RETURN
        return Step.BEGIN if self._under_way.has_room_for(dispatch) else None

    def _has_room(self) -> bool:
        return not self._unbegun and len(self._unrecorded) <= self._limits.unrecorded

    def _total(self) -> int:
        return len(self._unrecorded) + len(self._unrecorded_slow)

    def _tell(self) -> None:
        """Wake those who wait; where nothing is in flight there is room, too."""
        if self._has_room():
            self._changed.notify_all()


def _add(numbers: dict[int, int], key: int, change: int) -> None:
    """Add to one of ``numbers``; what comes to nothing is not in it."""
    number = numbers.get(key, 0) + change
    if number:
        numbers[key] = number
    else:
        del numbers[key]

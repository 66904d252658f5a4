"""What a process has in flight: claimed, and not recorded yet. It decides which requests begin, and which wait.

Each integration, each client and all slow integrations together are bulkheads: they have so many requests
under way at most, so that whatever hangs or comes in masses leaves room for others (engine 11 and 24).
"""

from collections import deque
from collections.abc import Iterable
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
        client_id = sending.cargo.event.client_id
        return cls(sending, claim, sending.notification.integration_id, client_id, sending.slow)


class Step(Enum):
    """What becomes of a request that waits."""

    BEGIN = "it is to be sent now, and counts as under way"
    HOLD = "its integration has become slow: it goes back, to wait behind the bulkhead"
    RETURN = "it could not begin within 2 s of its claim: it goes back"


class InFlight:
    """The one owner of a process's requests: each is waiting, under way, or over and to be recorded.

    It may be used from several threads: every method is one step, and none of them waits but those that say
    so. The dispatcher alone takes requests from one state to the next. ``now`` is the monotonic clock;
    ``age_now`` is a clock that goes on while the machine sleeps, by which claims grow old.
    """

    def __init__(self, limits: InFlightLimits = LIMITS) -> None:
        self._limits = limits
        self._changed = Condition()
        self._waiting: deque[Dispatch] = deque()
        self._passed_over: deque[Dispatch] = deque()
        """Those of this round for which there was no room."""
        self._unbegun: dict[int, int] = {}
        """How many wait of each client that has some, slow ones left out."""
        self._fast: dict[Dispatch, float] = {}
        """Under way, and when each began, the oldest first."""
        self._slow: set[Dispatch] = set()
        """Under way, of slow integrations."""
        self._of_client: dict[int, int] = {}
        """How many of the fast ones are each client's."""
        self._of_integration: dict[int, int] = {}
        """How many under way are each integration's."""
        self._hanging: set[int] = set()
        """Integrations that have become slow by what is under way."""
        self._unrecorded: set[Dispatch] = set()
        self._unrecorded_slow: set[Dispatch] = set()

    # For whoever claims.

    def add(self, claim: Claim) -> None:
        """Let what ``claim`` has claimed wait for its turn."""
        with self._changed:
            for sending in claim.sendings:
                dispatch = Dispatch.of(sending, claim)
                self._waiting.append(dispatch)
                if dispatch.is_slow:
                    self._unrecorded_slow.add(dispatch)
                else:
                    self._unrecorded.add(dispatch)
                    _count(self._unbegun, dispatch.client_id, 1)

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
            return self._changed.wait_for(lambda: self._count_unrecorded() == 0, seconds)

    # For the dispatcher.

    def start_round(self, now: float) -> list[int]:
        """Let all that waits be looked at again, from the oldest on; return which integrations became slow.

        Those are the ones whose answer has been outstanding for a second.
        """
        with self._changed:
            self._waiting.extendleft(reversed(self._passed_over))
            self._passed_over.clear()
            newly_slow = set()
            while self._fast:
                dispatch, began = next(iter(self._fast.items()))
                if now - began < self._limits.slow_after:
                    break  # the others began later
                self._become_slow(dispatch)
                newly_slow.add(dispatch.integration_id)
            self._hanging = {d.integration_id for d in self._slow if not d.sending.slow}
            if newly_slow:
                self._tell()
            return sorted(newly_slow)

    def next(self, now: float, age_now: float) -> tuple[Step, Dispatch] | None:
        """Return what becomes of the next request that need not wait longer; None: nothing in this round."""
        with self._changed:
            while self._waiting:
                dispatch = self._waiting.popleft()
                if dispatch.integration_id in self._hanging:
                    return self._leave_queue(dispatch, Step.HOLD)
                if age_now - dispatch.claim.began >= self._limits.begin_within:
                    return self._leave_queue(dispatch, Step.RETURN)
                if self._may_begin(dispatch):
                    self._start(dispatch, now)
                    return self._leave_queue(dispatch, Step.BEGIN)
                self._passed_over.append(dispatch)
            return None

    def end(self, dispatches: Iterable[Dispatch]) -> None:
        """Note that these requests are over, however they ended; they are still to be recorded."""
        with self._changed:
            for dispatch in dispatches:
                if self._fast.pop(dispatch, None) is not None:
                    _count(self._of_client, dispatch.client_id, -1)
                else:
                    self._slow.remove(dispatch)
                _count(self._of_integration, dispatch.integration_id, -1)

    @property
    def is_busy(self) -> bool:
        """Whether anything waits or is under way."""
        with self._changed:
            return bool(self._waiting or self._passed_over or self._fast or self._slow)

    # For the recorder.

    def forget(self, dispatches: Iterable[Dispatch]) -> None:
        """Let go of what is recorded, or was given back; again is harmless."""
        with self._changed:
            self._unrecorded.difference_update(dispatches := list(dispatches))
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
            return len(self._fast) + len(self._slow)

    @property
    def unrecorded(self) -> int:
        """How many are in flight, whatever their state."""
        with self._changed:
            return self._count_unrecorded()

    # Within one step.

    def _may_begin(self, dispatch: Dispatch) -> bool:
        limits = self._limits
        if self._of_integration.get(dispatch.integration_id, 0) >= limits.of_integration:
            return False
        if dispatch.is_slow:
            return len(self._slow) < limits.slow
        of_client = self._of_client.get(dispatch.client_id, 0)
        return len(self._fast) < limits.fast and of_client < limits.of_client

    def _start(self, dispatch: Dispatch, now: float) -> None:
        _count(self._of_integration, dispatch.integration_id, 1)
        if dispatch.is_slow:
            self._slow.add(dispatch)
        else:
            self._fast[dispatch] = now
            _count(self._of_client, dispatch.client_id, 1)

    def _leave_queue(self, dispatch: Dispatch, step: Step) -> tuple[Step, Dispatch]:
        if not dispatch.is_slow:
            _count(self._unbegun, dispatch.client_id, -1)
            self._tell()
        return step, dispatch

    def _become_slow(self, dispatch: Dispatch) -> None:
        dispatch.is_slow = True
        del self._fast[dispatch]
        _count(self._of_client, dispatch.client_id, -1)
        self._slow.add(dispatch)
        self._unrecorded.discard(dispatch)
        self._unrecorded_slow.add(dispatch)

    def _has_room(self) -> bool:
        return not self._unbegun and len(self._unrecorded) <= self._limits.unrecorded

    def _count_unrecorded(self) -> int:
        return len(self._unrecorded) + len(self._unrecorded_slow)

    def _tell(self) -> None:
        """Wake those who wait; where nothing is in flight there is room, too."""
        if self._has_room():
            self._changed.notify_all()


def _count(numbers: dict[int, int], key: int, change: int) -> None:
    """Add to one of ``numbers``; what comes to nothing is not in it."""
    number = numbers.get(key, 0) + change
    if number:
        numbers[key] = number
    else:
        del numbers[key]

"""Places: the attempts of a notification's run on the three cycles, those made and those to come (spec 5)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from wallarm_notify.domain.notification import State
from wallarm_notify.domain.outcome import FailureReason, message_of
from wallarm_notify.domain.retry import CYCLES, wait_after
from wallarm_notify.domain.views import ShownAttempt, ShownNotification
from wallarm_notify.domain.words import counted, duration_of

CYCLE_NAMES: Final = ("First cycle", "Second cycle", "Third cycle")

_FIRST_OF_CYCLE: Final = (1, len(CYCLES[0]) + 2, len(CYCLES[0]) + len(CYCLES[1]) + 2)
"""The attempt that each cycle begins with: 1, 7, 12. The very first one waits for nothing."""

_LATER: Final = timedelta(seconds=2)
"""By so much an attempt may begin later than its wait without a reason of its own."""

_UNANSWERED: Final = (FailureReason.TIMEOUT, FailureReason.RESET)
"""Failures after which the alert may have arrived all the same."""


class PlaceState(StrEnum):
    """What a place holds: an attempt, or none yet, or none ever."""

    FAILED = "failed"
    ACCEPTED = "accepted"
    NEXT = "next"
    TO_COME = "to come"
    UNUSED = "not made"
    UNKNOWN = "not kept"


@dataclass(frozen=True, slots=True)
class Place:
    """One of the attempts that a run has at most.

    ``at`` is when the attempt began, or will at the earliest; None: it will not, or is not kept. ``wait`` is how long
    it waits after the answer before; ``planned`` is what its cycle says, and None for the first attempt.
    """

    number: int
    state: PlaceState
    at: datetime | None = None
    wait: timedelta = timedelta()
    planned: timedelta | None = None
    attempt: ShownAttempt | None = None

    @property
    def wait_words(self) -> str:
        """``at once``, ``after 10 s``."""
        if self.wait < timedelta(milliseconds=1):
            return "at once"
        return f"after {duration_of(self.wait.total_seconds())}"

    @property
    def is_made(self) -> bool:
        """Whether a request was made for it."""
        return self.state in (PlaceState.FAILED, PlaceState.ACCEPTED)

    @property
    def is_delayed(self) -> bool:
        """Whether it waits longer than its cycle says."""
        return self.planned is not None and self.wait > self.planned + _LATER

    @property
    def code(self) -> str:
        """What it came to in a word: ``503``, ``timeout``, or its number where it came to nothing yet."""
        if self.attempt is None:
            return str(self.number)
        if self.attempt.status_code is not None:
            return str(self.attempt.status_code)
        is_late = self.attempt.error in (FailureReason.TIMEOUT, FailureReason.CONNECT_TIMEOUT)
        return "timeout" if is_late else "error"


@dataclass(frozen=True, slots=True)
class Cycle:
    """One of the cycles, with its places."""

    name: str
    places: Sequence[Place]

    @property
    def words(self) -> str:
        """``6 attempts, waits of 1, 3, 5, 10, 10 s``, and what came of them."""
        planned = [p.planned for p in self.places if p.planned is not None]
        return (
            f"{counted(len(self.places), 'attempt')}, waits of {_waits(planned)} · {self._came_to}"
        )

    @property
    def spread_words(self) -> str:
        """How far its attempts are apart, in few words."""
        longest = max(
            (p.planned for p in self.places if p.planned is not None), default=timedelta()
        )
        if self.places[0].number == _FIRST_OF_CYCLE[0]:
            return "seconds apart"
        return f"up to {duration_of(longest.total_seconds())} apart"

    @property
    def _came_to(self) -> str:
        counts = {s: sum(p.state is s for p in self.places) for s in PlaceState}
        counts[PlaceState.TO_COME] += counts.pop(PlaceState.NEXT)
        present = [(state, number) for state, number in counts.items() if number]
        if len(present) == 1:
            return f"all {present[0][0]}" if len(self.places) > 1 else str(present[0][0])
        return ", ".join(f"{number} {state}" for state, number in present)


def cycles_of(shown: ShownNotification, *, scale: float = 1.0) -> list[Cycle]:
    """Return the cycles of the present run; ``scale`` multiplies the waits, for demos."""
    places = list(_places(shown, scale))
    ends = [*(first - 1 for first in _FIRST_OF_CYCLE[1:]), len(places)]
    starts = [first - 1 for first in _FIRST_OF_CYCLE]
    return [
        Cycle(name, places[start:end])
        for name, start, end in zip(CYCLE_NAMES, starts, ends, strict=True)
        if start < len(places)
    ]


def attempts_of_run(shown: ShownNotification, run: int) -> list[ShownAttempt]:
    """Return the attempts of a run by their numbers, of several with a number the one that counts."""
    found: dict[int, ShownAttempt] = {}
    for attempt in shown.attempts:
        known = found.get(attempt.number)
        if attempt.run == run and (known is None or known.error is not None):
            found[attempt.number] = attempt
    return [found[number] for number in sorted(found)]


def _places(shown: ShownNotification, scale: float) -> Iterator[Place]:
    made = {a.number: a for a in attempts_of_run(shown, shown.run)}
    at = shown.next_attempt_at
    for number in range(1, shown.attempts_at_most + 1):
        planned = (
            None if number == 1 else wait_after(number - 1, closing=shown.closing, scale=scale)
        )
        if number in made:
            yield _made(made[number], made.get(number - 1), planned)
        elif number <= shown.attempts_made:
            yield Place(number, PlaceState.UNKNOWN, planned=planned, wait=planned or timedelta())
        elif at is None:
            yield Place(number, PlaceState.UNUSED, planned=planned, wait=planned or timedelta())
        elif number == shown.attempts_made + 1:
            yield _next(shown, number, at, planned)
        else:
            wait = planned or timedelta()
            at += wait
            yield Place(number, PlaceState.TO_COME, at, wait, planned)


def _made(attempt: ShownAttempt, before: ShownAttempt | None, planned: timedelta | None) -> Place:
    state = PlaceState.ACCEPTED if attempt.error is None else PlaceState.FAILED
    wait = planned or timedelta()
    if before is not None:
        waited = attempt.at - _answered_at(before)
        if waited > wait + _LATER:
            wait = timedelta(seconds=round(waited.total_seconds()))
    return Place(attempt.number, state, attempt.at, wait, planned, attempt)


def _next(shown: ShownNotification, number: int, at: datetime, planned: timedelta | None) -> Place:
    wait = planned or timedelta()
    if shown.last_answered_at is not None and shown.attempts_made:
        waited = at - shown.last_answered_at
        if waited > wait + _LATER:
            wait = timedelta(seconds=round(waited.total_seconds()))
    return Place(number, PlaceState.NEXT, at, wait, planned)


def _answered_at(attempt: ShownAttempt) -> datetime:
    return attempt.at + timedelta(milliseconds=attempt.duration_ms)


def delay_words(place: Place, shown: ShownNotification) -> str | None:
    """Return why the next attempt waits longer than its cycle says; None: it does not."""
    if shown.grant_at is not None:
        return "It waits for its turn: the key has had all that the rate limit allows for now."
    if not place.is_delayed or place.planned is None:
        return None
    cycle = duration_of(place.planned.total_seconds())
    asked = shown.last_status_code is not None
    if asked:
        return f"The cycle says {cycle}; PagerDuty asked for {duration_of(place.wait.total_seconds())}."
    return f"The cycle says {cycle}."


def answer_words(attempt: ShownAttempt) -> tuple[str, str]:
    """Return an answer in words: the code or that there was none, and what was answered."""
    if attempt.status_code is not None:
        message = " ".join(message_of(attempt.response).split())
        words = dict.fromkeys(filter(None, [_phrase(attempt.status_code), message]))
        return str(attempt.status_code), ": ".join(words)
    within = duration_of(attempt.duration_ms / 1000)
    if attempt.error in _UNANSWERED:
        return "No answer", f"within {within}; may have arrived"
    return "No answer", f"within {within}: {_network_words(attempt.error)}"


def failure_words(status: int | None, error: str) -> tuple[str, str]:
    """Return a kind of failure in words: the code or that there was none, and what it says."""
    if status is not None:
        return str(status), _phrase(status)
    if error in _UNANSWERED:
        return "No answer", "in time; they may have arrived"
    return "No answer", _network_words(error)


def _network_words(error: str | None) -> str:
    reason = FailureReason.NETWORK if error is None else FailureReason(error)
    return _NETWORK.get(reason, "the network failed")


_NETWORK: Final = {
    FailureReason.DNS: "the host could not be looked up",
    FailureReason.REFUSED: "the connection was refused",
    FailureReason.TLS: "the certificate is not trusted",
    FailureReason.CONNECT_TIMEOUT: "no connection was made",
    FailureReason.NETWORK: "the network failed",
}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown status"


def _waits(planned: Sequence[timedelta]) -> str:
    minute = timedelta(minutes=1)
    if planned and all(wait >= minute and not wait % minute for wait in planned):
        return f"{', '.join(str(wait // minute) for wait in planned)} min"
    return f"{', '.join(f'{wait.total_seconds():g}' for wait in planned)} s"


def totals_words(shown: ShownNotification, cycles: Sequence[Cycle]) -> str:
    """Return how many attempts are made and to come in words."""
    states = [place.state for cycle in cycles for place in cycle.places]
    to_come = sum(state in (PlaceState.NEXT, PlaceState.TO_COME) for state in states)
    if to_come:
        return f"{shown.attempts_made} made, {to_come} to come, at the earliest as shown"
    unused = sum(state is PlaceState.UNUSED for state in states)
    rest = f", {unused} not needed" if unused and shown.state is State.DELIVERED else ""
    return f"{shown.attempts_made} made{rest}"

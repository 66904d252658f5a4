"""The progress of each integration while the demo runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.notification import OPEN, State
from wallarm_notify.domain.retry import ATTEMPTS
from wallarm_notify.domain.views import ShownNotification
from wallarm_notify.domain.words import attempt_words
from wallarm_notify.entrypoints.demo.checks import answer_words
from wallarm_notify.entrypoints.demo.scenario import Role


@dataclass(frozen=True, slots=True)
class Progress:
    """One integration: its notifications by state of those ``expected``, and what happens, in words."""

    role: Role
    integration: Integration
    expected: int
    states: Mapping[State, int]
    words: str

    @property
    def ended(self) -> int:
        """The number of notifications in a final state."""
        return sum(number for state, number in self.states.items() if state not in OPEN)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is expected."""
        return self.ended >= self.expected and not any(self.states.get(s) for s in OPEN)

    @property
    def unfinished(self) -> str:
        """What had not ended, in a sentence."""
        missing = self.expected - self.ended
        return f"{self.role.name}: {missing} of {self.expected} had not ended ({self.words})."


def most_relevant(notifications: Sequence[ShownNotification]) -> ShownNotification | None:
    """Return the notification whose attempts show best what happens: failing ones come first."""
    for state in (State.RETRYING, State.FAILED, State.DELIVERED):
        some = [n for n in notifications if n.state is state]
        if some:
            return max(some, key=lambda n: n.attempts_made)
    return None


def words_of(shown: ShownNotification | None, now: datetime) -> str:
    """Return what happens to ``shown``, which has its attempts, and why."""
    if shown is None or not shown.attempts:
        return "not tried yet"
    last = answer_words(shown.attempts[-1])
    if shown.state is State.RETRYING and shown.next_attempt_at is not None:
        due = max((shown.next_attempt_at - now).total_seconds(), 0)
        number = attempt_words([shown.attempts_made + 1])
        return f"{last}; {number} of {ATTEMPTS} in {due:.1f} s"
    if shown.state is State.FAILED:
        return f"{last}; given up after {shown.attempts_made} attempts"
    status = last.partition(" “")[0]
    if shown.attempts_made == 1:
        return f"{status} at the first attempt"
    return f"{status} at {attempt_words([shown.attempts_made])}"


def progress_of(
    role: Role,
    integration: Integration,
    *,
    expected: int,
    notifications: Sequence[ShownNotification],
    shown: ShownNotification | None,
    now: datetime,
) -> Progress:
    """Return the progress of an integration; ``shown`` is its most relevant notification, with its attempts."""
    states = Counter(n.state for n in notifications)
    return Progress(role, integration, expected, states, words_of(shown, now))

"""How far each integration is while the demo runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.notification import OPEN, State
from wallarm_notify.domain.retry import ATTEMPTS
from wallarm_notify.domain.views import ShownNotification
from wallarm_notify.domain.words import attempt_words
from wallarm_notify.entrypoints.demo.scenario import Role
from wallarm_notify.entrypoints.demo.verdict import answer_words


@dataclass(frozen=True, slots=True)
class Progress:
    """One integration: its notifications by state of those ``expected``, and what goes on, in words."""

    role: Role
    integration: Integration
    expected: int
    states: Mapping[State, int]
    words: str

    @property
    def ended(self) -> int:
        """How many notifications have their final state."""
        return sum(number for state, number in self.states.items() if state not in OPEN)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come."""
        return self.ended >= self.expected and not any(self.states.get(s) for s in OPEN)

    @property
    def unfinished(self) -> str:
        """What had not ended, in a sentence."""
        missing = self.expected - self.ended
        return f"{self.role.name}: {missing} of {self.expected} had not ended ({self.words})."


def most_telling(notifications: Sequence[ShownNotification]) -> ShownNotification | None:
    """The notification whose attempts tell best what goes on: what fails goes before what does not."""
    for state in (State.RETRYING, State.FAILED, State.DELIVERED):
        some = [n for n in notifications if n.state is state]
        if some:
            return max(some, key=lambda n: n.attempts_made)
    return None


def words_of(shown: ShownNotification | None, now: datetime) -> str:
    """What goes on with ``shown``, which has its attempts, and why."""
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
    """Return how far it is; ``shown`` is the most telling notification, with its attempts."""
    states = Counter(n.state for n in notifications)
    return Progress(role, integration, expected, states, words_of(shown, now))

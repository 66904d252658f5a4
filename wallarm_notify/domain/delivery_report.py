"""The report of a delivery task for people who watch tasks: its state and its words (spec 9).

A task of ``notifications.deliver`` ends when its claim is handed over. What came of the claim is known later,
when all of it is recorded; until then the task counts as started.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from wallarm_notify.domain.notification import State
from wallarm_notify.domain.outcome import Answer
from wallarm_notify.domain.words import counted

_NAMED: Final = 3
"""The most kinds of answers that are named."""


class Fate(Enum):
    """What came of one notification of a claim, in the words of a report and in their order."""

    ACCEPTED = "accepted"
    AGAIN = "to be tried again"
    FAILED = "failed"
    CANCELLED = "cancelled"
    OVERTAKEN = "decided by a later claim"
    RETURNED = "waiting"
    FAULT = "not recorded or not sent, by an error that the log has"


class TaskState(Enum):
    """How a watched task ends."""

    SUCCEEDED = "succeeded"
    RETRIED = "retried"
    FAILED = "failed"


@dataclass(eq=False, slots=True)
class DeliveryTask:
    """A delivery task whose end is to be reported, and what came of its notifications so far.

    ``node`` is the worker's name; ``began`` is by a clock that only this process reads. The recorder alone
    changes ``fates``.
    """

    id: str
    node: str
    began: float
    fates: dict[int, tuple[Fate, str]] = field(default_factory=dict)
    """By notification: what came of it, and the kind of answer that it got."""

    def note(self, notification_id: int, fate: Fate, kind: str = "") -> None:
        """Note what came of a notification; what is noted already stands."""
        self.fates.setdefault(notification_id, (fate, kind))


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a delivery task, as it is shown."""

    task: DeliveryTask
    state: TaskState
    words: str


def fate_after(state: State | None) -> Fate:
    """Return what came of a notification, by its ``state`` after the record.

    None: the record left the notification as it was.
    """
    match state:
        case None:
            return Fate.OVERTAKEN
        case State.DELIVERED:
            return Fate.ACCEPTED
        case State.FAILED:
            return Fate.FAILED
        case State.CANCELLED | State.SKIPPED:
            return Fate.CANCELLED
        case State.PENDING | State.RETRYING:
            return Fate.AGAIN


def kind_of(answer: Answer) -> str:
    """Return the kind of ``answer`` in a word: its status code, or why there was none."""
    if answer.status is not None:
        return str(answer.status)
    return "" if answer.reason is None else answer.reason.value.replace("_", " ")


def report_of(
    task: DeliveryTask, *, asked: int, waiting: int = 0, cancelled: int = 0, lost: int = 0
) -> Report:
    """Return the report of a task that is over, of ``asked`` notifications.

    Besides the fates, the claim found ``waiting`` ones and ended some: as cancelled, or as failed because their
    workers were ``lost``.
    """
    numbers = Counter(fate for fate, _ in task.fates.values())
    numbers.update({Fate.RETURNED: waiting, Fate.CANCELLED: cancelled, Fate.FAILED: lost})
    parts = [
        f"{numbers[fate]} {fate.value}{_kinds(task.fates.values(), fate)}"
        for fate in Fate
        if numbers[fate]
    ]
    words = f"{counted(asked, 'notification')}: {', '.join(parts) or 'nothing is due'}"
    # Without the fates: reports may have to wait, and one has a hundred.
    return Report(replace(task, fates={}), _state(numbers), words)


def _state(numbers: Counter[Fate]) -> TaskState:
    """Return a failure only where a notification has failed for good, a retry where one is sent again."""
    if numbers[Fate.FAILED]:
        return TaskState.FAILED
    if numbers[Fate.AGAIN] or numbers[Fate.FAULT]:
        return TaskState.RETRIED
    return TaskState.SUCCEEDED


def _kinds(fates: Collection[tuple[Fate, str]], of: Fate) -> str:
    """Return the kinds of answers of a fate in brackets, the most frequent first; nothing for what was accepted."""
    if of not in (Fate.AGAIN, Fate.FAILED):
        return ""
    kinds = Counter(kind for fate, kind in fates if fate is of and kind)
    named = [kind for kind, _ in kinds.most_common(_NAMED)]
    if len(kinds) > _NAMED:
        named.append(f"{len(kinds) - _NAMED} more")
    return f" ({', '.join(named)})" if named else ""

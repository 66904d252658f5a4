"""How many requests one key may have in a minute, and who goes first (spec 5)."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.notification import START_WITHIN

WINDOW: Final = (timedelta(seconds=60) + START_WITHIN).total_seconds()
"""Seconds in which at most the limit is granted.

A request may begin up to ``START_WITHIN`` after its turn was granted; the window is longer by
that much, so that no sliding 60 s hold more requests than the limit, whenever they begin.
"""


@dataclass(frozen=True, slots=True)
class Turns:
    """One key's turns, as epoch seconds in ascending order.

    ``sent`` are those granted within the last window. ``promised`` holds per severity the turns to
    come that a notification of that severity has before it: those of its own and of higher ones.
    """

    sent: tuple[float, ...] = ()
    promised: dict[int, tuple[float, ...]] = field(default_factory=dict)


def give_back(turns: Turns, number: int, *, granted: float) -> Turns:
    """Takes back ``number`` turns granted at epoch second ``granted`` or later and not used.

    Of those the earliest go: what stays counts a little longer than it must, never shorter.
    """
    before = turns.sent[: bisect_left(turns.sent, granted)]
    after = turns.sent[len(before) :]
    return Turns(before + after[number:], turns.promised)


def take_turns(
    turns: Turns, severities: Sequence[Severity], *, limit: int, now: float
) -> tuple[list[float | None], Turns]:
    """Grants or promises a turn to each of ``severities``, which come most severe first, then oldest.

    Returns for each None (its turn is now) or the epoch second to come back at, and the key's
    turns afterwards. A promise is not a grant: at its time it is asked for again, and if something
    else took the turn meanwhile, the next one is promised. ``limit`` is at least 1.
    """
    if turns.sent:
        now = max(now, turns.sent[-1])
    sent = list(turns.sent[bisect_right(turns.sent, now - WINDOW) :])
    promised = {
        int(s): list(t[bisect_right(t, now) :])
        for s in Severity
        for t in [turns.promised.get(s, ())]
    }
    free = max(limit - len(sent), 0)
    answers: list[float | None] = [None] * min(free, len(severities))
    sent += [now] * len(answers)
    for severity in severities[free:]:
        ahead = sorted(sent + promised[severity])
        turn = ahead[-limit] + WINDOW
        answers.append(turn)
        for s, known in promised.items():
            if s <= severity:
                insort(known, turn)
                del known[:-limit]
    return answers, Turns(tuple(sent), {s: tuple(t) for s, t in promised.items() if t})

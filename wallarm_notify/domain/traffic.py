"""Traffic: events, rejections, attempts and waits for the rate limit, counted since the installation.

They are kept as the ledger's counters are, in the transaction that stores what they count: exact across workers,
restarts and messages that come twice.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import Final

from wallarm_notify.domain.event import EVENT_TYPES, Rejection, Wrong
from wallarm_notify.domain.health import FailureClass, class_of
from wallarm_notify.domain.outcome import Answer

TOOK_BOUNDS_MS: Final = (50, 100, 250, 500, 1_000, 2_500, 5_000, 15_000)
"""The upper bounds of the buckets of how long an attempt took, in milliseconds; the last bucket has none."""

ACCEPTED: Final = "accepted"
"""The answer to an attempt that PagerDuty accepted; the others are classes of failure."""

ANSWERS: Final = (ACCEPTED, *FailureClass)

UNKNOWN: Final = "unknown"
"""The type of a rejected event that has none of the known ones."""

TASK: Final = "task"
"""The sender of rejected events that came as a Celery task, and not through the API."""

SWEPT: Final = "swept"
"""The counter of notifications that SWEEP published again."""

_EVENT: Final = "event"
_MATCHED: Final = "matched"
_REJECTED: Final = "rejected"
_REJECTED_FROM: Final = "rejected_from"
_API_SENDER: Final = re.compile(r"(user|token [1-9][0-9]{0,3})\b.*\(")
"""A sender as the API names it (``Caller.sender``). Whoever writes to the broker can claim any.

So they are bounded: a token with a number above 9,999 counts as ``task``, as do programs that name nobody.
"""

_WAITS: Final = "grant_waits"
_WAITED: Final = "grant_waits_ms"
_ATTEMPT: Final = "attempt"
_BUCKET: Final = "took"
_SUM: Final = "took_ms"
_NO_BOUND: Final = "inf"


@dataclass(frozen=True, slots=True)
class Took:
    """How long attempts took: how many no longer than each of ``TOOK_BOUNDS_MS``, all of them, and the whole time."""

    within: tuple[int, ...]
    attempts: int
    total: timedelta


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came in by type, and what was attempted, since the installation.

    ``rejected`` is by type and by what was wrong, ``rejected_from`` by sender. ``waits`` is how often a notification
    was told to wait for the rate limit, ``waited`` for how long in all.
    """

    events: Mapping[str, int]
    matched: Mapping[str, int]
    rejected: Mapping[tuple[str, Wrong], int]
    rejected_from: Mapping[str, int]
    attempts: Mapping[str, int]
    took: Took
    swept: int
    waits: int
    waited: timedelta


def counted_events(taken: Iterable[str], matched: Iterable[str]) -> Counter[str]:
    """Return what events of these types add to the counters."""
    counts = Counter(f"{_EVENT}:{kind}" for kind in taken)
    counts.update(f"{_MATCHED}:{kind}" for kind in matched)
    return counts


def counted_rejections(rejections: Iterable[Rejection]) -> Counter[str]:
    """Return what rejected events add to the counters; what strangers wrote names none."""
    counts: Counter[str] = Counter()
    for r in rejections:
        kind = r.type if r.type in EVENT_TYPES else UNKNOWN
        counts[f"{_REJECTED}:{kind}:{r.wrong}"] += 1
        counts[f"{_REJECTED_FROM}:{sender_of(r.sent_by)}"] += 1
    return counts


def sender_of(sent_by: str | None) -> str:
    """Return who sent an event, as one of few: ``token 3`` or ``user`` of the API, else ``task``."""
    found = _API_SENDER.match(sent_by or "")
    return found[1] if found else TASK


def counted_waits(waits: Iterable[timedelta]) -> Counter[str]:
    """Return what notifications that have to wait so long for the rate limit add to the counters."""
    milliseconds = [max(0, round(wait / timedelta(milliseconds=1))) for wait in waits]
    return Counter({_WAITS: len(milliseconds), _WAITED: sum(milliseconds)})


def counted_attempt(answer: Answer, took: timedelta) -> Counter[str]:
    """Return what an attempt adds to the counters."""
    kind = ACCEPTED if answer.reason is None else class_of(answer.reason)
    milliseconds = max(0, round(took / timedelta(milliseconds=1)))
    bound = next((str(one) for one in TOOK_BOUNDS_MS if milliseconds <= one), _NO_BOUND)
    return Counter(
        {f"{_ATTEMPT}:{kind}": 1, f"{_BUCKET}:{bound}": 1, _SUM: milliseconds},
    )


def traffic_in(counts: Mapping[str, int]) -> Traffic:
    """Return the traffic that is among the counters ``counts``."""

    def of(kind: str, names: Iterable[str]) -> dict[str, int]:
        return {name: counts.get(f"{kind}:{name}", 0) for name in names}

    names = (*map(str, TOOK_BOUNDS_MS), _NO_BOUND)
    *within, attempts = accumulate(counts.get(f"{_BUCKET}:{name}", 0) for name in names)
    return Traffic(
        events=of(_EVENT, EVENT_TYPES),
        matched=of(_MATCHED, EVENT_TYPES),
        rejected={
            (kind, wrong): counts.get(f"{_REJECTED}:{kind}:{wrong}", 0)
            for kind in (*EVENT_TYPES, UNKNOWN)
            for wrong in Wrong
        },
        rejected_from={
            kind.removeprefix(f"{_REJECTED_FROM}:"): number
            for kind, number in sorted(counts.items())
            if kind.startswith(f"{_REJECTED_FROM}:")
        },
        attempts=of(_ATTEMPT, ANSWERS),
        took=Took(tuple(within), attempts, timedelta(milliseconds=counts.get(_SUM, 0))),
        swept=counts.get(SWEPT, 0),
        waits=counts.get(_WAITS, 0),
        waited=timedelta(milliseconds=counts.get(_WAITED, 0)),
    )

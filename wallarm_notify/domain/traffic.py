"""Traffic: events by type and attempts by what they were answered, counted since the installation.

They are kept as the ledger's counters are, in the transaction that stores what they count: exact across workers,
restarts and messages that come twice.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import Final

from wallarm_notify.domain.event import EVENT_TYPES
from wallarm_notify.domain.health import FailureClass, class_of
from wallarm_notify.domain.outcome import Answer

TOOK_BOUNDS_MS: Final = (50, 100, 250, 500, 1_000, 2_500, 5_000, 15_000)
"""The upper bounds of the buckets of how long an attempt took, in milliseconds; the last bucket has none."""

ACCEPTED: Final = "accepted"
"""The answer to an attempt that PagerDuty accepted; the others are classes of failure."""

ANSWERS: Final = (ACCEPTED, *FailureClass)

UNKNOWN: Final = "unknown"
"""The type of a rejected event that has none of the known ones."""

SWEPT: Final = "swept"
"""The counter of notifications that SWEEP published again."""

_EVENT: Final = "event"
_MATCHED: Final = "matched"
_REJECTED: Final = "rejected"
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
    """What came in by type, and what was attempted, since the installation."""

    events: Mapping[str, int]
    matched: Mapping[str, int]
    rejected: Mapping[str, int]
    attempts: Mapping[str, int]
    took: Took
    swept: int


def counted_events(taken: Iterable[str], matched: Iterable[str]) -> Counter[str]:
    """Return what events of these types add to the counters."""
    counts = Counter(f"{_EVENT}:{kind}" for kind in taken)
    counts.update(f"{_MATCHED}:{kind}" for kind in matched)
    return counts


def counted_rejections(types: Iterable[str | None]) -> Counter[str]:
    """Return what rejected events of these types add to the counters; any other text is of strangers."""
    return Counter(f"{_REJECTED}:{kind if kind in EVENT_TYPES else UNKNOWN}" for kind in types)


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
        rejected=of(_REJECTED, (*EVENT_TYPES, UNKNOWN)),
        attempts=of(_ATTEMPT, ANSWERS),
        took=Took(tuple(within), attempts, timedelta(milliseconds=counts.get(_SUM, 0))),
        swept=counts.get(SWEPT, 0),
    )

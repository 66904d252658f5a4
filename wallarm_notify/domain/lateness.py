"""Lateness: how much later than it was due each attempt began, counted in a histogram for each cycle.

An attempt is due when the schedule or the rate limit has it. Waiting behind a slow integration makes it late. The
histograms are kept as the ledger's counters are, and written in the transaction that records the attempts.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import Final

from wallarm_notify.domain.retry import CYCLES

BOUNDS_MS: Final = (100, 250, 500, 1_000, 2_500, 5_000, 15_000, 60_000, 240_000)
"""The upper bounds of the histograms' buckets, in milliseconds; the last bucket has none.

A minute and four minutes are what is held for an alert of a worker that was killed (docs/reliability.md).
"""

_BUCKET: Final = "late"
_SUM: Final = "late_ms"
_NO_BOUND: Final = "inf"


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late the attempts of a ``cycle`` began, since the installation; cycle 0 is of first attempts.

    ``within`` has for each of ``BOUNDS_MS`` how many attempts were no later than that, and ``attempts`` all of them.
    ``total`` is how late all of them were together.
    """

    cycle: int
    within: tuple[int, ...]
    attempts: int
    total: timedelta


def cycle_of(number: int) -> int:
    """Return the cycle whose wait comes before attempt ``number`` of a run (from 1); 0 for the first attempt."""
    ends = accumulate((len(waits) for waits in CYCLES), initial=1)
    return next((cycle for cycle, end in enumerate(ends) if number <= end), len(CYCLES))


def counted_lateness(number: int, late: timedelta) -> Counter[str]:
    """Return what attempt ``number`` of a run, which began ``late``, adds to the counters.

    One that began early, by a clock that was set back, was not late.
    """
    cycle = cycle_of(number)
    milliseconds = max(0, round(late / timedelta(milliseconds=1)))
    bound = next((str(bound) for bound in BOUNDS_MS if milliseconds <= bound), _NO_BOUND)
    return Counter({f"{_BUCKET}:{cycle}:{bound}": 1, f"{_SUM}:{cycle}": milliseconds})


def lateness_in(counts: Mapping[str, int]) -> list[Lateness]:
    """Return the histograms of all cycles, which are among the counters ``counts``, by cycle."""
    found = []
    for cycle in range(len(CYCLES) + 1):
        names = (*map(str, BOUNDS_MS), _NO_BOUND)
        *within, attempts = accumulate(counts.get(f"{_BUCKET}:{cycle}:{name}", 0) for name in names)
        total = timedelta(milliseconds=counts.get(f"{_SUM}:{cycle}", 0))
        found.append(Lateness(cycle, tuple(within), attempts, total))
    return found

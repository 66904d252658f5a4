"""An open loop: everything is sent when it is due, whether or not what was sent before has arrived."""

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from benchmarks.stack import Void

T = TypeVar("T")

WARM_UP: Final = 3.0
"""Seconds at the beginning that do not count: processes import, and connect."""

BEHIND: Final = 1.0
"""A producer so many seconds late does not send at the rate that the result would claim."""


def evenly(rate: float, seconds: float, *, start: float = 0.0) -> Iterator[tuple[float, int]]:
    """Yield, for ``rate`` a second from ``start`` on, when each is due, and its number from 0."""
    return ((start + n / rate, n) for n in range(how_many(rate, seconds)))


def how_many(rate: float, seconds: float) -> int:
    """Return how many are due at ``rate`` within ``seconds``."""
    return round(rate * seconds)


def on_time(due: Iterable[tuple[float, T]]) -> Iterator[T]:
    """Yield what is in ``due``, each when its seconds from now have passed. Raise Void where we fall behind."""
    began = time.monotonic()
    for at, item in due:
        ahead = began + at - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        elif -ahead > BEHIND:
            raise Void(f"the producer fell {-ahead:.1f} s behind its own schedule")
        yield item


def p50_and_p99(seconds: Sequence[float]) -> dict[str, float]:
    """Return the 50th and the 99th percentile of ``seconds``, in milliseconds. Raise Void."""
    if len(seconds) < 2:  # noqa: PLR2004 - between two there is something
        raise Void("nothing arrived after the warm-up")
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": cuts[49] * 1000, "p99": cuts[98] * 1000}

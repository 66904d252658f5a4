"""The schedule of attempts: three fixed cycles of waits (spec 5)."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final


def _seconds(*waits: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=wait) for wait in waits)


def _minutes(*waits: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(minutes=wait) for wait in waits)


CYCLES: Final = (
    _seconds(1, 3, 5, 10, 10),
    _seconds(0, 1, 3, 5, 30),
    _minutes(1, 1, 3, 5, 10, 30),
)
"""Waits before the next attempt, counted from the answer (spec 5)."""

WAITS: Final = tuple(wait for cycle in CYCLES for wait in cycle)

ATTEMPTS: Final = len(WAITS) + 1
"""A notification's attempts in one run: 17."""

LAST_ATTEMPTS: Final = len(CYCLES[0]) + 1
"""The attempts of an integration's closing notification, which has the first cycle only (spec 1): 6."""

LONGEST_RETRY_AFTER: Final = timedelta(minutes=30)
"""The longest ``Retry-After`` that is obeyed (spec 5)."""


def total(waits: Iterable[timedelta]) -> timedelta:
    """Return the sum of ``waits``."""
    return sum(waits, timedelta())


SCHEDULE: Final = total(WAITS)
"""From the first attempt to the last, without the attempts' own time: 51 min 8 s (spec 5)."""


def wait_after(
    attempts_made: int,
    *,
    closing: bool = False,
    retry_after: timedelta | None = None,
    scale: float = 1.0,
) -> timedelta | None:
    """Return how long to wait after attempt ``attempts_made`` (from 1) failed; None after the last one.

    ``closing``: a closing notification, which has the first cycle only. ``retry_after`` is what the answer
    asked for; the longer wait holds. ``scale`` multiplies the waits of the cycles, for demos and tests.
    """
    if attempts_made < 1:
        raise ValueError(f"attempts are counted from 1, not {attempts_made}")
    if attempts_made >= (LAST_ATTEMPTS if closing else ATTEMPTS):
        return None
    wait = WAITS[attempts_made - 1] * scale
    if retry_after is None:
        return wait
    return max(wait, min(retry_after, LONGEST_RETRY_AFTER))

"""The schedule of attempts: three fixed cycles (spec 5)."""

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
"""An integration's last notification has the first cycle only (spec 1): 6."""

LONGEST_RETRY_AFTER: Final = timedelta(minutes=30)
"""A ``Retry-After`` is honoured up to this (spec 5)."""


def total(waits: Iterable[timedelta]) -> timedelta:
    """The sum of ``waits``."""
    return sum(waits, timedelta())


SCHEDULE: Final = total(WAITS)
"""From the first attempt to the last, without the attempts' own time: 51 min 8 s (spec 5)."""


def wait_after(
    attempts_made: int,
    *,
    last: bool = False,
    retry_after: timedelta | None = None,
    scale: float = 1.0,
) -> timedelta | None:
    """How long to wait after attempt number ``attempts_made`` (from 1) failed; None: it was the last.

    ``last`` is an integration's last notification: first cycle only. ``retry_after`` is what the
    answer asked for; the longer wait holds. ``scale`` multiplies the waits of the cycles, for
    demos and tests.
    """
    if attempts_made < 1:
        raise ValueError(f"attempts are counted from 1, not {attempts_made}")
    if attempts_made >= (LAST_ATTEMPTS if last else ATTEMPTS):
        return None
    wait = WAITS[attempts_made - 1] * scale
    if retry_after is None:
        return wait
    return max(wait, min(retry_after, LONGEST_RETRY_AFTER))

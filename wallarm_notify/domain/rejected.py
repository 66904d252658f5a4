"""Which of a day's rejected events are kept: a flood of them must not fill the database (spec 2)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from wallarm_notify.domain.event import Rejection

NO_CLIENT: Final = 0
"""The pool of what names no client."""


def pool_of(rejection: Rejection) -> int:
    """The client whose day it counts for."""
    return rejection.client_id or NO_CLIENT


def chosen_of(
    rejections: Sequence[Rejection], kept: Mapping[int, int], most: int
) -> tuple[list[Rejection], list[Rejection]]:
    """Which are kept where ``kept`` of each pool are already, and which are only counted.

    ``most`` are kept, and one that says that there are more. Those for their time are always kept: if
    it is our clock that is wrong all of them are valid.
    """
    chosen: list[Rejection] = []
    left_out: list[Rejection] = []
    number = Counter(kept)
    for r in rejections:
        if not r.is_for_its_time:
            number[pool_of(r)] += 1
        if r.is_for_its_time or number[pool_of(r)] <= most:
            chosen.append(r)
        elif number[pool_of(r)] == most + 1:
            more = f"over {most} were rejected today (UTC): more are counted and not kept"
            chosen.append(replace(r, reason=f"{r.reason} ({more})"))
        else:
            left_out.append(r)
    return chosen, left_out

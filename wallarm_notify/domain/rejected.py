"""The daily limit of rejected events: a flood of them must not fill the database (spec 2)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from wallarm_notify.domain.event import Rejection

NO_CLIENT: Final = 0
"""The pool of rejections that name no client."""


def pool_of(rejection: Rejection) -> int:
    """Return the client whose daily limit a rejection counts for."""
    return rejection.client_id or NO_CLIENT


def chosen_of(
    rejections: Sequence[Rejection], kept: Mapping[int, int], most: int
) -> tuple[list[Rejection], list[Rejection]]:
    """Return which rejections are kept, and which are only counted, if ``kept`` of each pool are kept already.

    ``most`` are kept, and one more that says that there are others. Those for their time alone are always
    kept: if this system's clock is wrong, all of them are valid.
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

"""A flood of rejected events is counted, and not all of it kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from build import a_rejection

from wallarm_notify.domain.event import Wrong
from wallarm_notify.domain.rejected import NO_CLIENT, chosen_of

if TYPE_CHECKING:
    from wallarm_notify.domain.event import Rejection


def some(number: int, client: int | None = 1, *, for_time: bool = False) -> list[Rejection]:
    return [
        replace(a_rejection(), client_id=client, wrong=Wrong.TIME if for_time else Wrong.FIELDS)
        for _ in range(number)
    ]


@pytest.mark.parametrize(
    ("kept", "asked", "chosen"),
    [(0, 0, 0), (0, 10, 10), (0, 11, 11), (0, 12, 11), (9, 5, 2), (10, 5, 1), (11, 5, 0)],
)
def test_so_many_are_kept_a_day_and_one_that_says_so(kept: int, asked: int, chosen: int) -> None:
    given = some(asked)
    found, left_out = chosen_of(given, {1: kept}, 10)
    assert (len(found), len(left_out)) == (chosen, asked - chosen)
    says_so = [
        n for n, r in enumerate(found, kept + 1) if "over 10 were rejected today" in r.reason
    ]
    assert says_so == ([11] if kept + chosen == 11 and chosen else [])


def test_each_client_has_a_day_of_its_own_and_those_without_have_one_together() -> None:
    given = some(3, 1) + some(3, 2) + some(3, None)
    found, left_out = chosen_of(given, {2: 2, NO_CLIENT: 3}, 2)
    assert [r.client_id for r in found] == [1, 1, 1, 2]
    assert [r.client_id for r in left_out] == [2, 2, None, None, None]


def test_those_for_their_time_are_kept_and_count_for_nobody() -> None:
    given = some(5, for_time=True) + some(2)
    found, left_out = chosen_of(given, {1: 1}, 1)
    assert (found[:5], len(found), len(left_out)) == (given[:5], 6, 1)

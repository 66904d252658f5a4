"""Pages: what was read for one becomes its items and the key under which the listing goes on."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from wallarm_notify.domain import page as page_module
from wallarm_notify.domain.page import Found, Page, Reached, Slice, page_of, search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

A_DAY = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Item:
    """What is listed: its number alone."""

    id: int


@pytest.mark.parametrize(
    ("rows", "page"),
    [
        ([], Page([])),
        ([7], Page([7])),
        ([7, 5], Page([7, 5])),
        ([7, 5, 3], Page([7, 5], following=-5)),
    ],
)
def test_a_page_goes_on_after_its_last_item_where_more_was_read(
    rows: list[int], page: Page[int]
) -> None:
    assert page_of(rows, 2, lambda n: -n) == page


def test_a_page_of_other_items_goes_on_where_the_first_did() -> None:
    assert Page([1, 2], following=2).map(str) == Page(["1", "2"], following=2)


def newest_first(
    numbers: Sequence[int], clock: Iterator[float] | None = None
) -> Callable[..., Page[int]]:
    """Return a search for even numbers among ``numbers``, whose times are so many days."""
    clock = clock or itertools.repeat(0.0)

    def read(part: Slice) -> Found[Item]:
        below = part.cursor
        near = [n for n in sorted(numbers, reverse=True) if below is None or n < below][: part.look]
        found = [n for n in near if n % 2 == 0][: part.limit]
        items = [Item(n) for n in found]
        if len(found) == part.limit:
            return Found(items, reached(found[-1]))
        return Found(items, reached(near[-1]) if len(near) == part.look else None)

    return lambda limit, cursor=None: search(read, limit, cursor, lambda: next(clock)).map(
        lambda item: item.id
    )


def reached(number: int) -> Reached:
    return Reached(number, A_DAY + timedelta(days=number))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have slices of 2 candidates, and 6 of them read for a page."""
    monkeypatch.setattr(page_module, "SLICE", 2)
    monkeypatch.setattr(page_module, "READ", 6)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("numbers", "found", "page"),
    [
        ("none", [], Page([])),
        ("too few for a page", [4], Page([4])),
        ("a page, and no more", [6, 4], Page([6, 4])),
        ("more than a page", [8, 6, 4], Page([8, 6], 6)),
        ("nothing in the last slice", [9, 8, 7, 5, 3, 1], Page([8], 1, reached(1).at)),
        ("a full page in the last slice", [9, 7, 5, 3, 4, 2], Page([4, 2], 2, reached(2).at)),
        (
            "what follows is behind the last slice",
            [9, 7, 5, 3, 1, -1, -2],
            Page([], -1, reached(-1).at),
        ),
        ("nothing at all behind it", [9, 7, 5, 3, 1], Page([])),
    ],
)
def test_a_page_ends_when_it_is_full_when_nothing_is_left_or_when_enough_was_read(
    numbers: str, found: list[int], page: Page[int]
) -> None:
    assert newest_first(found)(2) == page, numbers


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("times", "searched"), [([0, 0.1, 0.1, 0.1], 6), ([0, 0.1, 0.11], 4), ([0, 5], 2)]
)
def test_no_slice_is_read_after_a_tenth_of_a_second(times: list[float], searched: int) -> None:
    page = newest_first(range(-99, 0, 2), iter(times))(2)
    assert page == Page([], 1 - 2 * searched, reached(1 - 2 * searched).at)


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.usefixtures("short")
def test_all_pages_together_are_all_that_is_wanted(seed: int) -> None:
    rng = random.Random(seed)
    numbers = rng.sample(range(60), rng.randrange(60))
    ask = newest_first(numbers)
    found: list[int] = []
    page = ask(rng.randrange(1, 4))
    found += page.items
    while page.following is not None:
        page = ask(rng.randrange(1, 4), page.following)
        found += page.items
    assert found == sorted((n for n in numbers if n % 2 == 0), reverse=True)

"""Pages: what was read for one becomes its items and the key under which the listing goes on."""

from __future__ import annotations

import pytest

from wallarm_notify.domain.page import Page, page_of


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

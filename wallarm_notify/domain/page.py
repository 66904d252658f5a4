"""A page of a listing: some items, and where the listing goes on (keyset pagination)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items in the order of the listing.

    ``following`` is the cursor of the next page: the key of this one's last item; None: nothing follows.
    """

    items: Sequence[T]
    following: int | None = None

    def map(self, of: Callable[[T], U]) -> "Page[U]":
        """Return the page with each item made into another."""
        return Page([of(item) for item in self.items], self.following)


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], int]) -> Page[T]:
    """Return the page of the first ``limit`` of ``rows``, of which one more was read than a page holds."""
    items = rows[:limit]
    return Page(items, key(items[-1]) if len(rows) > limit else None)

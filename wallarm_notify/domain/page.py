"""A page of a listing: some items, and where the listing goes on (keyset pagination)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, Protocol, TypeVar

from wallarm_notify.domain.clock import Clock


class Numbered(Protocol):
    """Something that has a number, by which a listing of its kind is ordered."""

    @property
    def id(self) -> int:
        """Its number."""


T = TypeVar("T")
U = TypeVar("U")
NumberedT = TypeVar("NumberedT", bound=Numbered)

SLICE: Final = 1000
"""So many candidates are read at once."""

READ: Final = 20_000
"""So many candidates are read for one page at most."""

SECONDS: Final = 0.1
"""After this time no further slice is read for a page."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items in the order of the listing.

    ``following`` is the cursor of the next page; None: nothing follows. ``searched_back_to`` is the time of the last
    candidate that was read, where that was enough for one page and older ones may be wanted too; None: all of the page
    was found.
    """

    items: Sequence[T]
    following: int | None = None
    searched_back_to: datetime | None = None

    def map(self, of: Callable[[T], U]) -> "Page[U]":
        """Return the page with each item made into another."""
        return Page([of(item) for item in self.items], self.following, self.searched_back_to)


@dataclass(frozen=True, slots=True)
class Reached:
    """The last candidate that was read."""

    id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids from ``first`` on and below ``beyond``."""

    first: int
    beyond: int


ALL_IDS: Final = Ids(0, 2**63 - 1)


@dataclass(frozen=True, slots=True)
class Slice:
    """Candidates that are read at once: the next ``look`` behind the id ``cursor``, None: from the beginning.

    ``limit`` is how many of them to return at most.
    """

    cursor: int | None
    limit: int
    look: int = SLICE


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What was wanted among some candidates, in order; ``reached`` is None where there are no more of them."""

    items: list[T]
    reached: Reached | None = None


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], int]) -> Page[T]:
    """Return the page of the first ``limit`` of ``rows``, of which one more was read than a page holds."""
    items = rows[:limit]
    return Page(items, key(items[-1]) if len(rows) > limit else None)


def search(
    read: Callable[[Slice], Found[NumberedT]], limit: int, cursor: int | None, clock: Clock
) -> Page[NumberedT]:
    """Return the next ``limit`` items, or those among as many candidates as a page may read in its time.

    The time is that of ``clock``.
    """
    began = clock()
    items: list[NumberedT] = []
    looked = 0
    while True:
        part = read(Slice(cursor, limit + 1 - len(items), SLICE))
        items += part.items
        looked += SLICE
        if part.reached is None or len(items) > limit:
            return page_of(items, limit, lambda item: item.id)
        cursor = part.reached.id
        if looked >= READ or clock() - began > SECONDS:
            return Page(items, cursor, part.reached.at)

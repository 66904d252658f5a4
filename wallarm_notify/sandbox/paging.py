"""Pages of a list whose items are numbered from 1."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

MAX_PAGE = 1000


class Numbered(Protocol):
    """An item at position `number` of its list, which concerns `key` (None: no key was sent)."""

    @property
    def number(self) -> int:
        """Return the position, counted from 1."""

    @property
    def key(self) -> str | None:
        """Return the routing key."""


ItemT = TypeVar("ItemT", bound=Numbered)


def page(
    items: Sequence[ItemT], *, since: int, limit: int, key: str | None
) -> tuple[list[ItemT], int | None]:
    """Return up to `limit` items after number `since` and the cursor of the next page.

    `key` keeps to one routing key, None means all. The cursor is None on the last page.
    """
    found: list[ItemT] = []
    for position in range(since, len(items)):
        item = items[position]
        if key is not None and item.key != key:
            continue
        if len(found) == limit:
            return found, found[-1].number
        found.append(item)
    return found, None

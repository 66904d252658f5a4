"""The document of a listing: one page of items, and where the next begins."""

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, TypeVar

from typing_extensions import TypedDict

Item = TypeVar("Item")


class Listing(TypedDict, Generic[Item]):
    """One page of a listing."""

    items: Sequence[Item]
    """The documents of this page, in the order of the listing."""
    next: str | None
    """The cursor that the next page begins at; null: this is the last one."""
    searched_back_to: datetime | None
    """How far back was searched, where that was enough for one page; null: all of the page was found."""


def listing(
    items: Sequence[Item], following: str | None = None, searched_back_to: datetime | None = None
) -> Listing[Item]:
    """Return the document of a page; ``following`` is the cursor under which the listing goes on."""
    return {"items": items, "next": following, "searched_back_to": searched_back_to}

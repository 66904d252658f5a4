"""A page of a listing that is searched for: read in one transaction, slice by slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from wallarm_notify.domain.page import NumberedT, Page, search

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.page import Found, Slice
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

T = TypeVar("T")


def whole(read: Callable[[int | None], Page[T]], most: int | None = None) -> list[T]:
    """Return the items of all pages of a listing, ``most`` at most; ``read`` returns the page at a cursor."""
    items: list[T] = []
    cursor: int | None = None
    while most is None or len(items) < most:
        page = read(cursor)
        items += page.items
        cursor = page.following
        if cursor is None:
            break
    return items if most is None else items[:most]


def searched_page(
    ctx: Context,
    read: Callable[[Transaction, Slice], Found[NumberedT]],
    limit: int,
    cursor: int | None,
) -> Page[NumberedT]:
    """Return a page of what ``read`` finds. Raise Unavailable.

    A page that reads too much ends early: see ``Page.searched_back_to``.
    """
    return ctx.store.transact(
        lambda tx: search(lambda part: read(tx, part), limit, cursor, ctx.clock)
    )

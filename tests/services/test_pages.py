"""Pages of listings: each item once, in order, whatever comes in between two of them."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from build import a_rejection, an_event

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.domain.views import Filter
from wallarm_notify.services.integration_listings import list_clients, list_integrations
from wallarm_notify.services.listings import (
    list_notifications,
    list_rejections,
    list_set_aside,
    list_undecodable,
)
from wallarm_notify.services.trigger_listings import list_triggers

if TYPE_CHECKING:
    from collections.abc import Callable

    from build import Bench

    from wallarm_notify.domain.page import Page
    from wallarm_notify.services.context import Context

LIMIT = 2
_numbers = count(1)


def integration(bench: Bench) -> int:
    return bench.integration()


def client(bench: Bench) -> int:
    number = next(_numbers)
    bench.sql("INSERT INTO clients (id, name) VALUES (:id, 'ACME')", id=number)
    return number


def trigger(bench: Bench) -> int:
    to = bench.value("SELECT max(id) FROM integrations") or bench.integration()
    return bench.trigger(to, condition="user_created").id


def notification(bench: Bench) -> int:
    if not bench.value("SELECT count(*) FROM integrations"):
        bench.integration()
    (made,) = bench.ingest(an_event()).pending
    return made.id


def rejection(bench: Bench) -> int:
    bench.ingest(rejections=[a_rejection()])
    return int(bench.value("SELECT max(id) FROM rejected"))


def undecodable(bench: Bench) -> int:
    bench.store.transact(lambda tx: tx.store_undecodable("no JSON", None, b"{", size=None))
    return int(bench.value("SELECT max(id) FROM undecodable"))


def set_aside(bench: Bench) -> int:
    body = str(next(_numbers)).encode()
    call = TriedCall(sha256(body).digest(), "application/json", "utf-8", "{}", body)
    bench.store.transact(lambda tx: tx.set_aside(call, deaths=3, again_in=timedelta(hours=1)))
    return int(bench.value("SELECT max(id) FROM quarantine"))


Listing = tuple["Callable[..., Page[Any]]", "Callable[[Bench], int]"]

OLDEST_FIRST: dict[str, Listing] = {
    "integrations": (list_integrations, integration),
    "clients": (list_clients, client),
    "triggers": (list_triggers, trigger),
}
NEWEST_FIRST: dict[str, Listing] = {
    "notifications": (
        lambda ctx, scope, **page: list_notifications(ctx, scope, Filter(), **page),
        notification,
    ),
    "rejected events": (list_rejections, rejection),
    "undecodable messages": (list_undecodable, undecodable),
    "calls set aside": (list_set_aside, set_aside),
}


def page_at(ask: Callable[..., Page[Any]], ctx: Context, cursor: int | None) -> Page[int]:
    return ask(ctx, EVERY_CLIENT, limit=LIMIT, cursor=cursor).map(lambda item: item.id)


@pytest.mark.parametrize("number", [0, 1, LIMIT, LIMIT + 1, 2 * LIMIT])
@pytest.mark.parametrize("name", [*OLDEST_FIRST, *NEWEST_FIRST])
def test_all_pages_together_are_all_there_is(bench: Bench, name: str, number: int) -> None:
    ask, make = {**OLDEST_FIRST, **NEWEST_FIRST}[name]
    made = [make(bench) for _ in range(number)]
    wanted = made if name in OLDEST_FIRST else made[::-1]
    first = page_at(ask, bench.ctx, None)
    assert list(first.items) == wanted[:LIMIT]
    assert first.following == (wanted[LIMIT - 1] if number > LIMIT else None)
    if first.following is not None:
        second = page_at(ask, bench.ctx, first.following)
        assert (list(second.items), second.following) == (wanted[LIMIT:], None)


@pytest.mark.parametrize(("ask", "make"), NEWEST_FIRST.values(), ids=NEWEST_FIRST)
def test_what_comes_in_between_two_pages_moves_nothing_into_the_second(
    bench: Bench, ask: Callable[..., Page[Any]], make: Callable[[Bench], int]
) -> None:
    one, two, three = (make(bench) for _ in range(3))
    first = page_at(ask, bench.ctx, None)
    newest = make(bench)
    second = page_at(ask, bench.ctx, first.following)
    assert [*first.items, *second.items] == [three, two, one]
    assert page_at(ask, bench.ctx, None).items[0] == newest


@pytest.mark.parametrize(("ask", "make"), OLDEST_FIRST.values(), ids=OLDEST_FIRST)
def test_what_comes_in_between_two_pages_is_found_at_the_end(
    bench: Bench, ask: Callable[..., Page[Any]], make: Callable[[Bench], int]
) -> None:
    made = [make(bench) for _ in range(3)]
    first = page_at(ask, bench.ctx, None)
    newest = make(bench)
    second = page_at(ask, bench.ctx, first.following)
    assert [*first.items, *second.items] == [*made, newest]

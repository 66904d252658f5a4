"""Pages of listings: each item once, in order, whatever comes in between two of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from build import a_rejection, an_event, an_event_for

from wallarm_notify.domain import page as page_module
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT, Scope, only
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.domain.views import Filter
from wallarm_notify.services.integration_listings import list_clients, list_integrations
from wallarm_notify.services.listings import (
    list_notifications,
    list_rejections,
    list_set_aside,
    list_undecodable,
)
from wallarm_notify.services.trigger_listings import list_triggers, show_trigger
from wallarm_notify.store import listings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from build import Bench

    from wallarm_notify.domain.page import Page
    from wallarm_notify.domain.views import ShownFiring
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


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have slices of 2 candidates, and 4 of them read for a page."""
    monkeypatch.setattr(page_module, "SLICE", 2)
    monkeypatch.setattr(page_module, "READ", 4)


def ended(bench: Bench, numbers: Iterable[int], state: State) -> list[int]:
    """End the notifications at these places of ``made``; return their ids, the newest first."""
    rows = [int(row["id"]) for row in bench.sql("SELECT id FROM notifications ORDER BY id")]
    ids = [rows[n] for n in numbers]
    bench.sql(
        "UPDATE notifications SET state = :state, finished_at = now(), recheck_at = NULL WHERE id = ANY(:ids)",
        state=state,
        ids=ids,
    )
    return sorted(ids, reverse=True)


def all_pages(bench: Bench, scope: Scope, wanted: Filter) -> tuple[list[int], int]:
    """Return what all pages list, and how many of them said how far back they had searched."""
    found: list[int] = []
    cut = 0
    page = list_notifications(bench.ctx, scope, wanted, limit=LIMIT)
    found += [n.id for n in page.items]
    while page.following is not None:
        cut += page.searched_back_to is not None
        page = list_notifications(bench.ctx, scope, wanted, limit=LIMIT, cursor=page.following)
        found += [n.id for n in page.items]
    return found, cut


@pytest.mark.usefixtures("short")
def test_what_is_rare_is_found_page_after_page_each_of_which_says_how_far_it_searched(
    bench: Bench,
) -> None:
    for _ in range(15):
        notification(bench)
    failed = ended(bench, [0, 4, 5, 14], State.FAILED)
    page = list_notifications(bench.ctx, EVERY_CLIENT, Filter(states=(State.FAILED,)), limit=LIMIT)
    assert [n.id for n in page.items] == failed[:1]
    assert page.searched_back_to == bench.value(
        "SELECT created_at FROM notifications WHERE id = :id", id=page.following
    )
    found, cut = all_pages(bench, EVERY_CLIENT, Filter(states=(State.FAILED,)))
    assert found == failed
    assert cut > 1


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("state", [State.FAILED, State.SKIPPED, State.CANCELLED, State.PENDING])
def test_what_an_integration_has_few_of_is_found_at_once_however_long_ago_it_was(
    bench: Bench, state: State
) -> None:
    for _ in range(12):
        notification(bench)
    ended(bench, range(2, 12), State.DELIVERED)
    found = ended(bench, [0, 1], state) if state is not State.PENDING else [2, 1]
    integration_id = int(bench.value("SELECT max(id) FROM integrations"))
    for wanted in (Filter(integration_id=integration_id, states=(state,)),
                   Filter(client_id=1, integration_id=integration_id, states=(state,))):  # fmt: skip
        assert all_pages(bench, EVERY_CLIENT, wanted) == (found, 0)


@pytest.mark.usefixtures("short")
def test_where_more_than_a_few_are_open_they_are_searched_for_like_all_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "FEW", 4)
    for _ in range(14):
        notification(bench)
    delivered = ended(bench, range(4, 14), State.DELIVERED)
    open_ones = [n for n in range(1, 15) if n not in delivered][::-1]
    assert all_pages(bench, EVERY_CLIENT, Filter(states=(State.PENDING,))) == (open_ones, 0)
    notification(bench)
    found, cut = all_pages(bench, EVERY_CLIENT, Filter(states=(State.PENDING,)))
    assert found == [15, *open_ones]
    assert cut > 1


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("scope", [only([2]), only([2, 3])])
def test_a_page_of_some_clients_has_nothing_of_others(bench: Bench, scope: Scope) -> None:
    for client_id in (1, 2, 3):
        bench.integration(client_id=client_id)
    made = [(c, bench.ingest(an_event(client_id=c)).pending[0].id) for c in (2, 1, 1, 1, 3, 1, 2)]
    theirs = [n for c, n in made if scope.includes(c)][::-1]
    assert all_pages(bench, scope, Filter())[0] == theirs
    ended(bench, range(7), State.FAILED)
    for wanted in (Filter(states=(State.FAILED,)), Filter(states=(State.FAILED,), client_id=1)):
        found = all_pages(bench, scope, wanted)[0]
        assert found == (theirs if wanted.client_id is None else [])


@pytest.mark.usefixtures("short")
def test_a_page_of_anothers_integration_is_as_empty_as_one_where_there_is_nothing(
    bench: Bench,
) -> None:
    mine, theirs = bench.integration(), bench.integration(client_id=2)
    for _ in range(8):
        bench.ingest(an_event(client_id=2))
    for scope in (only([1]), only([1, 3])):
        for states in ((), (State.FAILED,), (State.DELIVERED,), (State.PENDING,)):
            wanted = Filter(integration_id=theirs, states=states)
            page = list_notifications(bench.ctx, scope, wanted, limit=LIMIT)
            assert page == list_notifications(
                bench.ctx, scope, Filter(integration_id=mine, states=states), limit=LIMIT
            )


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_all_pages_of_a_triggers_firings_are_all_of_them_also_where_one_call_made_many(
    bench: Bench, limit: int
) -> None:
    to = bench.integration()
    each = bench.trigger(to, condition="user_created")
    flood = bench.trigger(to, condition="attacks_exceeded", threshold="1 in 1m")
    moments = [datetime.now(UTC) - timedelta(minutes=10 * n) for n in range(4)]
    attacks = [an_event_for("attacks_exceeded", at) for at in moments for _ in range(2)]
    bench.ingest(*(an_event_for("user_created") for _ in range(3)), *attacks)
    bench.ingest(*(an_event_for("user_created") for _ in range(2)))
    for trigger, number in ((each, 5), (flood, 4)):
        found: list[ShownFiring] = []
        cursor: int | None = None
        while True:
            shown, page = show_trigger(bench.ctx, EVERY_CLIENT, trigger.id, limit, cursor)
            assert shown.id == trigger.id
            found += page.items
            cursor = page.following
            if cursor is None:
                break
        assert len({f.firing.id for f in found}) == len(found) == number
        keys = [(f.fired_at, f.firing.window and f.firing.window.end) for f in found]
        assert keys == sorted(keys, reverse=True)
        assert {f.firing.trigger_id for f in found} == {trigger.id}


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

"""Scopes of reading: what belongs to another client is not there, also where its number is known."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from build import REFUSED, Bench, a_rejection, an_event, an_event_for, spread

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.health import Policy
from wallarm_notify.domain.scope import EVERY_CLIENT, Scope, only
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.domain.views import Filter
from wallarm_notify.services import explain, integration_listings, listings, trigger_listings
from wallarm_notify.services.ledger import balance
from wallarm_notify.services.measure import measure
from wallarm_notify.services.simulate import simulate
from wallarm_notify.services.simulate_trigger import simulate_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wallarm_notify.domain.page import Page
    from wallarm_notify.domain.triggers.trigger import Trigger
    from wallarm_notify.services.context import Context

MINE, OTHERS = 1, 2
DAY = timedelta(days=1)
NOBODYS_CALL = TriedCall(sha256(b"{").digest(), "application/json", "utf-8", "{}", b"{")


@dataclass(frozen=True)
class Owned:
    """What a client has: one of each kind."""

    integration: int
    trigger: Trigger
    notification: int
    rejection: int


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench(rate_limit=0)


def owned(bench: Bench, client_id: int) -> Owned:
    integration = bench.integration(client_id=client_id)
    trigger = bench.trigger(integration, condition="user_created", client_id=client_id)
    soon = datetime.now(UTC) + timedelta(hours=1)
    (made,) = bench.ingest(an_event_for("user_created", client_id=client_id)).pending
    bench.ingest(
        an_event(client_id=client_id, occurred_at=soon.isoformat()),
        rejections=[a_rejection(client_id=client_id)],
    )
    rejection = bench.value("SELECT max(id) FROM rejected")
    return Owned(integration, trigger, made.id, rejection)


@pytest.fixture
def mine(bench: Bench) -> Owned:
    return owned(bench, MINE)


@pytest.fixture
def others(bench: Bench, mine: Owned) -> Owned:
    return owned(bench, OTHERS)


@pytest.fixture
def nobodys(bench: Bench) -> tuple[int, int, int]:
    """A rejected event without client, an undecodable message and a call set aside: they belong to no client."""
    bench.ingest(rejections=[a_rejection(client_id="none")])
    bench.store.transact(lambda tx: tx.store_undecodable("no JSON", None, b"{", size=None))
    bench.store.transact(lambda tx: tx.set_aside(NOBODYS_CALL, deaths=3, again_in=DAY))
    return (
        bench.value("SELECT id FROM rejected WHERE client_id IS NULL"),
        bench.value("SELECT id FROM undecodable"),
        bench.value("SELECT id FROM quarantine"),
    )


LISTINGS: dict[str, Callable[[Context, Scope], Page[Any]]] = {
    "list_notifications": lambda c, s: listings.list_notifications(c, s, Filter(), limit=9),
    "list_rejections": lambda c, s: listings.list_rejections(c, s, limit=9),
    "list_ahead": lambda c, s: listings.list_ahead(c, s, limit=9),
    "list_integrations": lambda c, s: integration_listings.list_integrations(c, s, limit=9),
    "list_clients": lambda c, s: integration_listings.list_clients(c, s, limit=9),
    "list_triggers": lambda c, s: trigger_listings.list_triggers(c, s, limit=9),
}

NOBODYS_LISTINGS: dict[str, Callable[[Context, Scope], Page[Any]]] = {
    "list_undecodable": lambda c, s: listings.list_undecodable(c, s, limit=9),
    "list_set_aside": lambda c, s: listings.list_set_aside(c, s, limit=9),
}

SHOWN: dict[str, tuple[Callable[[Context, Scope, int], object], Callable[[Owned], int]]] = {
    "show_notification": (listings.show_notification, lambda o: o.notification),
    "show_rejection": (listings.show_rejection, lambda o: o.rejection),
    "show_integration": (integration_listings.show_integration, lambda o: o.integration),
    "find_trigger": (trigger_listings.find_trigger, lambda o: o.trigger.id),
    "show_trigger": (trigger_listings.show_trigger, lambda o: o.trigger.id),
    "explain": (explain.explain, lambda o: o.integration),
    "explain the last disabling": (
        lambda c, s, i: explain.explain(c, s, i, last_time=True),
        lambda o: o.integration,
    ),
}

NOBODYS_SHOWN: dict[str, tuple[Callable[[Context, Scope, int], object], int]] = {
    "show_rejection": (listings.show_rejection, 0),
    "show_undecodable": (listings.show_undecodable, 1),
    "show_set_aside": (listings.show_set_aside, 2),
}


def clients_of(items: Iterable[Any]) -> set[int | None]:
    return {getattr(item, "client_id", getattr(item, "id", None)) for item in items}


def sentence_of(ask: Callable[[Context, Scope, int], object], *given: Any) -> str:
    with pytest.raises(NotFound) as refused:
        ask(*given)
    assert refused.value.hint is None
    return str(refused.value)


@pytest.mark.parametrize("ask", LISTINGS.values(), ids=LISTINGS)
def test_a_listing_shows_what_is_in_the_scope_alone(
    bench: Bench,
    mine: Owned,
    others: Owned,
    nobodys: object,
    ask: Callable[[Context, Scope], Page[Any]],
) -> None:
    rejected = ask is LISTINGS["list_rejections"]
    assert clients_of(ask(bench.ctx, EVERY_CLIENT).items) == {MINE, OTHERS, *[None] * rejected}
    assert clients_of(ask(bench.ctx, only([MINE])).items) == {MINE}
    assert clients_of(ask(bench.ctx, only([MINE, OTHERS])).items) == {MINE, OTHERS}
    for nothing in (only([]), only([3])):
        assert list(ask(bench.ctx, nothing).items) == []


@pytest.mark.parametrize("ask", NOBODYS_LISTINGS.values(), ids=NOBODYS_LISTINGS)
def test_what_belongs_to_nobody_is_listed_to_who_sees_all(
    bench: Bench, nobodys: object, ask: Callable[[Context, Scope], Page[Any]]
) -> None:
    assert len(ask(bench.ctx, EVERY_CLIENT).items) == 1
    for some in (only([]), only([MINE])):
        assert list(ask(bench.ctx, some).items) == []


def test_what_belongs_to_nobody_is_counted_to_who_sees_all(bench: Bench, nobodys: object) -> None:
    assert listings.count_undecodable(bench.ctx, EVERY_CLIENT) == 1
    assert listings.count_undecodable(bench.ctx, only([MINE])) == 0


@pytest.mark.parametrize(("show", "of"), SHOWN.values(), ids=SHOWN)
def test_what_is_anothers_is_refused_as_if_it_were_not_there(
    bench: Bench,
    mine: Owned,
    others: Owned,
    show: Callable[[Context, Scope, int], object],
    of: Callable[[Owned], int],
) -> None:
    for nothing in (only([MINE]), only([])):
        sentence = sentence_of(show, bench.ctx, nothing, of(others))
        assert sentence == sentence_of(show, bench.ctx, EVERY_CLIENT, 4711).replace(
            "4711", str(of(others))
        )


@pytest.mark.parametrize("name", [name for name in SHOWN if name != "explain the last disabling"])
def test_what_is_ones_own_is_shown(bench: Bench, mine: Owned, others: Owned, name: str) -> None:
    show, of = SHOWN[name]
    for scope in (only([MINE]), only([MINE, OTHERS]), EVERY_CLIENT):
        assert show(bench.ctx, scope, of(mine))


@pytest.mark.parametrize(("show", "place"), NOBODYS_SHOWN.values(), ids=NOBODYS_SHOWN)
def test_what_belongs_to_nobody_is_shown_to_who_sees_all(
    bench: Bench,
    nobodys: tuple[int, int, int],
    show: Callable[[Context, Scope, int], object],
    place: int,
) -> None:
    assert show(bench.ctx, EVERY_CLIENT, nobodys[place])
    sentence = sentence_of(show, bench.ctx, only([MINE]), nobodys[place])
    missing = sentence_of(show, bench.ctx, EVERY_CLIENT, 4711)
    assert sentence == missing.replace("4711", str(nobodys[place]))


def test_each_reading_of_the_listings_is_among_those_that_are_tried_here() -> None:
    modules = (listings, integration_listings, trigger_listings)
    public = {
        name
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    tried = {*LISTINGS, *NOBODYS_LISTINGS, *SHOWN, *NOBODYS_SHOWN}
    assert public - tried == {"count_undecodable", "disabled_among", "there_is"}


def test_asking_for_what_is_anothers_widens_no_scope(
    bench: Bench, mine: Owned, others: Owned
) -> None:
    ctx, scope = bench.ctx, only([MINE])
    for page in (
        listings.list_notifications(ctx, scope, Filter(client_id=OTHERS), limit=9),
        listings.list_notifications(ctx, scope, Filter(integration_id=others.integration), limit=9),
        integration_listings.list_integrations(ctx, scope, client_id=OTHERS, limit=9),
        trigger_listings.list_triggers(ctx, scope, client_id=OTHERS, limit=9),
    ):
        assert list(page.items) == []


def test_which_of_anothers_integrations_are_disabled_is_not_shown(
    bench: Bench, mine: Owned, others: Owned
) -> None:
    bench.disable_integration(others.integration, user="Ann", reason="maintenance")
    both = [mine.trigger, others.trigger]
    assert trigger_listings.disabled_among(bench.ctx, EVERY_CLIENT, both) == [others.integration]
    assert trigger_listings.disabled_among(bench.ctx, only([OTHERS]), both) == [others.integration]
    assert trigger_listings.disabled_among(bench.ctx, only([MINE]), both) == []


@pytest.mark.parametrize("ask", [balance, measure])
def test_figures_of_all_clients_together_are_not_there_for_some(
    bench: Bench, ask: Callable[[Context, Scope], object]
) -> None:
    assert ask(bench.ctx, EVERY_CLIENT)
    for some in (only([]), only([MINE])):
        with pytest.raises(NotFound, match="of some clients alone"):
            ask(bench.ctx, some)


def test_a_policy_is_tried_on_the_integrations_of_the_scope_alone(bench: Bench) -> None:
    for client_id, number in ((MINE, 17), (OTHERS, 18)):
        integration = bench.integration(client_id=client_id)
        bench.attempted(integration, *spread(number, REFUSED), client_id=client_id)
    since = bench.value("SELECT now()") - DAY

    def tried(scope: Scope) -> tuple[int, int, list[int]]:
        done = simulate(bench.ctx, scope, Policy(), since)
        return done.integrations, done.attempts, [d.client_id for d in done.decisions]

    assert tried(only([OTHERS])) == (1, 18, [OTHERS])
    assert tried(only([])) == (0, 0, [])
    integrations, attempts, decided = tried(EVERY_CLIENT)
    assert (integrations, attempts, sorted(decided)) == (2, 35, [MINE, OTHERS])


def test_a_trigger_is_tried_on_events_of_the_scope_alone(bench: Bench, mine: Owned) -> None:
    now = datetime.now(UTC)

    def tried(scope: Scope) -> tuple[int, int]:
        done = simulate_trigger(
            bench.ctx,
            scope,
            mine.trigger,
            since=now - DAY,
            until=now + DAY,
            progress=lambda _share: None,
        )
        return done.events, len(done.firings)

    assert tried(only([MINE])) == tried(EVERY_CLIENT) == (1, 1)
    assert tried(only([OTHERS])) == (0, 0)

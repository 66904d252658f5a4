"""Scopes of reading: what belongs to another client is not there, also where its number is known."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from build import REFUSED, Bench, a_rejection, an_event, an_event_for, spread

from wallarm_notify.domain.actor import Role, operator
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.health import Policy
from wallarm_notify.domain.page import Page
from wallarm_notify.domain.scope import EVERY_CLIENT, Scope, only
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.domain.token import TokenDraft
from wallarm_notify.domain.user import UserDraft
from wallarm_notify.domain.views import EventFilter, Filter, Wanted
from wallarm_notify.domain.why import Why
from wallarm_notify.services import (
    client_listings,
    computations,
    event_listings,
    explain,
    integration_cards,
    integration_listings,
    listings,
    manage_tokens,
    manage_users,
    replay_jobs,
    trigger_listings,
    trigger_rows,
)
from wallarm_notify.services.coverage import show_coverage
from wallarm_notify.services.ledger import balance
from wallarm_notify.services.measure import measure
from wallarm_notify.services.notification_story import list_rows, show_story
from wallarm_notify.services.operation import show_operation
from wallarm_notify.services.preview import preview_events
from wallarm_notify.services.simulate import simulate
from wallarm_notify.services.simulate_trigger import simulate_trigger
from wallarm_notify.services.try_trigger import try_trigger
from wallarm_notify.services.why import why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wallarm_notify.domain.triggers.trigger import Trigger
    from wallarm_notify.services.context import Context

MINE, OTHERS = 1, 2
DAY = timedelta(days=1)
AN_EVENT = "SELECT id FROM events WHERE client_id = :client AND type = 'user.created'"
NOBODYS_CALL = TriedCall(sha256(b"{").digest(), "application/json", "utf-8", "{}", b"{")


@dataclass(frozen=True)
class Owned:
    """What a client has: one of each kind."""

    integration: int
    trigger: Trigger
    notification: int
    rejection: int
    user: int
    token: int
    replay: int
    computation: int


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
    ops, who = operator("Ops"), f"ana@{client_id}.example.com"
    draft = UserDraft(client_id, who, "Ana", Role.ANALYST)
    user = manage_users.create_user(bench.ctx, ops, EVERY_CLIENT, draft)
    token = manage_tokens.create_token(
        bench.ctx, ops, EVERY_CLIENT, TokenDraft(client_id, Role.ANALYST)
    ).token
    replay = replay_jobs.create_replay_job(bench.ctx, ops, EVERY_CLIENT, Wanted(integration))
    computation = computations.create_explanation(bench.ctx, ops, EVERY_CLIENT, integration)
    return Owned(
        *(integration, trigger, made.id, rejection, user.id, token.id, replay.id, computation.id)
    )


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
    ops = operator("Ops")
    draft = UserDraft(None, "ops@example.com", "Ops", Role.OPERATOR)
    manage_users.create_user(bench.ctx, ops, EVERY_CLIENT, draft)
    manage_tokens.create_token(bench.ctx, ops, EVERY_CLIENT, TokenDraft(None, Role.OPERATOR))
    return (
        bench.value("SELECT id FROM rejected WHERE client_id IS NULL"),
        bench.value("SELECT id FROM undecodable"),
        bench.value("SELECT id FROM quarantine"),
    )


LISTINGS: dict[str, Callable[[Context, Scope], Page[Any]]] = {
    "list_notifications": lambda c, s: listings.list_notifications(c, s, Filter(), limit=9),
    "list_rows": lambda c, s: list_rows(c, s, Filter(), limit=9).map(lambda row: row.shown),
    "list_events": lambda c, s: event_listings.list_events(c, s, EventFilter(), limit=9)[0].map(
        lambda one: one.event
    ),
    "list_rejections": lambda c, s: listings.list_rejections(c, s, limit=9),
    "list_ahead": lambda c, s: listings.list_ahead(c, s, limit=9),
    "list_integrations": lambda c, s: integration_listings.list_integrations(c, s, limit=9),
    "clients_among": lambda c, s: Page(integration_listings.clients_among(c, s)),
    "list_clients": lambda c, s: integration_listings.list_clients(c, s, limit=9),
    "list_client_overviews": lambda c, s: client_listings.list_client_overviews(c, s, limit=9),
    "list_users": lambda c, s: manage_users.list_users(c, s, limit=9),
    "list_cards": lambda c, s: integration_cards.list_cards(c, s, limit=9).map(
        lambda card: card.integration
    ),
    "list_tokens": lambda c, s: manage_tokens.list_tokens(c, s, limit=9),
    "list_replay_jobs": lambda c, s: replay_jobs.list_replay_jobs(c, s, limit=9),
    "list_computations": lambda c, s: computations.list_computations(c, s, limit=9),
    "list_triggers": lambda c, s: trigger_listings.list_triggers(c, s, limit=9),
    "list_trigger_rows": lambda c, s: trigger_rows.list_trigger_rows(c, s, (), limit=9).map(
        lambda row: row.trigger
    ),
}

OF_NOBODY_TOO = ("list_rejections", "list_users", "list_tokens")
"""Listings of which some items belong to no client."""

NOBODYS_LISTINGS: dict[str, Callable[[Context, Scope], Page[Any]]] = {
    "list_undecodable": lambda c, s: listings.list_undecodable(c, s, limit=9),
    "list_set_aside": lambda c, s: listings.list_set_aside(c, s, limit=9),
}

SHOWN: dict[str, tuple[Callable[[Context, Scope, int], object], Callable[[Owned], int]]] = {
    "show_notification": (listings.show_notification, lambda o: o.notification),
    "show_sending": (
        lambda c, s, i: listings.show_sending(c, s, Role.OPERATOR, i),
        lambda o: o.notification,
    ),
    "show_story": (
        lambda c, s, i: show_story(c, s, Role.OPERATOR, i),
        lambda o: o.notification,
    ),
    "show_rejection": (listings.show_rejection, lambda o: o.rejection),
    "show_integration": (integration_listings.show_integration, lambda o: o.integration),
    "show_card": (integration_cards.show_card, lambda o: o.integration),
    "show_missed": (integration_cards.show_missed, lambda o: o.integration),
    "show_user": (manage_users.show_user, lambda o: o.user),
    "show_token": (manage_tokens.show_token, lambda o: o.token),
    "show_computation": (computations.show_computation, lambda o: o.computation),
    "show_replay_job": (replay_jobs.show_replay_job, lambda o: o.replay),
    "find_trigger": (trigger_listings.find_trigger, lambda o: o.trigger.id),
    "show_trigger": (trigger_listings.show_trigger, lambda o: o.trigger.id),
    "show_trigger_row": (trigger_rows.show_trigger_row, lambda o: o.trigger.id),
    "hours_of_integration": (
        lambda c, s, i: integration_listings.hours_of_integration(c, s, i, datetime.now(UTC)),
        lambda o: o.integration,
    ),
    "explain": (explain.explain, lambda o: o.integration),
    "explain the last disabling": (
        lambda c, s, i: explain.explain(c, s, i, last_time=True),
        lambda o: o.integration,
    ),
}

OF_A_CLIENT: dict[str, Callable[[Context, Scope, int], list[Any]]] = {
    "integrations_of_client": integration_listings.integrations_of_client,
    "triggers_of_client": trigger_listings.triggers_of_client,
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
    of_nobody = any(ask is LISTINGS[name] for name in OF_NOBODY_TOO)
    assert clients_of(ask(bench.ctx, EVERY_CLIENT).items) == {MINE, OTHERS, *[None] * of_nobody}
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
    modules = (listings, integration_listings, trigger_listings, event_listings)
    people = (
        manage_users,
        manage_tokens,
        replay_jobs,
        computations,
        integration_cards,
        client_listings,
        trigger_rows,
    )
    public = {
        name
        for module in (*modules, *people)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
        if module in modules or name.startswith(("list_", "show_"))
    }
    tried = {*LISTINGS, *NOBODYS_LISTINGS, *SHOWN, *NOBODYS_SHOWN, *OF_A_CLIENT}
    assert public - tried == {
        "count_undecodable",
        "disabled_among",
        "there_is",
        "changed_at",
        "sending_in",
        "with_grant",
    }


@pytest.mark.parametrize("ask", OF_A_CLIENT.values(), ids=OF_A_CLIENT)
def test_what_a_client_has_is_listed_within_the_scope_alone(
    bench: Bench, mine: Owned, others: Owned, ask: Callable[[Context, Scope, int], list[Any]]
) -> None:
    assert len(ask(bench.ctx, only([MINE]), MINE)) == 1
    for nothing in (only([MINE]), only([])):
        with pytest.raises(NotFound, match=f"There is no client {OTHERS}"):
            ask(bench.ctx, nothing, OTHERS)


def test_what_a_trigger_is_made_of_and_tried_on_is_of_the_scope_alone(
    bench: Bench, mine: Owned, others: Owned
) -> None:
    criteria = mine.trigger.criteria
    assert trigger_rows.count_triggers(bench.ctx, only([MINE])).all == 1
    assert trigger_rows.count_triggers(bench.ctx, EVERY_CLIENT).all == 2
    offered, _ = trigger_rows.offered_integrations(
        bench.ctx, only([MINE]), MINE, [others.integration], 9
    )
    assert [one.id for one in offered] == [mine.integration]
    assert try_trigger(bench.ctx, only([MINE]), MINE, criteria, ()).matched == 1
    for nothing in (only([MINE]), only([])):
        with pytest.raises(NotFound, match=f"There is no client {OTHERS}"):
            trigger_rows.offered_integrations(bench.ctx, nothing, OTHERS, (), 9)
        with pytest.raises(NotFound, match=f"There is no client {OTHERS}"):
            try_trigger(bench.ctx, nothing, OTHERS, criteria, ())


def test_a_client_who_is_anothers_is_not_among_those_asked_for(
    bench: Bench, mine: Owned, others: Owned
) -> None:
    assert integration_listings.clients_among(bench.ctx, only([MINE]), OTHERS) == []
    (found,) = integration_listings.clients_among(bench.ctx, EVERY_CLIENT, OTHERS)
    assert found.id == OTHERS


def test_why_an_event_was_notified_is_shown_within_the_scope_alone(
    bench: Bench, mine: Owned, others: Owned
) -> None:
    numbers = {c: bench.value(AN_EVENT, client=c) for c in (MINE, OTHERS)}
    for scope in (only([MINE]), EVERY_CLIENT):
        found = why(bench.ctx, scope, MINE, numbers[MINE])
        assert isinstance(found, Why)
        assert {n.id for p in found.lines if (n := p.notification)} == {mine.notification}
    for nothing in (only([MINE]), only([])):
        with pytest.raises(NotFound, match=f"There is no client {OTHERS}"):
            why(bench.ctx, nothing, OTHERS, numbers[OTHERS])


def test_coverage_is_of_clients_of_the_scope_alone(
    bench: Bench, mine: Owned, others: Owned
) -> None:
    for scope in (only([MINE]), EVERY_CLIENT):
        found = show_coverage(bench.ctx, scope, MINE)
        assert [i.id for i in found.rules.integrations] == [mine.integration]
    for scope in (only([MINE]), only([])):
        with pytest.raises(NotFound, match=f"There is no client {OTHERS}"):
            show_coverage(bench.ctx, scope, OTHERS)


def test_a_preview_goes_by_the_rules_of_clients_of_the_scope_alone(
    bench: Bench, mine: Owned, others: Owned
) -> None:
    event = an_event_for("user_created", client_id=MINE)
    for scope in (only([MINE]), EVERY_CLIENT):
        (found,) = preview_events(bench.ctx, scope, [event], lambda _: {"payload": _ALERT})
        assert [way.way.integration and way.way.integration.id for way, _ in found.ways] == [
            mine.integration
        ]
    for scope in (only([OTHERS]), only([])):
        with pytest.raises(NotFound, match=f"There is no client {MINE}"):
            preview_events(bench.ctx, scope, [event], lambda _: {})


_ALERT = {"summary": "A new user", "severity": "info", "source": "Wallarm"}


def test_asking_for_what_is_anothers_widens_no_scope(
    bench: Bench, mine: Owned, others: Owned
) -> None:
    ctx, scope = bench.ctx, only([MINE])
    for page in (
        listings.list_notifications(ctx, scope, Filter(client_id=OTHERS), limit=9),
        event_listings.list_events(ctx, scope, EventFilter(client_id=OTHERS), limit=9)[0],
        listings.list_notifications(ctx, scope, Filter(integration_id=others.integration), limit=9),
        integration_listings.list_integrations(ctx, scope, client_id=OTHERS, limit=9),
        trigger_listings.list_triggers(ctx, scope, client_id=OTHERS, limit=9),
        manage_users.list_users(ctx, scope, client_id=OTHERS, limit=9),
        manage_tokens.list_tokens(ctx, scope, client_id=OTHERS, limit=9),
    ):
        assert list(page.items) == []


def test_which_of_anothers_integrations_are_disabled_is_not_shown(
    bench: Bench, mine: Owned, others: Owned
) -> None:
    bench.disable_integration(others.integration, user="Ann", reason="maintenance")
    both = [mine.trigger, others.trigger]
    off = {others.integration: None}
    assert trigger_listings.disabled_among(bench.ctx, EVERY_CLIENT, both) == off
    assert trigger_listings.disabled_among(bench.ctx, only([OTHERS]), both) == off
    assert trigger_listings.disabled_among(bench.ctx, only([MINE]), both) == {}


@pytest.mark.parametrize("ask", [balance, measure, show_operation])
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

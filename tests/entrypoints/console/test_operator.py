"""The operator's pages: system, ledger, what was not read, and clients."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from build import an_event_object

from entrypoints.api.http_api import served
from entrypoints.api.owned import Owned, owned, with_nobodys
from entrypoints.api.test_dead_letters import a_call_of, set_aside, undecodable
from entrypoints.console.test_pages import HOSTILE, check_page
from entrypoints.console.web import Page, Person, person
from wallarm_notify.domain.actor import Role
from wallarm_notify.entrypoints.console.pages.system import share_words
from wallarm_notify.task_names import QUEUES

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine
    from wallarm_notify.store import Transaction

OPERATORS = {"/system", "/ledger", "/undecodable", "/clients"}


@pytest.fixture
def ops(api: HttpApi) -> Person:
    return person(api, Role.OPERATOR)


def all_is_well(line: CommandLine) -> None:
    """Note that a worker lives, beat runs and queues are empty."""
    store, often = line.wiring.store, timedelta(seconds=15)
    store.transact(
        lambda tx: tx.note_heartbeat("w@host", sorted(QUEUES), tx.now, every=often, gap=often)
    )
    store.transact(lambda tx: tx.note_queue_lengths(dict.fromkeys(QUEUES, 0)))
    line.sql(
        "INSERT INTO upkeep_runs (name, began_at) VALUES ('sweep', now()), ('review', now()), ('prune', now())"
    )


def no_json(number: int, tx: Transaction) -> None:
    tx.store_undecodable(f"no JSON {number}", None, b"{", size=None)


def entries(somebody: Person) -> set[str | None]:
    return {a["href"] for a in somebody.page("/coverage").all("a")} & OPERATORS


def test_the_operators_entries_are_shown_to_operators_alone(api: HttpApi, ops: Person) -> None:
    assert entries(ops) == OPERATORS
    assert entries(person(api, Role.ADMINISTRATOR)) == set()


# System.


def test_the_system_says_first_whether_alerts_are_delivered(
    api: HttpApi, line: CommandLine, ops: Person
) -> None:
    all_is_well(line)
    page = check_page(ops.get("/system"))
    assert "Paging works" in page.text
    assert "All that takes in, sends and watches is there" in page.text
    assert "w@host" in page.text
    assert page.text.count("Keeps up") == len(QUEUES)


def test_the_system_leads_to_the_integration_that_something_is_wrong_with(
    line: CommandLine, ops: Person
) -> None:
    all_is_well(line)
    number = line.integration("--subscribe", "system")
    line.sql(f"UPDATE integrations SET slow_since = now() WHERE id = {number}")
    page = ops.page("/system")
    assert f"PagerDuty answers slowly for integration {number}" in page.text
    assert f"/integrations/{number}/failures" in {a["href"] for a in page.all("a")}


def test_the_system_names_what_is_wrong_and_since_when(
    api: HttpApi, line: CommandLine, ops: Person
) -> None:
    page = check_page(ops.get("/system"))
    assert "2 things are bad" in page.text
    assert "SWEEP has never run." in page.text
    assert "Nobody takes from the queues events, celery, notifications" in page.text
    assert "celery -A tasks worker -Q events,celery" in page.text
    assert page.text.count("Nobody takes") == 1 + len(QUEUES)
    assert "not measured yet" in page.text


def test_the_system_shows_rates_by_the_minute(line: CommandLine, ops: Person) -> None:
    mine = owned(line, 1)
    line.sql(
        f"""INSERT INTO health_minutes (integration_id, generation, minute, attempts, failed,
                network, server, throttled, client, other)
            SELECT {mine.integration_id}, 0, date_trunc('minute', now()) - m * interval '1 minute', 30, 3, 0, 3, 0, 0, 0
            FROM generate_series(1, 5) m"""
    )
    page = ops.page("/system")
    assert "of 150 attempts in 10 min failed" in page.text
    assert "10.0 %" in page.text
    (chart,) = [s for s in page.all("svg") if (s.get("aria-label") or "").startswith("Attempts")]
    assert chart["aria-label"] == "Attempts by the minute: 150 in the last hour, 15 of them failed"


def test_the_part_that_is_read_again_is_that_part_alone(ops: Person) -> None:
    answer = ops.get("/system", {"HX-Request": "true"})
    assert answer.text.lstrip().startswith('<div id="now"')
    assert "<html" not in answer.text


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(0, 10, "0 %"), (999, 1000, "99.9 %"), (99_999, 100_000, "99.9 %"), (10, 10, "100 %")],
)
def test_a_share_is_rounded_down_so_that_100_is_all(part: int, whole: int, words: str) -> None:
    assert share_words(part, whole) == words


# The ledger.


def test_the_ledger_adds_up_what_came_in_and_what_was_made(line: CommandLine, ops: Person) -> None:
    with_nobodys(line, owned(line, 1))
    page = check_page(ops.get("/ledger"))
    assert "Nothing is missing: the ledger balances" in page.text
    known = line.json("ledger")
    assert f"As many as events received {known['received']}" in page.text
    assert f"As many as notifications made {sum(known['notifications'].values())}" in page.text
    assert "Undecodable Messages that no events could be read from 1" in page.text


def test_a_ledger_that_does_not_balance_says_by_how_much(line: CommandLine, ops: Person) -> None:
    owned(line, 1)
    line.sql("INSERT INTO counts (kind, shard, value) VALUES ('received', 99, 3)")
    page = check_page(ops.get("/ledger"))
    assert "The ledger does not balance" in page.text
    assert "3 fewer than events received" in page.text
    assert line.wiring.store.transact(lambda tx: tx.running_counts())["received"] >= 3


# What was not read.


def test_a_message_is_mended_and_its_events_are_taken_in(line: CommandLine, ops: Person) -> None:
    number = undecodable(line, b'[[], {"events": [')
    page = check_page(ops.get(f"/undecodable/{number}"))
    assert '[[], {"events": [' in page.text
    event = an_event_object()
    done = ops.send(
        f"/undecodable/{number}/resubmit", {"how": "mended", "message": json.dumps([event])}
    )
    assert "1 event is taken in" in check_page(done).text
    assert line.json("events", "show", event["id"], "--client", event["client_id"])
    shown = check_page(ops.get(f"/undecodable/{number}"))
    assert "Its events were taken in" in shown.text
    assert not shown.all("textarea")
    (change,) = line.json("activity", "list", "--limit", 1)["items"]
    assert (change["action"], change["actor"]["source"]) == ("resubmitted", "console")


def test_what_is_wrong_still_is_shown_beside_what_was_entered(
    line: CommandLine, ops: Person
) -> None:
    number = undecodable(line, b"{")
    for entered in ("{ no JSON", HOSTILE, "", '[{"type": "no.such"}]'):
        refused = ops.send(f"/undecodable/{number}/resubmit", {"how": "mended", "message": entered})
        assert refused.status_code == 400
        page = check_page(refused)
        (field,) = page.all("textarea")
        assert field["aria-invalid"] == "true"
        assert " ".join(entered.split()) in page.text
    assert line.json("events", "undecodable", number)["resubmitted_at"] is None


def test_a_call_set_aside_is_taken_in_as_it_was_kept(line: CommandLine, ops: Person) -> None:
    event = an_event_object()
    number = set_aside(line, a_call_of(event, {"type": "no.such"}))
    assert "One worker tries it again" in ops.page(f"/undecodable/set-aside/{number}").text
    done = check_page(ops.send(f"/undecodable/set-aside/{number}/resubmit", {"how": "kept"}))
    assert "1 event is taken in" in done.text
    assert "Rejected 1 event" in done.text
    assert ops.get(f"/undecodable/set-aside/{number}").status_code == 404
    assert "Calls that kill workers appear here" in ops.page("/undecodable/set-aside").text


def test_a_message_that_was_not_kept_whole_is_not_taken_in_as_it_was_kept(
    line: CommandLine, ops: Person
) -> None:
    number = undecodable(line, b"[" * 20_000, size=90_000)
    page = check_page(ops.get(f"/undecodable/{number}"))
    assert "It was not kept whole" in page.text
    assert "Take in as it was kept" not in page.text
    assert "The first 8000 of 20000 characters are shown" in page.text
    assert ops.send(f"/undecodable/{number}/resubmit", {"how": "kept"}).status_code == 400


def test_messages_are_listed_page_by_page(line: CommandLine, ops: Person) -> None:
    for n in range(41):
        line.wiring.store.transact(partial(no_json, n))
    first = ops.page("/undecodable")
    assert "no JSON 40" in first.text
    assert "no JSON 0 " not in first.text
    (following,) = [a["href"] for a in first.all("a") if "after=" in (a["href"] or "")]
    assert following is not None
    assert "no JSON 0 " in ops.page(following).text


def test_events_that_are_ahead_are_shown_with_when_they_are_taken_in(
    line: CommandLine, ops: Person
) -> None:
    line.sql(
        """INSERT INTO events_ahead (client_id, id, type, occurred_at, body, body_hash)
           VALUES (7, '7b0c6a52-0001-4000-8000-00000000000a', 'user.created',
               now() + interval '65 minutes', '{}', '')"""
    )
    page = check_page(ops.get("/undecodable/ahead"))
    assert "7b0c6a52-0001-4000-8000-00000000000a" in page.text
    assert "taken in in 59 min" in page.text


# Clients.


@pytest.fixture
def two(line: CommandLine) -> tuple[Owned, Owned]:
    line.ok("clients", "set", 1, "--name", "Example Shop")
    return owned(line, 1), owned(line, 2)


def test_clients_say_whether_anybody_is_reached_and_lead_to_their_pages(
    line: CommandLine, ops: Person, two: tuple[Owned, Owned]
) -> None:
    line.ok("integrations", "disable", two[1].integration_id)
    page = check_page(ops.get("/clients"))
    assert "Somebody is told Example Shop" in page.text
    assert "Nobody is told Client 2" in page.text
    assert any((a["href"] or "").endswith("?client_id=2") for a in page.all("a"))
    only = ops.page("/clients?show=nobody").text
    assert "Client 2" in only
    assert "Somebody is told" not in only


def test_a_client_is_found_and_what_is_not_found_says_what_to_drop(
    ops: Person, two: tuple[Owned, Owned]
) -> None:
    assert "Somebody is told Example Shop" in ops.page("/clients?name=shop").text
    assert "Somebody is told Client 2" in ops.page("/clients?name=2").text
    nothing = check_page(ops.get("/clients?name=100%25"))
    assert "No client has “100%” in its name" in nothing.text
    assert "Drop the name" in nothing.text


def test_others_see_the_clients_in_their_reach_and_no_integrations_without_the_right(
    api: HttpApi, two: tuple[Owned, Owned]
) -> None:
    analyst = check_page(person(api, Role.ANALYST).get("/clients"))
    assert "Example Shop" in analyst.text
    assert "Client 2" not in analyst.text
    assert "Integrations" not in analyst.text


# The header.


def switches(page: Page) -> set[str]:
    """Where the choice of clients leads."""
    begin = page.elements.index(("nav", {"class": "nav", "aria-label": "Clients"}))
    found = []
    for tag, attributes in page.elements[begin + 1 :]:
        if tag != "a" or "link" in (attributes.get("class") or ""):
            break
        found.append(attributes["href"] or "")
    return set(found)


def test_another_client_is_chosen_on_the_page_that_is_open_with_its_filters(
    ops: Person, two: tuple[Owned, Owned]
) -> None:
    page = ops.page("/integrations?show=enabled&name=a%26b&after=7&client_id=1")
    assert switches(page) == {
        "/integrations?show=enabled&name=a%26b",
        "/integrations?show=enabled&name=a%26b&client_id=1",
        "/integrations?show=enabled&name=a%26b&client_id=2",
    }


def test_of_one_thing_another_client_leads_to_the_listing(
    ops: Person, two: tuple[Owned, Owned]
) -> None:
    page = ops.page(f"/integrations/{two[0].integration_id}?client_id=1")
    assert switches(page) == {
        "/integrations",
        "/integrations?client_id=1",
        "/integrations?client_id=2",
    }


def test_filters_by_what_one_client_has_are_left_for_another(
    ops: Person, two: tuple[Owned, Owned]
) -> None:
    page = ops.page(f"/notifications?show=failed&event_id={two[0].event_id}&client_id=1")
    assert "/notifications?show=failed&client_id=2" in switches(page)


def test_a_search_from_any_page_keeps_the_client(ops: Person, two: tuple[Owned, Owned]) -> None:
    page = ops.page("/integrations?client_id=2")
    fields = {(f.get("name"), f.get("value")) for f in page.all("input")}
    assert ("client_id", "2") in fields
    assert "/search?client_id=2" in {a["href"] for a in page.all("a")}


def test_operators_alone_are_led_to_flower_where_its_address_is_set(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def links(api: HttpApi, role: Role) -> set[str | None]:
        return {a["href"] for a in person(api, role).page("/coverage").all("a")}

    flower = "https://flower.example.com/"
    with served(line) as api:
        assert flower not in links(api, Role.OPERATOR)
    monkeypatch.setenv("WALLARM_NOTIFY_FLOWER_URL", flower)
    with served(line) as api:
        assert flower in links(api, Role.OPERATOR)
        assert flower not in links(api, Role.ADMINISTRATOR)

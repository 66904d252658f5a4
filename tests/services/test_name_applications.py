"""Alerts of events that have only an application's number show what their client calls it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from build import an_attack, an_event_for

from services.test_ingest import statements
from services.test_inline_dispatch import Dispatcher, ingest_here
from wallarm_notify.domain.actor import Role, operator
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.pagerduty.request import RequestSettings, request_of, shown_alert
from wallarm_notify.services.listings import show_sending
from wallarm_notify.services.manage_applications import (
    create_application,
    delete_application,
    rename_application,
)
from wallarm_notify.services.preview import preview_events

if TYPE_CHECKING:
    from build import Bench

    from wallarm_notify.domain.event import Event
    from wallarm_notify.domain.sending import Sending

SETTINGS = RequestSettings({"us": "https://us.example"}, {"us": None}, "us")
ANN = operator("ann")
EACH = ["api_structure_changed", "blacklist_ip_added", "rogue_api_detected"]


def named(bench: Bench, number: int = 43, name: str = "Shop", client: int = 1) -> None:
    create_application(bench.ctx, ANN, EVERY_CLIENT, client, application_id=number, name=name)


def watched(bench: Bench, client: int = 1) -> None:
    """Make a trigger for each condition whose alerts say in which application it was."""
    integration = bench.integration(subscribe=(), client_id=client)
    for condition in EACH:
        bench.trigger(integration, condition=condition, client_id=client)


def sent(sending: Sending) -> Any:
    return json.loads(request_of(sending, SETTINGS).body)["payload"]


def claimed(bench: Bench, *events: Event) -> list[Sending]:
    return list(bench.claim([n.id for n in bench.ingest(*events).pending]).sendings)


def routed_and_claimed(bench: Bench, *events: Event) -> list[Sending]:
    dispatcher = Dispatcher()
    ingest_here(bench, dispatcher, events)
    return dispatcher.sendings()


WAYS = pytest.mark.parametrize("way", [claimed, routed_and_claimed])


@WAYS
@pytest.mark.parametrize("condition", EACH)
def test_an_alert_names_the_application_whose_number_its_event_has(
    bench: Bench, condition: str, way: Any
) -> None:
    named(bench)
    watched(bench)
    event = an_event_for(condition, application_id=43)
    (sending,) = way(bench, event)
    alert = sent(sending)
    assert (alert["component"], alert["custom_details"]["application"]) == ("Shop", "Shop")
    assert "Application #43" not in json.dumps(alert)
    assert "application_name" not in sending.payload.event.body


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"application_id": 43}, "Shop"),
        ({"application_id": 43, "application_name": "Store"}, "Store"),
        ({"application_id": 43, "application_name": " "}, "Shop"),
        ({"application_id": 43, "application_name": None}, "Shop"),
        ({"application_id": 44}, "Application #44"),
        ({"application_id": 45}, "Application #45"),
        ({"application_id": 46}, "Application #46"),
        ({"application_id": -(2**63)}, f"Application #{-(2**63)}"),
        ({"application_id": -1}, "default"),
        ({"application_id": None}, "default"),
        ({}, "default"),
    ],
    ids=[
        *("named", "own name", "blank name", "no name", "another client's", "deleted"),
        *("unknown", "smallest", "default", "null", "none"),
    ],
)
def test_which_name_an_alert_shows(bench: Bench, fields: dict[str, Any], shown: str) -> None:
    named(bench)
    named(bench, 44, "Other", client=2)
    named(bench, 45, "Gone")
    delete_application(bench.ctx, ANN, EVERY_CLIENT, 1, 45)
    rename_application(bench.ctx, ANN, EVERY_CLIENT, 1, -1, name="Rest")
    watched(bench)
    (sending,) = claimed(bench, an_event_for("blacklist_ip_added", **fields))
    assert sent(sending)["component"] == shown


def test_one_number_is_each_clients_own_application(bench: Bench) -> None:
    for client, name in ((1, "Shop"), (2, "Bank")):
        named(bench, 43, name, client)
        watched(bench, client)
    events = [
        an_event_for("blacklist_ip_added", application_id=43, client_id=client)
        for client in (1, 2, 3)
    ]
    found = {s.payload.event.client_id: sent(s)["component"] for s in claimed(bench, *events)}
    assert found == {1: "Shop", 2: "Bank"}


@pytest.mark.parametrize(
    ("filters", "shown"),
    [(["pool=43"], "Shop"), (["pool=44"], "Application #44"), (["pool=-1"], "default"), ([], None)],
)
def test_a_count_in_one_application_names_it(
    bench: Bench, filters: list[str], shown: str | None
) -> None:
    named(bench)
    bench.trigger(filters=filters, threshold="0 in 1h")
    number = int(filters[0].removeprefix("pool=")) if filters else 43
    attack = an_attack(application_id=number, occurred_at=datetime.now(UTC).isoformat())
    (sending,) = claimed(bench, attack)
    assert sent(sending).get("component") == shown


@WAYS
def test_one_query_names_all_of_a_batch_and_none_is_made_where_nothing_needs_it(
    bench: Bench, way: Any
) -> None:
    named(bench)
    watched(bench)

    def asked(*events: Event) -> int:
        with statements(bench) as made:
            assert len(way(bench, *events)) == len(events)
        return sum("JOIN applications" in one for one in made)

    numbers = (43, 44, 45, 43, None)
    assert asked(*(an_event_for("blacklist_ip_added", application_id=n) for n in numbers)) == 1
    named_already = {"application_id": 43, "application_name": "Store"}
    assert asked(an_event_for("blacklist_ip_added", **named_already)) == 0
    assert asked(an_event_for("blacklist_ip_added")) == 0


def test_a_new_name_is_in_the_next_attempt_under_the_same_dedup_key(bench: Bench) -> None:
    watched(bench)
    (made,) = bench.ingest(an_event_for("blacklist_ip_added", application_id=43)).pending
    found = []
    for name in ("Shop", "Store"):
        if name == "Shop":
            named(bench)
        else:
            rename_application(bench.ctx, ANN, EVERY_CLIENT, 1, 43, name=name)
        bench.sql("UPDATE notifications SET lease_until = NULL, due_at = now()")
        (sending,) = bench.claim([made.id]).sendings
        found.append((sent(sending)["component"], sending.dedup_key))
    assert [component for component, _ in found] == ["Shop", "Store"]
    assert len({key for _, key in found}) == 1


def test_what_is_shown_and_previewed_has_the_name_too(bench: Bench) -> None:
    named(bench)
    watched(bench)
    event = an_event_for("rogue_api_detected", application_id=43)
    (previewed,) = preview_events(
        bench.ctx, EVERY_CLIENT, [event], lambda sending: shown_alert(sending, SETTINGS)
    )
    (alert,) = [alert for _, alert in previewed.ways if alert is not None]
    assert alert.body["payload"]["component"] == "Shop"
    (sending,) = claimed(bench, event)
    shown = shown_alert(
        show_sending(bench.ctx, EVERY_CLIENT, Role.OPERATOR, sending.notification.id), SETTINGS
    )
    assert shown["payload"] == sent(sending)
    assert shown["payload"]["component"] == "Shop"

"""A notification shows the alert that its requests hold, without the key."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from build import an_attack, an_event, an_event_for

from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.pagerduty.request import RequestSettings, request_of, shown_alert
from wallarm_notify.services.listings import show_sending

if TYPE_CHECKING:
    from collections.abc import Callable

    from build import Bench

    from wallarm_notify.domain.event import Event

SETTINGS = RequestSettings(
    {"us": "https://us.example", "eu": "https://eu.example"},
    {"me": "https://console.example"},
    "me",
)

EVENTS: dict[str, Callable[[], Event]] = {
    "an event": an_event,
    "one with odd characters": lambda: an_event(title="\u202e \ud83d <b>&amp;"),
    "one whose summary is too long": lambda: an_event(title="long " * 1000),
    "one whose body is too long": lambda: an_event(title="x" * 250_000),
    "one that a trigger fires on": lambda: an_event_for("blacklist_ip_added"),
    "one that is counted": lambda: an_attack(occurred_at=datetime.now(UTC).isoformat()),
}


@pytest.mark.parametrize("region", ["us", "eu"])
@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_the_alert_shown_is_the_one_sent_but_for_the_key(
    bench: Bench, event: Callable[[], Event], region: str
) -> None:
    integration = bench.integration(subscribe=("security_issue",), region=region)
    bench.trigger(integration, condition="blacklist_ip_added")
    bench.trigger(integration, condition="attacks_exceeded", threshold="0 in 1h")
    (notification,) = bench.ingest(event()).pending
    shown = shown_alert(
        show_sending(bench.ctx, EVERY_CLIENT, Role.OPERATOR, notification.id), SETTINGS
    )
    (sending,) = bench.claim([notification.id]).sendings
    sent = json.loads(request_of(sending, SETTINGS).body)
    key = sending.key.reveal()
    assert sent["routing_key"] == key
    assert {**sent, "routing_key": f"…{key[-4:]}"} == shown
    assert key not in json.dumps(shown)


def test_of_a_deleted_integration_no_key_is_shown(bench: Bench) -> None:
    integration = bench.integration()
    (notification,) = bench.made()
    bench.delete_integration(integration, user="Ann", reason="")
    shown = shown_alert(
        show_sending(bench.ctx, EVERY_CLIENT, Role.OPERATOR, notification), SETTINGS
    )
    assert shown["routing_key"] is None
    assert shown["payload"]["summary"]

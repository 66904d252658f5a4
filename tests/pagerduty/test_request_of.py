"""The request for a claimed notification: where it goes, whose key it holds, which bytes it is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from build import NOON, a_key, a_user_event, an_attack, criteria_of
from sender.claims import sendings

from wallarm_notify.domain.alert_identity import dedup_key
from wallarm_notify.domain.client import Client
from wallarm_notify.domain.triggers.firing import fired
from wallarm_notify.domain.triggers.trigger import Trigger
from wallarm_notify.pagerduty.encode import encode
from wallarm_notify.pagerduty.request import (
    RequestSettings,
    render,
    request_of,
    request_to_resolve,
    request_with,
)
from wallarm_notify.sending import request_settings_of
from wallarm_notify.settings import Settings

if TYPE_CHECKING:
    from wallarm_notify.domain.event import Event
    from wallarm_notify.domain.sending import Sending
    from wallarm_notify.domain.triggers.firing import Firing

KEY = a_key()
CONSOLES = {"us": "https://us1.my.wallarm.com", "eu": "https://my.wallarm.com", "me": None}
URLS = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
SETTINGS = RequestSettings(URLS, CONSOLES, cloud="eu")


def a_sending(event: Event | None = None, **payload: Any) -> Sending:
    """A claimed notification of integration 17, of the event or firing that ``payload`` names."""
    (sending,) = sendings([1], 17, KEY)
    event = event or a_user_event()
    return replace(sending, payload=replace(sending.payload, event=event, **payload))


def a_firing(event: Event) -> Firing:
    """Of a trigger that fires with each event."""
    trigger = Trigger(
        id=7,
        client_id=1,
        name="Users",
        comment="",
        enabled=True,
        criteria=criteria_of("user_created"),
        integration_ids=(17,),
        version=1,
        created_at=NOON,
        created_by="Ann",
    )
    return fired(trigger, event, count=1, window=None, event_ids=(event.id,))


@pytest.mark.parametrize("region", ["us", "eu"])
def test_a_request_goes_to_the_integrations_region(region: str) -> None:
    request = request_of(a_sending(region=region), SETTINGS)
    assert request.url == f"{URLS[region]}/v2/enqueue"
    assert request.key == KEY


def test_a_request_is_the_events_alert_with_the_notifications_identity() -> None:
    event = a_user_event()
    sending = a_sending(event, client_name="Shop", cloud="us", partner_name="Partner")
    body = render(
        event,
        Client(event.client_id, "Shop", "us", "Partner"),
        dedup_key=dedup_key(str(event.id), "card", 17),
        console_host=CONSOLES["us"],
    )
    assert request_of(sending, SETTINGS).body == encode(body, KEY)


def test_a_request_of_a_trigger_is_its_firings_alert() -> None:
    event = a_user_event()
    firing = a_firing(event)
    request = request_of(a_sending(event, firing=firing, origin="trigger:7"), SETTINGS)
    body = json.loads(request.body)
    assert body["payload"]["custom_details"]["firing_id"] == str(firing.id)
    assert body["dedup_key"] == dedup_key(str(firing.id), "trigger:7", 17)


@pytest.mark.parametrize(
    ("cloud", "named", "console"),
    [
        (None, "EU", "https://my.wallarm.com"),
        ("us", "US", "https://us1.my.wallarm.com"),
        ("me", "ME", None),
    ],
)
def test_what_a_clients_record_leaves_out_is_filled_in(
    cloud: str | None, named: str, console: str | None
) -> None:
    event = a_user_event()
    body = json.loads(request_of(a_sending(event, cloud=cloud), SETTINGS).body)
    details = body["payload"]["custom_details"]
    assert (details["client_name"], details["cloud"]) == (f"Client {event.client_id}", named)
    assert body["payload"]["summary"].startswith("[Wallarm] ")
    assert body.get("client_url") == console


def test_every_attempt_is_the_same_request() -> None:
    sending = a_sending()
    n = sending.notification
    later = replace(sending, notification=replace(n, id=2, attempts_made=9, fence=12, run=2))
    assert request_of(later, SETTINGS) == request_of(sending, SETTINGS)


def test_what_is_only_counted_and_what_goes_nowhere_is_no_request() -> None:
    with pytest.raises(ValueError, match="only count"):
        request_of(a_sending(an_attack()), SETTINGS)
    with pytest.raises(KeyError):
        request_of(a_sending(region="moon"), SETTINGS)


def test_the_settings_name_every_region_and_cloud() -> None:
    given = {
        "console_me_url": "https://me1.my.wallarm.com/",
        "pagerduty_eu_url": "https://eu.example.com/",
    }
    found = request_settings_of(Settings.model_validate(given))
    assert found == RequestSettings(
        {"us": URLS["us"], "eu": "https://eu.example.com"},
        {**CONSOLES, "me": "https://me1.my.wallarm.com"},
        cloud="us",
    )


@pytest.mark.parametrize("region", ["us", "eu"])
def test_a_resolve_is_a_dedup_key_alone_and_goes_where_alerts_go(region: str) -> None:
    key = a_key()
    request = request_to_resolve("never opened", key, region, SETTINGS)
    assert request.url == request_with({}, key, region, SETTINGS).url
    assert json.loads(request.body) == {
        "routing_key": key.reveal(),
        "event_action": "resolve",
        "dedup_key": "never opened",
    }

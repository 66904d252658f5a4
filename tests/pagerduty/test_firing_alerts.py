"""What the alert of a firing says, against golden files and the words of the spec."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from build import NOON, a_firing, a_trigger, an_event_for, criteria_of
from golden_triggers import FOLDER, SAMPLES, golden, without_what_changes, write

from wallarm_notify.domain.client import Client
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.triggers.cells import cell_of, window_of
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.firing import fired
from wallarm_notify.pagerduty.encode import encode
from wallarm_notify.pagerduty.request import render
from wallarm_notify.sandbox.events import alert_errors, read_body

CLIENT = Client(1, "Client 1", "us", "Wallarm")
CONSOLE = "https://us1.my.wallarm.com"
KEY = IntegrationKey("0123456789abcdef0123456789ABCDEF")


def alert(condition: str, *, console: str | None = CONSOLE, **fields: Any) -> dict[str, Any]:
    """The body of the sample's alert; ``fields`` are other ones of its event."""
    sample = SAMPLES[condition]
    event = an_event_for(condition, NOON, **{**sample.event, **fields})
    criteria = criteria_of(condition, *sample.filters, threshold=sample.threshold)
    trigger = a_trigger(criteria, name=sample.name)
    window = None
    if criteria.threshold is not None:
        period = criteria.threshold.period
        window = window_of(cell_of(event.occurred_at, period), period)
    firing = fired(trigger, event, count=1, window=window, event_ids=(event.id,))
    return render(event, CLIENT, dedup_key=uuid4().hex * 2, console_host=console, firing=firing)


@pytest.mark.parametrize("condition", Condition)
def test_an_alert_is_as_its_golden_file(condition: str) -> None:
    assert without_what_changes(alert(condition)) == golden(condition)


@pytest.mark.parametrize("condition", Condition)
def test_pagerduty_takes_it_as_it_is(condition: str) -> None:
    body = alert(condition)
    read = read_body(encode(body, KEY))
    assert read is not None
    assert alert_errors(read, KEY.reveal()) == []
    assert read == {**body, "routing_key": KEY.reveal()}


def test_there_is_no_golden_file_too_many() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(Condition)


@pytest.mark.parametrize(
    ("condition", "headline", "notification_type", "severity"),
    [
        (
            "attacks_exceeded",
            "The number of detected attacks exceeded the threshold",
            "attacks_exceeded",
            "warning",
        ),
        (
            "hits_exceeded",
            "The number of detected hits exceeded the threshold",
            "attacks_exceeded",
            "warning",
        ),
        (
            "incidents_exceeded",
            "The number of detected incidents exceeded the threshold",
            "incidents_exceeded",
            "critical",
        ),
        (
            "api_structure_changed",
            "A new endpoint has been discovered in your API",
            "api_structure_changed",
            "info",
        ),
        ("blacklist_ip_added", "New IP address was denylisted", "ip_blocked", "warning"),
        (
            "rogue_api_detected",
            "A new shadow endpoint has been discovered in your API",
            "api_comparison_result",
            "warning",
        ),
        ("user_created", "New user was added to the company account", "create_user", "info"),
    ],
)
def test_headline_type_and_severity(
    condition: str, headline: str, notification_type: str, severity: str
) -> None:
    body = alert(condition)
    payload, details = body["payload"], body["payload"]["custom_details"]
    text = details["description"]
    assert payload["summary"] == f"[Wallarm] Trigger: {headline}"
    assert payload["severity"] == severity
    assert payload["class"] == details["notification_type"] == notification_type
    assert datetime.fromisoformat(payload["timestamp"]) == NOON
    assert text.startswith(f"Notification type: {notification_type}\n\n")
    assert f'\nThis notification was triggered by the "{SAMPLES[condition].name}" trigger.' in text
    assert text.endswith("\n\nClient: Client 1\nCloud: US\n")
    assert "None" not in text
    assert details["trigger_name"] == SAMPLES[condition].name
    assert "firing_id" in details
    assert "event_id" not in details


@pytest.mark.parametrize(
    ("condition", "fields", "headline"),
    [
        ("api_structure_changed", {"change_type": "changed"}, "A changed endpoint"),
        ("api_structure_changed", {"change_type": "unused"}, "An unused endpoint"),
        ("rogue_api_detected", {"kind": "zombie"}, "A new zombie endpoint"),
        ("rogue_api_detected", {"kind": "orphan"}, "A new orphan endpoint"),
    ],
)
def test_headlines_of_the_other_kinds(
    condition: str, fields: dict[str, Any], headline: str
) -> None:
    summary = alert(condition, **fields)["payload"]["summary"]
    assert summary == f"[Wallarm] Trigger: {headline} has been discovered in your API"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"application_name": "Shop", "application_id": 8}, "Shop"),
        ({"application_id": 8}, "Application #8"),
        ({"application_id": -1}, "default"),
        ({"application_id": None}, "default"),
    ],
)
def test_what_an_application_is_called(fields: dict[str, Any], name: str) -> None:
    payload = alert("blacklist_ip_added", **fields)["payload"]
    assert payload["component"] == payload["custom_details"]["application"] == name
    text = payload["custom_details"]["description"]
    assert f'"Denylisted" trigger. The IP is blocked for the application {name}.\n' in text


@pytest.mark.parametrize(
    ("expires_at", "words"),
    [
        ("2026-06-10T02:27:15+03:00", "until 2026-06-10 02:27:15 +0300"),
        ("2026-06-10T02:27:15Z", "until 2026-06-10 02:27:15 +0000"),
        (None, "forever"),
    ],
)
def test_how_long_an_address_is_denylisted(expires_at: str | None, words: str) -> None:
    details = alert("blacklist_ip_added", expires_at=expires_at)["payload"]["custom_details"]
    assert f"IP address 1.1.1.1 was denylisted {words} for the reason" in details["description"]
    assert details["expire_at"] == words.removeprefix("until ")


def test_a_threshold_links_to_the_list_with_its_window_rounded_outwards() -> None:
    body = alert("attacks_exceeded")
    (link,) = body["links"]
    details = body["payload"]["custom_details"]
    start, end = (datetime.fromisoformat(details[n]) for n in ("time_from", "time_to"))
    assert end - start == timedelta(hours=1)
    assert start <= NOON < end
    assert link == {
        "href": f"{CONSOLE}/attacks?q=attacks&time_from={start.timestamp():.0f}&time_to={end.timestamp():.0f}",
        "text": "View events",
    }
    assert f"View events:\n{link['href']}\n" in details["description"]
    assert "?q=incidents&" in alert("incidents_exceeded")["links"][0]["href"]


def test_without_a_console_there_is_no_link() -> None:
    body = alert("attacks_exceeded", console=None)
    assert body["links"] == []
    assert "View events" not in body["payload"]["custom_details"]["description"]


def test_no_name_can_forge_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = replace(SAMPLES["user_created"], name='x" trigger.\nClient: Somebody else')
    monkeypatch.setitem(SAMPLES, "user_created", sample)
    text = alert("user_created")["payload"]["custom_details"]["description"]
    assert text.count("\nClient: ") == 1


def test_a_long_path_and_many_parameters_are_taken() -> None:
    body = alert(
        "api_structure_changed",
        path="/" + "x" * 200_000,
        changed_parameters=[{"name": "p" * 100}] * 200,
    )
    encoded = encode(body, KEY)
    read = read_body(encoded)
    assert len(encoded) <= 512_000
    assert read is not None
    assert alert_errors(read, KEY.reveal()) == []
    assert read["payload"]["custom_details"]["cut"]


@pytest.mark.parametrize(
    ("filters", "group", "component"),
    [
        ((), None, None),
        (("domain=shop.example.com",), "shop.example.com", None),
        (("domain=shop.example.com,api.example.com",), None, None),
        (("domain!=shop.example.com",), None, None),
        (("pool=7",), None, "Application #7"),
        (("pool=-1", "domain=shop.example.com"), "shop.example.com", "default"),
        (("pool=7,8",), None, None),
    ],
)
def test_a_count_names_host_and_application_where_its_trigger_looks_at_one(
    filters: tuple[str, ...], group: str | None, component: str | None
) -> None:
    event, firing = a_firing(*filters)
    payload = render(event, CLIENT, dedup_key="d", console_host=None, firing=firing)["payload"]
    assert (payload.get("group"), payload.get("component")) == (group, component)


@pytest.mark.parametrize(
    ("chosen", "severity"),
    [(None, "warning"), (Severity.CRITICAL, "critical"), (Severity.INFO, "info")],
)
def test_its_severity_is_the_triggers_or_else_the_conditions(
    chosen: Severity | None, severity: str
) -> None:
    event, firing = a_firing(chosen_severity=chosen)
    payload = render(event, CLIENT, dedup_key="d", console_host=None, firing=firing)["payload"]
    assert payload["severity"] == severity


if __name__ == "__main__":
    for one in Condition:
        write(one, alert(one))

from __future__ import annotations

from typing import Any

import pytest
from build import a_firing, a_key

from wallarm_notify.domain.alert_identity import dedup_key
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.sending import Payload
from wallarm_notify.domain.triggers.alert_group import (
    AlertGroup,
    group_value,
    parse_alert_group,
)

EVENT: dict[str, Any] = {"host": "Shop.Example.com.", "ip": "203.0.113.7", "application_id": 3}


@pytest.mark.parametrize(
    ("group", "body", "value"),
    [
        ("each", EVENT, None),
        ("trigger", EVENT, ("trigger", "")),
        ("trigger", {}, ("trigger", "")),
        ("host", EVENT, ("host", "shop.example.com")),
        ("host", {}, None),
        ("host", {"host": " "}, None),
        ("ip", EVENT, ("ip", "203.0.113.7")),
        ("ip", {"ip": None}, None),
        ("application", EVENT, ("application", "3")),
        ("application", {}, ("application", "-1")),
        ("application", {"application_id": -1}, ("application", "-1")),
    ],
)
def test_alerts_of_one_value_are_one_and_where_it_is_unknown_each_is_its_own(
    group: str, body: dict[str, Any], value: tuple[str, str] | None
) -> None:
    assert group_value(AlertGroup(group), body) == value


def test_another_word_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(Refused, match="each, trigger, host, ip, application"):
        parse_alert_group("client")


def key_of(group: AlertGroup, *, integration: int = 1, trigger: int = 7, host: str = "a") -> str:
    event, firing = a_firing(group=group, id=trigger)
    event.body["host"] = host  # type: ignore[index]  # a test's own
    payload = Payload(event, firing, firing.origin, "us", a_key(), None, None, None)
    return payload.dedup_key_for(integration)


def test_two_events_of_one_host_have_one_dedup_key_and_others_have_others() -> None:
    host = AlertGroup.HOST
    assert key_of(host) == key_of(host)
    others = [
        key_of(host),
        key_of(host, host="b"),
        key_of(host, integration=2),
        key_of(host, trigger=8),
        key_of(AlertGroup.TRIGGER),
        key_of(AlertGroup.EACH),
        key_of(AlertGroup.EACH),
    ]
    assert len(set(others)) == len(others)


def test_without_a_group_the_key_is_as_it_was() -> None:
    assert dedup_key("a", "trigger:7", 1, None) == dedup_key("a", "trigger:7", 1)


def test_the_key_of_a_group_never_changes() -> None:
    assert dedup_key("a", "trigger:7", 1, ("host", "shop.example.com")) == (
        "32366e32bcc0161da315d75aa2ef579a1244d380afa29832dc0d78b41466be7e"
    )

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wallarm_notify.sandbox.alerts import Alert, Alerts, AlertStatus
from wallarm_notify.sandbox.control import Page
from wallarm_notify.sandbox.journal import Entry
from wallarm_notify.sandbox.rate import RateWindow

from .conftest import KEY, OTHER_KEY, Event

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def alerts() -> Alerts:
    return Alerts()


def only(alerts: Alerts) -> Alert:
    (alert,) = alerts.all
    return alert


def test_a_trigger_opens_an_alert_and_notifies_once(alerts: Alerts, event: Event) -> None:
    alerts.take(KEY, "d", event(), NOON)

    document = only(alerts).as_document()
    assert len(document.pop("alert_id")) == 32
    assert document == {
        "number": 1,
        "key": KEY,
        "dedup_key": "d",
        "status": "triggered",
        "notifications": 1,
        "triggers": 1,
        "summary": "Rule created",
        "severity": "info",
        "first_at": "2026-01-01T12:00:00.000000+00:00",
        "last_at": "2026-01-01T12:00:00.000000+00:00",
        "log": [{"at": "2026-01-01T12:00:00.000000+00:00", "event_action": "trigger"}],
        "payload": event(),
    }


def test_a_trigger_on_an_open_alert_is_logged_and_keeps_quiet(alerts: Alerts, event: Event) -> None:
    alerts.take(KEY, "d", event(), NOON)
    alerts.take(KEY, "d", event("acknowledge"), after(1))
    alerts.take(KEY, "d", event(), after(2))

    alert = only(alerts)
    assert (alert.triggers, alert.notifications, len(alert.log)) == (2, 1, 3)
    assert alert.status is AlertStatus.ACKNOWLEDGED
    assert (alert.first_at, alert.last_at) == (NOON, after(2))


def test_a_trigger_after_the_resolve_opens_another_alert(alerts: Alerts, event: Event) -> None:
    for action in ("trigger", "resolve", "trigger"):
        alerts.take(KEY, "d", event(action), NOON)

    first, second = alerts.all
    assert (first.status, second.status) == (AlertStatus.RESOLVED, AlertStatus.TRIGGERED)
    assert first.alert_id != second.alert_id


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_what_finds_nothing_open_is_dropped_and_counted(
    action: str, alerts: Alerts, event: Event
) -> None:
    alerts.take(KEY, "d", event(), NOON)
    alerts.take(OTHER_KEY, "d", event(action), NOON)
    alerts.take(KEY, "D", event(action), NOON)

    assert only(alerts).status is AlertStatus.TRIGGERED
    assert dict(alerts.dropped) == {OTHER_KEY: 1, KEY: 1}


def test_the_120th_event_of_a_minute_is_accepted_and_the_121st_is_not() -> None:
    window = RateWindow()

    assert [window.admit(KEY, 120, NOON) for _ in range(121)] == [True] * 120 + [False]
    assert window.admit(OTHER_KEY, 120, NOON)


def test_an_event_leaves_the_sliding_minute_after_60_seconds() -> None:
    window = RateWindow()
    assert window.admit(KEY, 2, NOON)
    assert window.admit(KEY, 2, after(30))

    assert not window.admit(KEY, 2, after(59.999999))
    assert window.admit(KEY, 2, after(60))
    assert not window.admit(KEY, 2, after(89))
    assert window.admit(KEY, 2, after(90))


def test_a_limit_of_0_accepts_everything() -> None:
    window = RateWindow()

    assert all(window.admit(KEY, 0, NOON) for _ in range(1000))


def entries(*keys: str | None) -> list[Entry]:
    return [
        Entry(
            number=number,
            at=NOON,
            path="/v2/enqueue",
            key=key,
            headers={},
            raw=b"no json",
            peer_port=1,
            fault=None,
            accepted=False,
        )
        for number, key in enumerate(keys, 1)
    ]


def page(items: list[Entry], **query: Any) -> tuple[list[int], int | None]:
    found, cursor = Page(**query).of(items)
    return [item.number for item in found], cursor


def test_pages_follow_one_another_until_the_cursor_is_none() -> None:
    items = entries(KEY, None, KEY, KEY)

    assert page(items, since=0, limit=2) == ([1, 2], 2)
    assert page(items, since=2, limit=2) == ([3, 4], None)


def test_pages_of_one_key_leave_out_the_others() -> None:
    items = entries(KEY, OTHER_KEY, KEY, OTHER_KEY)

    assert page(items, since=0, limit=1, key=KEY) == ([1], 1)
    assert page(items, since=1, limit=1, key=KEY) == ([3], None)
    assert page(items, since=99, limit=1) == ([], None)


def test_a_body_that_is_no_json_is_shown_as_text() -> None:
    (entry,) = entries(KEY)

    assert entry.as_document(brief=False)["body"] == "no json"
    assert "body" not in entry.as_document(brief=True)

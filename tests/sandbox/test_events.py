import json
from typing import Any

import pytest

from wallarm_notify.sandbox import events

from .conftest import KEY, Event

SUMMARY_TOO_LONG = "'summary' is too long (maiximum is 1024 characters)"
BAD_SEVERITY = (
    "'payload.severity' is invalid (must be one of the following: "
    "'critical', 'warning', 'error' or 'info')"
)
BLANK_KEY = "'routing_key' cannot be blank"
BAD_LENGTH = "Length of 'routing_key' is incorrect (should be 32 characters)"
BAD_CHARACTERS = "'routing_key' cannot contain non-alphanumeric characters."
NO_ACTION = "'event_action' is missing or blank"


def alert_errors(body: dict[str, Any]) -> list[str]:
    return events.alert_errors(body, events.routing_key_of(body, None))


def change_errors(body: dict[str, Any]) -> list[str]:
    return events.change_errors(body, events.routing_key_of(body, None))


def payload(**fields: Any) -> dict[str, Any]:
    whole = {"summary": "s", "source": "s", "severity": "info", **fields}
    return {name: value for name, value in whole.items() if value is not ...}


BROKEN_ALERTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"routing_key": ...}, [BLANK_KEY]),
    ({"routing_key": None}, [BLANK_KEY]),
    ({"routing_key": " "}, [BLANK_KEY]),
    ({"routing_key": "a" * 20}, [BAD_LENGTH]),
    ({"routing_key": "a" * 33}, [BAD_LENGTH]),
    ({"routing_key": "a" * 31 + "-"}, [BAD_CHARACTERS]),
    ({"routing_key": "a" * 31 + "é"}, [BAD_CHARACTERS]),
    ({"routing_key": "a-b"}, [BAD_LENGTH, BAD_CHARACTERS]),
    ({"event_action": ...}, [NO_ACTION]),
    ({"event_action": ""}, [NO_ACTION]),
    ({"event_action": "Trigger"}, [events.UNKNOWN_ACTION]),
    ({"event_action": ["trigger"]}, [events.UNKNOWN_ACTION]),
    (
        {"event_action": "acknowledge", "dedup_key": ...},
        ["'dedup_key' is missing or blank"],
    ),
    ({"event_action": "resolve", "dedup_key": ""}, ["'dedup_key' is missing or blank"]),
    ({"dedup_key": "d" * 256}, [events.LONG_DEDUP_KEY]),
    ({"dedup_key": 7}, [events.TEXTLESS_DEDUP_KEY]),
    ({"payload": payload(summary=...)}, ["'payload.summary' is missing or blank"]),
    ({"payload": payload(summary=" ")}, ["'payload.summary' is missing or blank"]),
    ({"payload": payload(source=None)}, ["'payload.source' is missing or blank"]),
    ({"payload": payload(severity=...)}, ["'payload.severity' is missing or blank"]),
    ({"payload": payload(severity="CRITICAL")}, [BAD_SEVERITY]),
    ({"payload": payload(severity=3)}, [BAD_SEVERITY]),
    ({"payload": payload(summary="é" * 1025)}, [SUMMARY_TOO_LONG]),
    ({"payload": payload(timestamp="2021-10-22 5:01:32")}, [events.BAD_TIMESTAMP]),
    ({"payload": payload(timestamp="2026-01-01T5:01:32Z")}, [events.BAD_TIMESTAMP]),
    ({"payload": payload(timestamp="2026-02-30T05:01:32Z")}, [events.BAD_TIMESTAMP]),
    ({"payload": payload(timestamp=1)}, [events.BAD_TIMESTAMP]),
    ({"payload": payload(custom_details="text")}, [events.BAD_DETAILS]),
    ({"images": [{"alt": "x"}]}, ["'image src' is missing or blank"]),
    ({"links": [{"href": "", "text": "x"}]}, ["'link href' is missing or blank"]),
    ({"links": ["https://example.com"]}, ["'link href' is missing or blank"]),
    ({"links": "https://example.com"}, ["'links' is not an array"]),
]


@pytest.mark.parametrize(("fields", "errors"), BROKEN_ALERTS)
def test_each_broken_rule_has_its_message(
    fields: dict[str, Any], errors: list[str], event: Event
) -> None:
    assert alert_errors(event(**fields)) == errors


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"routing_key": "NN2EZIJQPVVQF3KIKN2MDMSUV7E6GLFN"},
        {"dedup_key": ""},
        {"dedup_key": ...},
        {"dedup_key": "d" * 255},
        {"event_action": "resolve", "payload": None},
        {"event_action": "resolve", "payload": ...},
        {"event_action": "resolve"},
        {"unknown": 1, "images": [], "links": []},
        {"images": [{"src": "https://example.com/i.png", "href": "", "alt": ""}]},
        {"links": [{"href": "https://example.com", "text": ""}]},
        {"payload": payload(summary="🔥" * 1024)},
        {"payload": payload(timestamp="2015-07-17T08:42:58.315+0000")},
        {"payload": payload(timestamp="2026-01-01T00:00:00Z", custom_details={"a": [1]})},
        {"payload": payload(**{"class": "", "group": "", "custom_details": None})},
    ],
)
def test_what_pagerduty_tolerates_is_no_error(fields: dict[str, Any], event: Event) -> None:
    assert alert_errors(event(**fields)) == []


def test_an_empty_object_breaks_two_rules_as_the_real_one_says() -> None:
    assert alert_errors({}) == [BLANK_KEY, NO_ACTION]


@pytest.mark.parametrize("nothing", [None, "text", {}])
def test_all_errors_come_in_one_list(nothing: Any, event: Event) -> None:
    body = event(routing_key="short!", payload=nothing, links=[{}])

    assert alert_errors(body) == [
        BAD_LENGTH,
        BAD_CHARACTERS,
        "'payload.summary' is missing or blank",
        "'payload.source' is missing or blank",
        "'payload.severity' is missing or blank",
        "'link href' is missing or blank",
    ]


def test_a_change_event_needs_a_key_and_a_summary() -> None:
    assert change_errors({}) == [BLANK_KEY, "'payload.summary' is missing or blank"]
    assert change_errors({"routing_key": KEY, "payload": {"summary": "deployed"}}) == []
    long = {"routing_key": KEY, "payload": {"summary": "x" * 1025}}
    assert change_errors(long) == [SUMMARY_TOO_LONG]


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b'"text"', b"null", b'{"a":NaN}', b"\xff{}", b"[" * 100_000],
)
def test_other_than_a_json_object_is_not_read(raw: bytes) -> None:
    assert events.read_body(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        '{"a": "é<"}\n'.encode(),
        b'{"a": "\\u00e9\\u003c"}',
        json.dumps({"a": "é<"}).encode(),
    ],
)
def test_every_spelling_of_a_text_reads_the_same(raw: bytes) -> None:
    assert events.read_body(raw) == {"a": "é<"}


def test_the_header_gives_the_key_where_the_body_has_none() -> None:
    assert events.routing_key_of({}, KEY) == KEY
    assert events.routing_key_of({"routing_key": "mine"}, KEY) == "mine"
    assert events.routing_key_of(None, None) is None

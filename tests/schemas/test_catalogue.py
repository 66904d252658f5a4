"""The event types: every field of every one, and what each takes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

import pytest
from build import an_event_object

from schemas.sample_events import FIELDS, ID, accepted, an_event, reason, without
from wallarm_notify.domain.canonical import body_hash, canonical
from wallarm_notify.domain.event import EVENT_TYPES, Event, Rejection
from wallarm_notify.schemas.catalogue import json_schema
from wallarm_notify.schemas.fields import MAX_INT64
from wallarm_notify.schemas.read import read_event, value_hash

REQUIRED = [(name, field) for name, (required, _) in FIELDS.items() for field in required]


OPTIONAL = [(name, field) for name, (_, optional) in FIELDS.items() for field in optional]


def test_the_table_here_the_models_and_the_catalogue_name_the_same_types() -> None:
    models = json_schema()["discriminator"]["mapping"]

    assert set(models) == set(EVENT_TYPES) == set(FIELDS)


@pytest.mark.parametrize("event_type", FIELDS)
def test_an_event_with_just_the_required_fields_is_accepted(event_type: str) -> None:
    event = accepted(obj := an_event(event_type))

    assert event.id == UUID(ID)
    assert event.client_id == 1
    assert event.type == event_type
    assert event.occurred_at == datetime(2026, 3, 1, 7, tzinfo=UTC)
    assert event.body is obj
    assert event.text == canonical(obj)
    assert event.body_hash == value_hash(canonical(obj))
    assert event.hash_before == body_hash(canonical(obj))


@pytest.mark.parametrize("event_type", FIELDS)
def test_an_event_with_every_field_and_unknown_ones_is_accepted_as_it_is(event_type: str) -> None:
    actor = {"id": 5, "name": "John Doe", "email": "john@example.com", "phone": "1"}
    obj = an_event(event_type, **FIELDS[event_type][1], actor=actor, more={"a": [1]})

    assert accepted(obj).body == obj


@pytest.mark.parametrize(("event_type", "field"), REQUIRED)
def test_a_required_field_that_is_missing_is_named(event_type: str, field: str) -> None:
    assert reason(without(an_event(event_type), field)) == f"{field} is required."


@pytest.mark.parametrize("field", ["id", "client_id", "occurred_at"])
def test_what_every_event_has_is_required(field: str) -> None:
    assert reason(without(an_event(), field)) == f"{field} is required."


@pytest.mark.parametrize(("event_type", "field"), OPTIONAL)
def test_an_optional_field_may_be_null_and_is_checked_where_it_is_given(
    event_type: str, field: str
) -> None:
    assert accepted(an_event(event_type, **{field: None}))
    assert reason(an_event(event_type, **{field: 3.5})).startswith(f"{field} must be ")


@pytest.mark.parametrize(
    ("event_type", "field"),
    [pair for pair in REQUIRED if isinstance(FIELDS[pair[0]][0][pair[1]], str)],
)
def test_a_required_text_is_not_blank(event_type: str, field: str) -> None:
    assert f"{field} must " in reason(an_event(event_type, **{field: " \t"}))


@pytest.mark.parametrize(
    ("event_type", "field", "permitted"),
    [
        ("security_issue.detected", "risk", "critical, high, medium, low or info"),
        ("api.changed", "change_type", "added, changed or unused"),
        ("rogue_api.detected", "kind", "shadow, zombie or orphan"),
        ("attack.detected", "target", "server, client or database"),
        (
            "specification.update_failed",
            "used_for",
            "rogue_api_detection or specification_enforcement",
        ),
    ],
)
def test_a_closed_choice_says_what_is_permitted(
    event_type: str, field: str, permitted: str
) -> None:
    message = reason(an_event(event_type, **{field: "Urgent"}))

    assert message == f"{field} must be {permitted}, not «Urgent»."


@pytest.mark.parametrize(
    "value",
    ["2026-03-01T10:00:00", "2026-03-01", "yesterday", "1772359200", "1772359200.5", 1772359200, 0],
)
def test_a_time_without_zone_or_that_is_none_is_refused(value: Any) -> None:
    message = reason(an_event(occurred_at=value))

    assert message.startswith("occurred_at must be a date and time with a time zone")


@pytest.mark.parametrize(
    ("value", "is_fine"),
    [
        ("2015-01-01T00:00:00Z", True),
        ("2014-12-31T23:59:59.999999Z", False),
        ("2015-01-01T02:59:59+03:00", False),
        ("2014-12-31T23:00:00-01:00", True),
        ("2999-01-01T00:00:00Z", True),  # the router compares with the database's clock
        ("9999-12-31T23:59:59-12:00", False),
        ("2026-03-01T10:00:00+23:59", True),
    ],
)
def test_time_begins_in_2015(value: str, is_fine: bool) -> None:
    read = read_event(an_event(occurred_at=value))

    assert isinstance(read, Event) is is_fine
    if isinstance(read, Event):
        assert read.occurred_at == datetime.fromisoformat(value)
        assert read.occurred_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("fields", "is_for_its_time"),
    [
        ({"occurred_at": "1970-01-01T00:00:12Z"}, True),
        ({"occurred_at": "2014-12-31T23:59:59Z"}, True),
        ({"occurred_at": "1970-01-01T00:00:12Z", "title": " "}, False),
        ({"occurred_at": "1970-01-01T00:00:12"}, False),
        ({"title": " "}, False),
    ],
)
def test_a_clock_that_was_never_set_has_its_own_complaint(
    fields: dict[str, Any], *, is_for_its_time: bool
) -> None:
    rejection = read_event(an_event_object(**fields))
    assert isinstance(rejection, Rejection)
    assert rejection.is_for_its_time is is_for_its_time


@pytest.mark.parametrize(
    ("value", "is_fine"),
    [
        (1, True),
        (MAX_INT64, True),
        (0, False),
        (-1, False),
        (MAX_INT64 + 1, False),
        ("1", False),
        (1.0, True),
        (1.5, False),
        (True, False),
    ],
)
def test_a_client_is_a_positive_integer_of_64_bits(value: Any, is_fine: bool) -> None:
    assert isinstance(read_event(an_event(client_id=value)), Event) is is_fine


@pytest.mark.parametrize(
    ("value", "is_fine"),
    [
        (5, True),
        ("5-a", True),
        (-MAX_INT64 - 1, True),
        (MAX_INT64, True),
        (MAX_INT64 + 1, False),
        (" ", False),
        (True, False),
        (1.5, False),
        ([1], False),
        (None, False),
    ],
)
def test_an_id_is_an_integer_of_64_bits_or_a_text(value: Any, is_fine: bool) -> None:
    assert isinstance(read_event(an_event(issue_id=value)), Event) is is_fine


@pytest.mark.parametrize("value", [None, 3, "x", [], "7b0c6a52-0001-4000-8000-00000000000"])
def test_the_id_of_an_event_is_a_uuid(value: Any) -> None:
    assert reason(an_event(id=value)).startswith("id must be a UUID, not ")


def test_the_json_schema_says_what_is_required_and_how_it_is_sent() -> None:
    schema = json_schema()

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "events.ingest" in schema["description"]
    assert schema["discriminator"]["propertyName"] == "type"
    assert len(schema["oneOf"]) == len(EVENT_TYPES)
    for name, reference in schema["discriminator"]["mapping"].items():
        model = schema["$defs"][reference.removeprefix("#/$defs/")]
        fixed = {"id", "client_id", "occurred_at", "type"}
        assert set(model["required"]) == fixed | set(FIELDS[name][0])
        assert set(model["properties"]) == set(model["required"]) | set(FIELDS[name][1]) | {"actor"}
        assert model["properties"]["type"]["const"] == name
    json.dumps(schema)


def test_every_sample_is_accepted_and_every_type_and_risk_is_among_them() -> None:
    lines = files("wallarm_notify").joinpath("samples/events.jsonl").read_text("utf-8").splitlines()

    events = [accepted(json.loads(line)) for line in lines]

    assert {event.type for event in events} == set(EVENT_TYPES)
    assert len({event.id for event in events}) == len(events)
    assert {event.client_id for event in events} == {1}
    assert {event.occurred_at.year for event in events} == {2026}
    risks = {event.body["risk"] for event in events if event.type == "security_issue.detected"}
    assert risks == {"critical", "high", "medium", "low", "info"}

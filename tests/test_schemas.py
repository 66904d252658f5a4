"""Reading events: every type, every field, every edge; nothing makes it raise."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

import pytest
from build import an_event_object
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.canonical import body_hash, canonical
from wallarm_notify.domain.event import EVENT_TYPES, Event, Rejection
from wallarm_notify.schemas import (
    MAX_DIGITS,
    MAX_INT64,
    json_schema,
    read_call,
    read_calls,
    read_event,
    value_hash,
)

ID = "7b0c6a52-0001-4000-8000-00000000000a"

ALWAYS: dict[str, Any] = {"id": ID, "client_id": 1, "occurred_at": "2026-03-01T10:00:00+03:00"}

_INTEGRATION = {"integration_id": 17, "integration_name": "On-call"}
_TRAFFIC = {"attack_type": "sqli"}
_ENDPOINT = {"method": "GET", "host": "api.example.com", "path": "/users"}
_RULE_OPTIONS = {"name": "Patch", "rule_type": "vpatch", "changes": {"mode": ["off", "block"]}}
_TRIGGER_OPTIONS = {"template_id": "attacks_exceeded", "changes": {}}
_INTEGRATION_OPTIONS = {"integration_type": "PagerDuty", "reason": "Moved"}
_APPLICATION_OPTIONS = {"application_id": -1, "application_name": "default"}
_TRAFFIC_OPTIONS = {
    **_APPLICATION_OPTIONS,
    "ip": "203.0.113.7",
    "host": "shop.example.com",
    "path": "/login",
    "response_status": 403,
    "target": "server",
    "experimental": True,
}

# For each type: its required fields, and its optional ones.
FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "user.created": (
        {"user_name": "Alex", "user_email": "alex@example.com", "user_role": "admin"},
        {},
    ),
    "user.deleted": (
        {"user_name": "Alex", "user_email": "alex@example.com"},
        {"user_role": "admin"},
    ),
    "user.role_changed": (
        {
            "user_name": "Alex",
            "user_email": "alex@example.com",
            "user_role": "admin",
            "previous_role": "deploy",
        },
        {},
    ),
    "integration.disabled": (_INTEGRATION, _INTEGRATION_OPTIONS),
    "integration.deleted": (_INTEGRATION, _INTEGRATION_OPTIONS),
    "integration.auto_disabled": (
        {**_INTEGRATION, "failure_ratio": 0.6, "attempts": 20, "failed": 12},
        {**_INTEGRATION_OPTIONS, "last_error": "400"},
    ),
    "application.created": ({"application_id": 8, "application_name": "Shop"}, {}),
    "application.deleted": ({"application_id": 8, "application_name": "Shop"}, {}),
    "application.renamed": (
        {"application_id": 8, "application_name": "Shop", "previous_name": "Store"},
        {},
    ),
    "specification.update_failed": (
        {"specification_id": 4, "specification_title": "Orders", "error": "404"},
        {"url": "https://example.com/a.yaml", "used_for": "specification_enforcement"},
    ),
    "rule.created": ({"rule_id": 7}, _RULE_OPTIONS),
    "rule.updated": ({"rule_id": 7}, _RULE_OPTIONS),
    "rule.deleted": ({"rule_id": "r-7"}, _RULE_OPTIONS),
    "trigger.created": ({"trigger_id": 3, "name": "Many attacks"}, _TRIGGER_OPTIONS),
    "trigger.updated": ({"trigger_id": 3, "name": "Many attacks"}, _TRIGGER_OPTIONS),
    "trigger.deleted": ({"trigger_id": 3, "name": "Many attacks"}, _TRIGGER_OPTIONS),
    "security_issue.detected": (
        {"issue_id": 106279, "title": "Old Nginx", "risk": "info"},
        {
            "host": "www.example.com",
            "port": 443,
            "path": "/",
            "url": "https://www.example.com/",
            "method": "GET",
            "parameter": "HEADER_HOST",
            "discovered_by": "AASM",
            "issue_type": "Vulnerable component",
            "reopened": True,
            "link": "https://console.example.com/1",
        },
    ),
    "attack.detected": ({**_TRAFFIC, "attack_id": "a-1"}, _TRAFFIC_OPTIONS),
    "hit.detected": ({**_TRAFFIC, "hit_id": "h-1"}, {**_TRAFFIC_OPTIONS, "in_sample": False}),
    "incident.detected": ({**_TRAFFIC, "incident_id": 5}, {**_TRAFFIC_OPTIONS, "issue_id": 9}),
    "api.changed": (
        {**_ENDPOINT, "change_type": "unused"},
        {
            **_APPLICATION_OPTIONS,
            "changed_parameters": [{"name": "ACCEPT", "change_type": "new"}],
            "sensitive_data": ["email"],
            "link": "https://console.example.com/2",
        },
    ),
    "ip.denylisted": (
        {"ip": "203.0.113.7", "reason": "Bot"},
        {**_APPLICATION_OPTIONS, "expires_at": "2026-03-02T10:00:00Z"},
    ),
    "rogue_api.detected": (
        {**_ENDPOINT, "kind": "orphan"},
        {
            **_APPLICATION_OPTIONS,
            "specification_id": 4,
            "specification_title": "Orders",
            "link": "https://console.example.com/3",
        },
    ),
}

REQUIRED = [(name, field) for name, (required, _) in FIELDS.items() for field in required]
OPTIONAL = [(name, field) for name, (_, optional) in FIELDS.items() for field in optional]


def an_event(event_type: str = "security_issue.detected", **fields: Any) -> dict[str, Any]:
    return {**ALWAYS, "type": event_type, **FIELDS[event_type][0], **fields}


def without(event: dict[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != field}


def accepted(obj: Any) -> Event:
    read = read_event(obj)
    assert isinstance(read, Event), read
    return read


def reason(obj: Any) -> str:
    read = read_event(obj)
    assert isinstance(read, Rejection), read
    return read.reason


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
    said = reason(an_event(event_type, **{field: "Urgent"}))

    assert said == f"{field} must be {permitted}, not «Urgent»."


@pytest.mark.parametrize(
    "value",
    ["2026-03-01T10:00:00", "2026-03-01", "yesterday", "1772359200", "1772359200.5", 1772359200, 0],
)
def test_a_time_without_zone_or_that_is_none_is_refused(value: Any) -> None:
    said = reason(an_event(occurred_at=value))

    assert said.startswith("occurred_at must be a date and time with a time zone")


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


@pytest.mark.parametrize("value", ["x", None, 5, [], {"a": 1}, "User.created"])
def test_an_unknown_type_is_told_the_known_ones(value: Any) -> None:
    said = reason({**an_event(), "type": value})

    assert said.startswith("type must be one of user.created, ")
    assert "rogue_api.detected" in said


def test_a_missing_type_is_told_the_known_ones() -> None:
    assert reason(without(an_event(), "type")).startswith("type is required; permitted are user.cr")


@pytest.mark.parametrize("value", [None, 5, "x", [], True])
def test_an_event_is_an_object(value: Any) -> None:
    assert reason(value).startswith("The event must be an object, not ")


def test_several_mistakes_make_one_sentence_of_five_at_most() -> None:
    said = reason(an_event(id=1, client_id=0, title="", risk=1, host=1, port=1e9, actor=[]))

    assert said.count(";") == 5
    assert said.endswith("; and 2 more.")
    assert "http" not in said
    assert "\n" not in said


def test_a_mistake_within_an_object_or_list_is_placed() -> None:
    assert reason(an_event(actor={"id": []})).startswith("actor.id must be ")
    said = reason(an_event("api.changed", sensitive_data=["email", 3]))
    assert said == "sensitive_data[1] must be a text, not 3."


def test_what_is_shown_of_a_wrong_value_is_short() -> None:
    assert len(reason(an_event(risk="x" * 10_000))) < 200


def test_a_rejection_keeps_what_can_be_told() -> None:
    told = read_event(an_event(risk="none"))
    untold = read_event(an_event(id="x", client_id="y", type=["z"]))

    assert isinstance(told, Rejection)
    assert isinstance(untold, Rejection)
    assert (told.event_id, told.client_id, told.type) == (UUID(ID), 1, "security_issue.detected")
    assert (untold.event_id, untold.client_id, untold.type) == (None, None, None)
    assert json.loads(told.text) == an_event(risk="none")
    assert told.body_hash == value_hash(told.text)
    assert told.hash_before == body_hash(told.text)


def of_size(size: int) -> dict[str, Any]:
    room = size - len(canonical(an_event(note="")))
    return an_event(note="x" * room)


def test_an_event_of_256_kb_is_accepted_and_one_byte_more_is_not() -> None:
    assert accepted(of_size(256_000))
    read = read_event(large := of_size(256_001))

    assert isinstance(read, Rejection)
    assert read.reason == "The event has 256001 bytes; permitted are 256000."
    assert read.cut
    assert read.text == canonical(large)[:64_000]
    assert read.body_hash == value_hash(canonical(large))
    assert (read.event_id, read.client_id) == (UUID(ID), 1)


def test_an_invalid_event_of_256_kb_is_kept_whole() -> None:
    read = read_event({**of_size(256_000), "risk": 1234})

    assert isinstance(read, Rejection)
    assert not read.cut
    assert len(read.text) == 255_998


def nested(depth: int) -> Any:
    value: Any = 1
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value


def test_32_levels_are_accepted_and_33_are_not() -> None:
    assert accepted(an_event(deep=nested(31)))
    assert reason(an_event(deep=nested(32))).endswith(" is nested over 32 levels deep.")


def test_many_shallow_objects_are_not_deep() -> None:
    assert accepted(an_event(wide=[{"a": []}] * 100))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"\n": float("nan")}, "\\n is NaN or infinite"),
        ({"": float("nan")}, '"" is NaN or infinite'),
        ({"note": {"a": ["x", float("nan")]}}, "note.a[1] is NaN or infinite"),
        ({"note": float("nan")}, "note is NaN or infinite, which is no JSON number."),
        ({"note": [float("-inf")]}, "note[0] is NaN or infinite"),
        ({"failure_ratio": float("inf")}, "failure_ratio is NaN or infinite"),
        ({"note": 10**MAX_DIGITS}, "note is a number of over 4300 digits."),
        ({"x" * 300: float("nan")}, f"{'x' * 60}… is NaN or infinite"),
    ],
)
def test_what_the_database_cannot_hold_is_refused_and_placed(
    fields: dict[str, Any], said: str
) -> None:
    assert reason(an_event(**fields)).startswith(said)


@pytest.mark.parametrize(
    "value",
    [
        "😀",
        "\\u0000",
        "NaN",
        "Infinity",
        "\\ud800",
        1e308,
        10 ** (MAX_DIGITS - 1),
        "9" * 5_000,
        -0.0,
    ],
)
def test_what_only_looks_unstorable_is_accepted(value: Any) -> None:
    assert accepted(an_event(note=value)).body["note"] == value


def test_json_numbers_too_large_for_a_float_are_refused() -> None:
    assert "NaN or infinite" in reason(
        json.loads(json.dumps(an_event(n=7)).replace("7}", "1e400}"))
    )


def test_times_and_uuids_that_celery_made_are_read_as_text() -> None:
    event = accepted(an_event(id=UUID(ID), occurred_at=datetime(2026, 3, 1, tzinfo=UTC)))

    assert event.body["id"] == ID
    assert event.body["occurred_at"] == "2026-03-01T00:00:00+00:00"


def test_the_order_of_fields_changes_neither_text_nor_hash() -> None:
    obj = an_event(changes={"b": 1, "a": 2})
    turned = json.loads(json.dumps(dict(reversed(obj.items()))))

    assert canonical(turned) == canonical(obj)
    assert accepted(turned).body_hash == accepted(obj).body_hash


def test_canonical_json_is_compact_sorted_ascii() -> None:
    assert canonical({"b": [1, 2.5, None, True], "a": "é\ud800"}) == (
        '{"a":"\\u00e9\\ud800","b":[1,2.5,null,true]}'
    )


def test_canonical_json_of_the_deepest_is_the_same_by_the_other_way() -> None:
    deep = json.loads("[" * 900 + '{"b":1,"a":[]}' + "]" * 900)
    for _ in range(100_000):
        deep = [deep]

    assert canonical(deep) == "[" * 100_900 + '{"a":[],"b":1}' + "]" * 100_900


def test_canonical_json_knows_an_end_of_what_has_none() -> None:
    endless: list[Any] = [1]
    endless.append(endless)

    assert canonical(endless) == "[1,null]"


def test_a_call_gives_its_events_and_rejections() -> None:
    good, bad = an_event(), an_event(risk="none")

    events, rejections = read_call([], {"events": [good, bad, good]})

    assert [event.body for event in events] == [good, good]
    assert [json.loads(rejection.text) for rejection in rejections] == [bad]
    assert read_call([[good]], {})[0] == events[:1]


def test_a_call_without_events_is_fine() -> None:
    assert read_call([], {"events": []}) == ([], [])


def test_of_several_calls_each_is_read_by_itself() -> None:
    good, bad = an_event(), an_event(risk="none")
    calls = [[[], {"events": [good, bad]}, {}], [[[good]], {}], [["no list"], {}, {}], "no call"]

    events, rejections = read_calls(calls)

    assert [event.body for event in events] == [good, good]
    assert json.loads(rejections[0].text) == bad
    assert [r.reason.startswith("events.ingest takes one argument") for r in rejections[1:]] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ([], {}, "given were 0 positional arguments and these keywords: none."),
        ([], {"evens": []}, "given were 0 positional arguments and these keywords: evens."),
        ([[], []], {}, "given were 2 positional arguments and these keywords: none."),
        ([[]], {"events": []}, "given were 1 positional arguments and these keywords: events."),
        ([], {"events": [], "x": 1}, "0 positional arguments and these keywords: events, x."),
        ([], {"events": {}}, "«events» was an object."),
        ([], {"events": None}, "«events» was null."),
        (["text"], {}, "«events» was «text»."),
    ],
)
def test_wrong_arguments_are_one_rejection_of_the_whole_call(
    args: list[Any], kwargs: dict[str, Any], said: str
) -> None:
    events, [rejection] = read_call(args, kwargs)

    assert not events
    assert rejection.reason.startswith("events.ingest takes one argument")
    assert rejection.reason.endswith(said)
    assert json.loads(rejection.text) == {"args": args, "kwargs": kwargs}


def test_a_wrong_call_that_is_large_is_cut() -> None:
    _, [rejection] = read_call(["x" * 300_000], {})

    assert rejection.cut
    assert len(rejection.text) == 64_000


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


TEXTS = st.text(st.characters(exclude_categories=()))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20
)
NAMES = sorted({field for required, more in FIELDS.values() for field in {**required, **more}})


@given(JSON)
def test_reading_never_raises(obj: Any) -> None:
    read = read_event(obj)

    assert isinstance(read, Rejection)
    assert canonical(obj).isascii()
    assert read.text == canonical(obj)
    read_call([obj], {})


@given(
    st.sampled_from(sorted(FIELDS)),
    st.dictionaries(st.sampled_from([*NAMES, *ALWAYS, "type", "actor"]) | TEXTS, JSON, max_size=4),
)
def test_reading_what_is_nearly_an_event_never_raises(
    event_type: str, fields: dict[str, Any]
) -> None:
    obj = {**an_event(event_type), **fields}
    read = read_event(obj)

    if isinstance(read, Rejection):
        # PostgreSQL takes the reason as text.
        assert "\0" not in read.reason
        read.reason.encode()
    else:
        json.dumps(read.body, allow_nan=False, ensure_ascii=False).encode()
    turned = read_event(dict(reversed(obj.items())))
    assert type(turned) is type(read)
    assert turned.body_hash == read.body_hash


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
def test_a_clock_that_was_never_set_is_told_apart(
    fields: dict[str, Any], *, is_for_its_time: bool
) -> None:
    rejection = read_event(an_event_object(**fields))
    assert isinstance(rejection, Rejection)
    assert rejection.is_for_its_time is is_for_its_time

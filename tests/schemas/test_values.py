"""Values and their spellings: what an attacker wrote, whole numbers, leap seconds, sizes, and one hash for all."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.sample_events import FIELDS, ID, accepted, an_event, reason
from wallarm_notify.domain.canonical import body_hash, canonical
from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.schemas.catalogue import json_schema
from wallarm_notify.schemas.read import read_event, value_hash
from wallarm_notify.schemas.storable import KEPT_BYTES, MAX_EVENT_BYTES

WRITTEN = "/etc/passwd\0.jpg?q=\ud83d&r=\ude00x&s=😀"
BECOMES = "/etc/passwd\ufffd.jpg?q=\ufffd&r=\ufffdx&s=😀"

TEXT_FIELDS = [
    (event_type, field)
    for event_type, (required, more) in FIELDS.items()
    for field, value in {**required, **more}.items()
    if isinstance(value, str) and field not in ("risk", "change_type", "kind", "target", "used_for", "expires_at")
]  # fmt: skip


def of(body: Any, *path: Any) -> Any:
    for step in path:
        body = body[step]
    return body


@pytest.mark.parametrize(("event_type", "field"), TEXT_FIELDS)
def test_what_an_attacker_wrote_is_taken_in_whatever_text_it_is_in(
    event_type: str, field: str
) -> None:
    event = accepted(an_event(event_type, **{field: WRITTEN}))
    assert event.body[field] == BECOMES
    assert json.loads(event.text) == event.body
    json.dumps(event.body, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("event_type", "fields", "path", "becomes"),
    [
        ("rule.updated", {"changes": {"mode": ["off", {"a\0": WRITTEN}]}}, ("changes", "mode", 1, "a\ufffd"), BECOMES),
        ("trigger.updated", {"changes": {WRITTEN: 1}}, ("changes",), {BECOMES: 1}),
        ("api.changed", {"changed_parameters": [{"name": WRITTEN}]}, ("changed_parameters", 0, "name"), BECOMES),
        ("api.changed", {"sensitive_data": [WRITTEN, "email"]}, ("sensitive_data",), [BECOMES, "email"]),
        ("attack.detected", {"actor": {"name": WRITTEN}}, ("actor", "name"), BECOMES),
        ("attack.detected", {"actor": {"id": WRITTEN}}, ("actor", "id"), BECOMES),
        ("attack.detected", {"x": [[{"\udfff": "\0"}]]}, ("x", 0, 0), {"\ufffd": "\ufffd"}),
        ("attack.detected", {"\0": 1}, ("\ufffd",), 1),
        ("attack.detected", {"path": "\0"}, ("path",), "\ufffd"),
        ("attack.detected", {"path": "\ud83d\ude00"}, ("path",), "😀"),
        ("attack.detected", {"path": r"\u0000\ud83d"}, ("path",), r"\u0000\ud83d"),
        ("attack.detected", {"note": ("\0",), 5: "\0"}, ("5",), "\ufffd"),
    ],
)  # fmt: skip
def test_however_deep_it_is(
    event_type: str, fields: dict[str, Any], path: tuple[Any, ...], becomes: Any
) -> None:
    assert (
        of(accepted(an_event(event_type, **{str(k): v for k, v in fields.items()})).body, *path)
        == becomes
    )


def test_what_cannot_be_mended_is_refused_with_a_sentence_that_can_be_stored() -> None:
    message = reason(an_event(risk="hi\0gh"))
    assert message == "risk must be critical, high, medium, low or info, not «hi\ufffdgh»."
    assert reason(an_event(id=f"{ID}\0")).startswith("id must be a UUID")
    assert reason({**an_event(), "type": "attack\ud83d"}).startswith("type must be one of")


def test_a_rejection_keeps_what_was_sent() -> None:
    read = read_event(sent := an_event(risk="none", path="\0\ud83d"))
    assert isinstance(read, Rejection)
    assert json.loads(read.text) == sent
    assert read.hash_before == body_hash(read.text)
    assert read.body_hash == value_hash(canonical({**sent, "path": "\ufffd\ufffd"}))


def whole_number_fields() -> list[tuple[str, str]]:
    schema = json_schema()
    found = []
    for name, reference in schema["discriminator"]["mapping"].items():
        model = schema["$defs"][reference.removeprefix("#/$defs/")]
        found += [
            (name, field) for field, one in model["properties"].items() if '"integer"' in json.dumps(one)
        ]  # fmt: skip
    return found


def test_the_fields_for_whole_numbers_are_those_of_the_spec() -> None:
    assert {field for _, field in whole_number_fields()} == {
        *("client_id", "application_id", "port", "response_status", "attempts", "failed"),
        *("integration_id", "specification_id", "rule_id", "trigger_id"),
        *("issue_id", "attack_id", "hit_id", "incident_id"),
    }


@pytest.mark.parametrize(("event_type", "field"), whole_number_fields())
@pytest.mark.parametrize("spelled", ["12.0", "1.2e1", "1.2E+1", "120e-1"])
def test_a_whole_number_may_have_a_point_or_an_exponent_and_is_kept_whole(
    event_type: str, field: str, spelled: str
) -> None:
    text = json.dumps(an_event(event_type, **{field: 4711})).replace("4711", spelled)
    event = accepted(json.loads(text))
    assert type(event.body[field]) is int
    assert event.body[field] == 12
    assert json.loads(event.text) == event.body
    assert event.body_hash == accepted(an_event(event_type, **{field: 12})).body_hash
    assert type(event.client_id) is int


def test_an_actors_id_is_a_whole_number_too() -> None:
    event = accepted(an_event(actor={"id": 5.0, "name": "Ann"}))
    assert event.body["actor"] == {"id": 5, "name": "Ann"}
    assert type(event.body["actor"]["id"]) is int
    assert event.body_hash == accepted(an_event(actor={"id": 5, "name": "Ann"})).body_hash


@pytest.mark.parametrize("value", [12.5, 1e19, -1e19, "12", "12.0", True, 2.0**63])
def test_what_is_no_whole_number_of_64_bits_is_refused(value: Any) -> None:
    assert reason(an_event("application.created", application_id=value)).startswith(
        "application_id must be"
    )


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e999999999", "1e19", "1e308"])
@pytest.mark.parametrize("field", ["client_id", "issue_id", "port", "note"])
def test_a_short_text_makes_no_huge_number(field: str, number: str) -> None:
    text = json.dumps(an_event() | {field: 4711})
    read = read_event(json.loads(text.replace("4711", number)))
    assert isinstance(read, Event) is (field == "note" and number in ("1e19", "1e308"))
    assert len(read.text) < 500


def test_unknown_fields_are_kept_as_they_come() -> None:
    event = accepted(an_event(note=12.0, changes={"a": 1e22}))
    assert type(event.body["note"]) is float
    assert type(event.body["changes"]["a"]) is float


@pytest.mark.parametrize(
    ("spelled", "moment"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59+00:00"),
        ("2017-01-01T02:59:60.5+03:00", "2016-12-31T23:59:59.500000+00:00"),
        ("2016-12-31t23:59:60z", "2016-12-31T23:59:59+00:00"),
    ],
)
def test_a_leap_second_is_the_second_before_it(spelled: str, moment: str) -> None:
    event = accepted(an_event(occurred_at=spelled))
    assert event.occurred_at.isoformat() == moment
    assert event.body["occurred_at"] == spelled.replace(":60", ":59")
    until = accepted(an_event("ip.denylisted", expires_at=spelled))
    assert until.body["expires_at"] == spelled.replace(":60", ":59")
    assert event.body_hash == accepted(an_event(occurred_at=moment)).body_hash


def test_a_leap_second_that_is_mere_text_stays() -> None:
    assert (
        accepted(an_event(note="23:59:60", title="2016-12-31T23:59:60Z")).body["title"][-4:]
        == ":60Z"
    )


# One hash for one body.

IDS = [ID, ID.upper(), f"{{{ID}}}", f"urn:uuid:{ID}", ID.replace("-", ""), f"{{{ID.upper()}}}", f"{ID}\n"]  # fmt: skip

TIMES = [
    *("2026-03-01T10:00:00+00:00", "2026-03-01T10:00:00Z", "2026-03-01t10:00:00z", "2026-03-01 10:00Z"),
    *("2026-03-01T13:00:00+03:00", "2026-03-01T09:30:00.000-00:30", "2026-03-01T10:00:00.000000000-00:00"),
    *("2026-03-01T10:00:00,0+0000", "2026-03-01T07:00:00\u221203:00", "2026-03-02T09:59:00+23:59"),
    "2026-03-01T10:00:00.0000009Z",
]  # fmt: skip


@pytest.mark.parametrize("event_type", FIELDS)
def test_the_spelling_of_id_and_times_does_not_matter(event_type: str) -> None:
    more = FIELDS[event_type][1]
    one = accepted(an_event(event_type, **{**more, "occurred_at": TIMES[0]}))
    for event_id in IDS:
        for moment in TIMES:
            other = accepted(
                an_event(event_type, **{**more, "id": event_id, "occurred_at": moment})
            )
            assert (other.id, other.occurred_at) == (one.id, one.occurred_at)
            assert other.body_hash == one.body_hash == value_hash(other.text)
            assert other.body["id"] == event_id
            is_odd = (event_id, moment) != (ID, TIMES[0]) or bool(more.get("expires_at"))
            assert other.hash_before == (body_hash(other.text) if is_odd else None)


@pytest.mark.parametrize("moment", TIMES)
def test_nor_that_of_the_time_at_which_a_block_ends(moment: str) -> None:
    until = accepted(an_event("ip.denylisted", expires_at=moment))
    assert until.body_hash == accepted(an_event("ip.denylisted", expires_at=TIMES[0])).body_hash
    # In a type that has no such field it is a text like any other.
    text = accepted(an_event(expires_at=moment))
    same = accepted(an_event(expires_at=TIMES[0]))
    assert (text.body_hash == same.body_hash) is (moment == TIMES[0])


def test_a_time_within_another_object_is_mere_text() -> None:
    def a_change(outer: str, inner: str) -> bytes:
        changes = {"occurred_at": inner, "id": ID}
        return accepted(an_event("rule.updated", occurred_at=outer, changes=changes)).body_hash

    z, offset = "2026-03-01T10:00:00Z", "2026-03-01T10:00:00+00:00"
    assert a_change(z, z) == a_change(offset, z)
    assert a_change(z, z) != a_change(z, offset)
    assert a_change(offset, offset) != a_change(offset, z)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"note": 12}, {"note": 12.0}),
        ({"note": [1, {"a": -0.0}]}, {"note": [1.0, {"a": 0}]}),
        ({"note": 10**22}, {"note": 1e22}),
        ({"note": 2**70}, {"note": float(2**70)}),
        ({"note": "\0"}, {"note": "\ufffd"}),
        ({"note": "\ud83d"}, {"note": "\udfff"}),
        ({"note": "\ud83d\ude00"}, {"note": "😀"}),
        ({"a\0": 1}, {"a\ufffd": 1}),
        ({"client_id": 7.0, "x": 1e22}, {"client_id": 7, "x": 10**22}),
        ({"issue_id": 9007199254740993.0}, {"issue_id": 9007199254740992}),
    ],
)
def test_the_same_values_have_the_same_hash(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert accepted(an_event(**one)).body_hash == accepted(an_event(**other)).body_hash


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"note": 12}, {"note": "12"}),
        ({"note": "12.0"}, {"note": "12"}),
        ({"note": 12}, {"note": 12.5}),
        ({"note": 1}, {"note": True}),
        ({"note": 0}, {"note": None}),
        ({"note": None}, {}),
        ({"note": 1e22}, {"note": 1e23}),
        ({"note": "a,12.0,b"}, {"note": "a,12,b"}),
        ({"note": "\0"}, {"note": ""}),
        ({"note": r"\u0000"}, {"note": "\0"}),
        ({"occurred_at": "2026-03-01T10:00:00Z"}, {"occurred_at": "2026-03-01T10:00:00.000001Z"}),
        ({"issue_id": 5}, {"issue_id": "5"}),
        ({"issue_id": ID}, {"issue_id": ID.upper()}),
        ({"title": "A"}, {"title": "a"}),
    ],
)
def test_other_values_have_another_hash(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert accepted(an_event(**one)).body_hash != accepted(an_event(**other)).body_hash


def test_a_usual_spelling_has_the_hash_that_it_had_before() -> None:
    event = accepted(an_event(occurred_at="2026-03-01T10:00:00.120000+00:00", actor={"id": ID}))
    assert event.body_hash == body_hash(canonical(event.body))
    assert event.hashes == (event.body_hash,)


MOMENTS = st.datetimes(datetime(2016, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=()), max_size=8)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def respelled(data: st.DataObject, value: Any) -> Any:
    """The same value as another client may write it."""
    match value:
        case dict():
            items = [(k, respelled(data, v)) for k, v in value.items()]
            return dict(data.draw(st.permutations(items)))
        case list():
            return [respelled(data, v) for v in value]
        case bool():
            return value
        case int() if abs(value) < 2**127 and float(value) == value:
            return data.draw(st.sampled_from([value, float(value)]))
        case float() if abs(value) < 2.0**127 and value.is_integer():
            return data.draw(st.sampled_from([value, int(value)]))
        case _:
            return value


def respelled_time(data: st.DataObject, moment: datetime) -> str:
    minutes = data.draw(st.integers(-1439, 1439))
    text = moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat()
    if minutes == 0 and data.draw(st.booleans()):
        text = text.replace("+00:00", data.draw(st.sampled_from(["Z", "z", "-00:00"])))
    if "." in text and data.draw(st.booleans()):
        text = re.sub(r"(\.[0-9]{6})", r"\g<1>000", text)
    return text.replace("T", data.draw(st.sampled_from("Tt ")))


FIELDS_BESIDE = st.dictionaries(st.text(max_size=5), JSON, max_size=3)


@given(st.sampled_from(sorted(FIELDS)), MOMENTS, FIELDS_BESIDE, st.data())
def test_however_a_client_spells_an_event_its_hash_is_the_same(
    event_type: str, moment: datetime, more: dict[str, Any], data: st.DataObject
) -> None:
    event = {
        **more,
        **an_event(event_type, **FIELDS[event_type][1]),
        "occurred_at": moment.isoformat(),
    }
    other = respelled(data, event)
    other |= {"id": data.draw(st.sampled_from(IDS)), "occurred_at": respelled_time(data, moment)}
    one, same = accepted(event), accepted(other)
    assert same.body_hash == one.body_hash
    # What is kept has the hash of what was sent, as it may be sent again by us.
    assert accepted(json.loads(same.text)).body_hash == same.body_hash
    assert accepted(dict(same.body)).body_hash == same.body_hash


NEARLY = st.dictionaries(
    st.sampled_from(["id", "type", "occurred_at"]), JSON | st.sampled_from(IDS + TIMES)
)


@given(JSON | NEARLY)
def test_what_is_refused_has_one_hash_too(value: Any) -> None:
    read = read_event(value)
    assert read.body_hash == value_hash(canonical(value))
    assert body_hash(canonical(value)) in read.hashes


# Sizes.


@pytest.mark.parametrize("character", ["ж", "中", "é", "😀", "\u0627"])
def test_a_text_of_any_language_has_its_256_kb(character: str) -> None:
    room = MAX_EVENT_BYTES - len(json.dumps(an_event(note=""), separators=(",", ":")))
    fits = character * (room // len(character.encode()))
    assert accepted(an_event(note=fits)).body["note"] == fits
    larger = an_event(note=fits + character)
    size = len(json.dumps(larger, ensure_ascii=False, separators=(",", ":")).encode())
    assert reason(larger) == f"The event has {size} bytes; permitted are 256000."


@pytest.mark.parametrize("character", ["ж", "中", "😀", "\n", "\0", "\ud83d", "a"])
def test_of_what_is_larger_64_kb_are_kept_up_to_a_whole_character(character: str) -> None:
    for shift in range(6):
        read = read_event(an_event(a="x" * shift, note=character * 300_000))
        assert isinstance(read, Rejection)
        assert read.cut
        assert KEPT_BYTES - 6 < len(read.text.encode()) <= KEPT_BYTES
        assert "\0" not in read.text
        note = json.loads(read.text + '"}')["note"]
        assert note == character * len(note)


def test_an_event_of_90_kb_of_cyrillic_is_kept_whole_where_it_is_refused() -> None:
    read = read_event(sent := an_event(risk="none", note="ж" * 45_000))
    assert isinstance(read, Rejection)
    assert not read.cut
    assert json.loads(read.text) == sent

"""What an alert says, against golden files; and that PagerDuty takes whatever is encoded.

The golden files are written anew, to be read in the diff, by::

    python tests/pagerduty/test_request.py
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from build import sample
from hypothesis import given, settings
from hypothesis import strategies as st

from wallarm_notify.domain.alert_identity import dedup_key
from wallarm_notify.domain.client import Client
from wallarm_notify.domain.event import EVENT_TYPES, Event
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.roles import ROLE_NAMES, role_name
from wallarm_notify.domain.summary_form import SummaryForm
from wallarm_notify.pagerduty import request as pagerduty
from wallarm_notify.pagerduty.encode import encode
from wallarm_notify.pagerduty.request import render
from wallarm_notify.sandbox.events import alert_errors, read_body

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parent / "golden"
CLIENT = Client(1, "TestCompany", "us", "Wallarm")
KEY = IntegrationKey("0123456789abcdef0123456789ABCDEF")
DEDUP_KEY = dedup_key("5a3c9e10-2026-4000-8000-000000000001", "card", 17)
NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)

RENDERED = [
    name
    for name, kind in EVENT_TYPES.items()
    if kind.subscription is not None or name == "security_issue.detected"
]


def rendered(event: Event, client: Client = CLIENT, console: str | None = None) -> dict[str, Any]:
    return render(event, client, dedup_key=DEDUP_KEY, console_host=console)


def golden(event_type: str) -> dict[str, Any]:
    return rendered(sample(event_type), console="https://us1.my.wallarm.com/")


def details(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = rendered(event)["payload"]["custom_details"]
    return found


UNSEEN = {
    *map(chr, (*range(0x9), *range(0xB, 0x20), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F)),
    *map(chr, (*range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xAD, 0x180E, 0x200B, 0xFEFF)),
    *map(chr, range(0xFFF9, 0xFFFC)),
}
"""Controls, old and new ones, separators of lines, and what turns the direction of a text."""


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a document, names of fields too."""
    match value:
        case str():
            yield value
        case dict():
            for name, item in value.items():
                yield name
                yield from texts_in(item)
        case list():
            for item in value:
                yield from texts_in(item)


def sent(body: dict[str, Any]) -> dict[str, Any]:
    """What PagerDuty reads, once its validation has nothing to say, and nobody is shown what is unseen."""
    encoded = encode(body, KEY)
    assert len(encoded) <= 512_000
    read = read_body(encoded)
    assert read is not None
    assert alert_errors(read, read["routing_key"]) == []
    for text in texts_in(read):
        assert not UNSEEN.intersection(text)
    words = (read["payload"].get(name, "") for name in ("summary", "source", "group", "class"))
    assert not any("\n" in text for text in words)
    return read


@pytest.mark.parametrize("event_type", RENDERED)
def test_an_alert_is_as_its_golden_file(event_type: str) -> None:
    wanted = json.loads((GOLDEN / f"{event_type}.json").read_text("utf-8"))

    assert golden(event_type) == wanted
    assert sent(golden(event_type)) == {**wanted, "routing_key": KEY.reveal()}


def test_there_is_no_golden_file_too_many() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(RENDERED)


@pytest.mark.parametrize("event_type", ["attack.detected", "hit.detected", "incident.detected"])
def test_types_that_are_only_counted_have_no_alert_of_their_own(event_type: str) -> None:
    with pytest.raises(ValueError, match="triggers only count it"):
        rendered(sample(event_type))


@pytest.mark.parametrize("event_type", RENDERED)
def test_every_alert_says_what_it_is_and_whose(event_type: str) -> None:
    event = sample(event_type)
    kind = EVENT_TYPES[event_type]
    body = rendered(event, Client(9, "Acme", "me", "Partner Ltd"))
    payload = body["payload"]
    text = payload["custom_details"]["description"]

    assert body["dedup_key"] == DEDUP_KEY
    assert payload["summary"] == f"[Partner Ltd] {kind.headline}"
    assert payload["source"] == "Wallarm"
    assert payload["class"] == kind.notification_type
    assert datetime.fromisoformat(payload["timestamp"]) == event.occurred_at
    assert payload["custom_details"]["event_id"] == str(event.id)
    assert text.startswith(f"Notification type: {kind.notification_type}\n\n")
    assert text.endswith("\n\nClient: Acme\nCloud: ME\n")
    assert "None" not in text


@pytest.mark.parametrize(
    ("event_type", "fields", "severity"),
    [
        ("security_issue.detected", {"risk": "critical"}, "critical"),
        ("security_issue.detected", {"risk": "high"}, "error"),
        ("security_issue.detected", {"risk": "medium"}, "warning"),
        ("security_issue.detected", {"risk": "low"}, "info"),
        ("security_issue.detected", {"risk": "info"}, "info"),
        ("integration.auto_disabled", {}, "warning"),
        ("specification.update_failed", {}, "warning"),
        *(
            (name, {}, "info")
            for name in RENDERED
            if name
            not in (
                "security_issue.detected",
                "integration.auto_disabled",
                "specification.update_failed",
            )
        ),
    ],
)
def test_severity(event_type: str, fields: dict[str, Any], severity: str) -> None:
    assert rendered(sample(event_type, **fields))["payload"]["severity"] == severity


def test_the_time_is_given_with_its_offset_whatever_zone_the_database_speaks() -> None:
    event = sample("rule.created")
    zone = timezone(timedelta(hours=-5))
    moved = Event(
        event.id,
        event.client_id,
        event.type,
        event.occurred_at.astimezone(zone),
        event.body,
        b"",
    )

    assert rendered(moved) == rendered(event)
    assert rendered(event)["payload"]["timestamp"] == "2026-03-10T07:45:10+00:00"


@pytest.mark.parametrize(
    ("actor", "described"),
    [
        ({"id": 5, "name": "John Doe", "email": "j@example.com"}, " by John Doe <j@example.com>."),
        ({"name": "John Doe"}, " by John Doe."),
        ({"email": "j@example.com"}, " by j@example.com."),
        ({"id": 5}, " was created."),
        (None, " was created."),
    ],
)
def test_the_actor_is_named_where_known(actor: dict[str, Any] | None, described: str) -> None:
    found = details(sample("rule.created", actor=actor))

    assert described in found["description"]
    assert found["data"][0]["object_userid"] == (actor or {}).get("id")


def test_a_rule_without_a_name_goes_by_its_id() -> None:
    text = details(sample("rule.deleted", name=None, rule_type=None))["description"]

    assert "The rule 19977 was deleted by" in text


def test_a_value_cannot_forge_lines_of_the_text() -> None:
    text = details(sample("user.created", user_name="X\n\nClient: Other\r\nCloud:\u2028EU"))

    assert "A new user X Client: Other Cloud: EU <" in text["description"]
    assert text["data"][0]["entity"]["name"] == "X\n\nClient: Other\r\nCloud:\u2028EU"


@pytest.mark.parametrize(
    ("fields", "href"),
    [
        ({"link": "https://a.example/1", "url": "https://b.example"}, "https://a.example/1"),
        ({"link": None, "url": "http://b.example:8080/?q=%20"}, "http://b.example:8080/?q=%20"),
        ({"link": "/object/5", "url": "https://b.example"}, "https://b.example"),
        ({"link": "", "url": ""}, None),
        ({"link": "javascript:alert(1)", "url": None}, None),
        ({"link": "https://", "url": "ftp://b.example"}, None),
        ({"link": "https://a b.example", "url": "https://[::1"}, None),
        ({"link": "https://a.example:99999", "url": "https://b.example/<"}, None),
        ({"link": "https://é.example", "url": "b.example"}, None),
        ({"link": f"https://a.example/{'x' * 8_000}", "url": None}, None),
    ],
)
def test_a_link_is_an_absolute_url_or_none(fields: dict[str, Any], href: str | None) -> None:
    links = rendered(sample("security_issue.detected", **fields))["links"]

    assert [link["href"] for link in links] == ([] if href is None else [href])


@pytest.mark.parametrize(
    ("console", "url"),
    [
        ("us1.my.wallarm.com", "https://us1.my.wallarm.com"),
        ("https://my.wallarm.com/", "https://my.wallarm.com/"),
        ("", None),
        (None, None),
        ("no host", None),
    ],
)
def test_the_console_is_linked_where_it_is_known(console: str | None, url: str | None) -> None:
    body = rendered(sample("rule.created"), console=console)

    assert body.get("client_url") == url
    assert ("client" in body) is (url is not None)


def test_roles_have_names_and_others_are_shown_as_they_are() -> None:
    assert role_name("partner_auditor") == "Global Read Only"
    assert role_name("api_developer") == "api_developer"
    assert len(set(ROLE_NAMES.values())) == 9


def test_the_test_alerts_are_the_originals_three_and_each_is_fresh() -> None:
    first = pagerduty.test_alerts(CLIENT, NOW, SummaryForm.ORIGINAL)
    second = pagerduty.test_alerts(CLIENT, NOW, SummaryForm.ORIGINAL)

    assert [body["payload"]["summary"] for body in first] == [
        "[Test message] [Wallarm] New user was added to the company account",
        "[Test message] [Wallarm] Trigger was created",
        "[Test message] [Wallarm] New security issue detected",
    ]
    assert [body["payload"]["severity"] for body in first] == ["info", "info", "warning"]
    assert {body["payload"]["timestamp"] for body in first} == {"2026-03-01T10:00:00+00:00"}
    assert len({body["dedup_key"] for body in first + second}) == 6
    for body in first:
        sent(body)


def test_the_dedup_key_is_the_identity_and_nothing_else() -> None:
    keys = {
        dedup_key("a", "card", 1),
        dedup_key("a", "card", 2),
        dedup_key("b", "card", 1),
        dedup_key("a", "trigger:1", 1),
        dedup_key('a","card', "", 1),
        dedup_key("a,card", "", 1),
    }

    assert len(keys) == 6
    assert dedup_key(str(UUID(int=1)), "card", 1) == (
        "7403d1423fafd4368a9da5b28e50f1157efb7a1184a2ff0c3190ad4313f6841f"
    )


# Encoding.


def a_body(**payload: Any) -> dict[str, Any]:
    fields = {"summary": "s", "source": "Wallarm", "severity": "info", "custom_details": {}}
    return {"event_action": "trigger", "dedup_key": "d", "payload": {**fields, **payload}}


def test_a_body_is_utf_8_compact_and_carries_the_key() -> None:
    encoded = encode(a_body(summary="é 🔥"), KEY)

    assert encoded.startswith(b'{"routing_key":"0123456789abcdef0123456789ABCDEF",')
    assert '"summary":"é 🔥","source"'.encode() in encoded


def test_a_summary_of_1024_characters_stays() -> None:
    payload = sent(a_body(summary="é" * 1024))["payload"]

    assert payload["summary"] == "é" * 1024
    assert payload["custom_details"] == {}


def test_a_summary_of_1025_characters_is_cut_and_stays_whole_in_the_details() -> None:
    payload = sent(a_body(summary="é" * 1025))["payload"]

    assert payload["summary"] == "é" * 1023 + "…"
    assert payload["custom_details"] == {"summary": "é" * 1025}


@pytest.mark.parametrize("length", [255, 256])
def test_a_dedup_key_over_255_characters_is_hashed(length: int) -> None:
    found = sent({**a_body(), "dedup_key": "k" * length})["dedup_key"]

    assert found == "k" * 255 if length == 255 else len(found) == 64


@pytest.mark.parametrize(
    ("fields", "replaced"),
    [
        ({"summary": " ", "class": "rule_create"}, {"summary": "rule_create"}),
        ({"summary": None}, {"summary": "Notification"}),
        ({"summary": ["x"]}, {"summary": "Notification"}),
        ({"source": ""}, {"source": "Wallarm"}),
        ({"severity": "CRITICAL"}, {"severity": "info"}),
        ({"severity": []}, {"severity": "info"}),
        ({"custom_details": None}, {"custom_details": {}}),
        ({"custom_details": [1]}, {"custom_details": {"details": [1]}}),
        ({"component": 5}, {"component": "5"}),
        ({"custom_details": {"a": float("nan")}}, {"custom_details": {"a": "nan"}}),
        ({"custom_details": {"a": "x\0\ud800"}}, {"custom_details": {"a": "x\ufffd?"}}),
        ({"timestamp": "2026-03-01T10:00:00+03:00"}, {"timestamp": "2026-03-01T07:00:00+00:00"}),
    ],
)
def test_a_blank_or_wrong_field_is_replaced(
    fields: dict[str, Any], replaced: dict[str, Any]
) -> None:
    assert sent(a_body(**fields))["payload"].items() >= replaced.items()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timestamp", "2026-03-01 5:01"),
        ("timestamp", "2026-03-01T10:00:00"),
        ("timestamp", "0001-01-01T00:00:00+10:00"),
        ("timestamp", 5),
        ("component", " "),
        ("group", {}),
        ("class", None),
    ],
)
def test_an_optional_field_that_is_wrong_is_left_out(name: str, value: Any) -> None:
    assert name not in sent(a_body(**{name: value}))["payload"]


def test_a_body_of_512000_bytes_stays_and_one_byte_more_is_cut() -> None:
    room = 512_000 - len(encode(a_body(custom_details={"note": ""}), KEY))
    fits, over = ("x" * (room + more) for more in (0, 1))

    assert sent(a_body(custom_details={"note": fits}))["payload"]["custom_details"] == {
        "note": fits
    }
    cut = sent(a_body(custom_details={"note": over}))["payload"]["custom_details"]
    [described] = cut["cut"]
    assert described == f"note: {len(cut['note'])} of {len(over)} characters kept"
    assert len(cut["note"]) > room - 100


def test_the_longest_strings_give_way_first_and_ids_links_and_the_rest_stay() -> None:
    fields = {
        "client_name": "c" * 1_500,
        "event_id": "e" * 100,
        "description": "d" * 300_000,
        "security_issue": {"id": "i" * 1_900, "title": "t" * 400_000, "host": "h" * 5_000},
        "security_issue_link": "https://a.example/" + "l" * 1_500,
    }

    found = sent(a_body(custom_details=fields))["payload"]["custom_details"]

    assert len(found["description"]) < 300_000
    assert len(found["security_issue"]["title"]) == len(found["description"])
    assert len(found["cut"]) == 2
    for name in ("client_name", "event_id", "security_issue_link"):
        assert found[name] == fields[name]
    assert found["security_issue"]["id"] == "i" * 1_900
    assert found["security_issue"]["host"] == "h" * 5_000


def test_many_small_items_give_way_by_number() -> None:
    fields = {"event_id": "e", "data": [{"changes": {f"field {n}": n for n in range(50_000)}}]}

    found = sent(a_body(custom_details=fields))["payload"]["custom_details"]

    assert found["event_id"] == "e"
    assert len(found["data"][0]["changes"]) == 1_000
    assert found["cut"] == ["data[0].changes: 1000 of 50000 fields kept"]


def test_what_cannot_be_shortened_leaves_the_heads() -> None:
    tree: Any = "x" * 64
    for _ in range(9):
        tree = {f"{n}_id": tree for n in range(3)}

    found = sent(a_body(custom_details={"event_id": "e", "description": "d" * 9_000, "t": tree}))

    assert found["payload"]["custom_details"] == {
        "event_id": "e",
        "description": "d" * 2_000,
        "cut": ["everything else: it could not be shortened to fit"],
    }


def test_the_largest_event_is_taken() -> None:
    names = {"user_name": "\x01" * 20_000, "user_email": "é" * 20_000, "user_role": "\\" * 1_000}
    event = sample("user.role_changed", **names)

    assert sent(rendered(event, Client(1, "\x02" * 90_000, "us", "\x03" * 90_000)))


TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
LARGE = st.builds(
    lambda text, times: text * times, TEXTS, st.sampled_from([1, 100, 3_000, 20_000, 60_000])
)
PAYLOADS = st.dictionaries(
    st.sampled_from(
        ["summary", "source", "severity", "timestamp", "component", "group", "class", "other"]
    ),
    JSON | LARGE,
)
DETAILS = JSON | st.dictionaries(TEXTS, JSON | LARGE | st.lists(LARGE, max_size=3), max_size=6)
LINKS = JSON | st.lists(
    st.fixed_dictionaries({}, optional={"href": JSON | st.just("https://a.example"), "text": JSON})
)


@settings(max_examples=80, deadline=None)
@given(
    PAYLOADS,
    DETAILS,
    st.dictionaries(
        st.sampled_from(["event_action", "dedup_key", "client", "client_url", "images"]),
        JSON | LARGE,
    ),
    LINKS,
)
def test_pagerduty_takes_whatever_is_encoded(
    payload: dict[str, Any], custom: Any, top: dict[str, Any], links: Any
) -> None:
    sent({**top, "payload": {**payload, "custom_details": custom}, "links": links})


@given(st.dictionaries(st.sampled_from(["payload", "links", "dedup_key", "x"]), JSON))
def test_pagerduty_takes_what_hardly_is_a_body(body: dict[str, Any]) -> None:
    sent(body)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(RENDERED), st.data())
def test_pagerduty_takes_every_event_whatever_its_texts(
    event_type: str, data: st.DataObject
) -> None:
    event = sample(event_type)
    texts = {
        name: data.draw(LARGE)
        for name, value in event.body.items()
        if isinstance(value, str) and name not in ("id", "type", "risk", "occurred_at", "used_for")
    }
    other = Event(
        event.id,
        event.client_id,
        event.type,
        event.occurred_at,
        {**event.body, **texts},
        b"",
    )

    found = sent(rendered(other))

    assert found["payload"]["custom_details"]["event_id"] == str(event.id)
    assert found["payload"]["custom_details"]["description"].startswith("Notification type: ")


HOSTILE = "a\x1b[2J\x1b]52;c;eA==\x07\u202eb\x9b31m\r\nClient: x\u2028\x00\u2066"


@pytest.mark.parametrize("event_type", RENDERED)
def test_what_an_attacker_wrote_controls_no_terminal_and_reorders_no_text(event_type: str) -> None:
    event = sample(event_type)
    fixed = ("id", "type", "risk", "occurred_at", "used_for", "change_type", "kind")
    body = {
        name: HOSTILE if isinstance(value, str) and name not in fixed else value
        for name, value in event.body.items()
    }
    assert HOSTILE in body.values()
    other = Event(event.id, event.client_id, event.type, event.occurred_at, body, b"")
    found = sent(rendered(other, Client(1, HOSTILE, "us", HOSTILE)))
    description = found["payload"]["custom_details"]["description"].splitlines()
    assert sum(line.startswith("Client: ") for line in description) == 1


@pytest.mark.parametrize("event_type", RENDERED)
@pytest.mark.parametrize(
    "scheme", ["javascript:alert(1)", "data:text/html,x", "file:///etc", "//x"]
)
def test_a_link_that_no_browser_should_follow_is_left_out(event_type: str, scheme: str) -> None:
    event = sample(event_type)
    links = {name: scheme for name in ("link", "url") if name in event.body}
    if event_type == "security_issue.detected":
        links.pop("url", None)  # where the issue is: shown as text
    if not links:
        return
    other = Event(
        event.id, event.client_id, event.type, event.occurred_at, {**event.body, **links}, b""
    )
    assert scheme not in set(texts_in(sent(rendered(other))))
    assert scheme not in sent(rendered(other))["payload"]["custom_details"]["description"]


def test_a_mark_within_a_word_parts_it_not_and_one_alone_is_nothing_to_see() -> None:
    assert sent(a_body(summary="ev\u200eil.example\u2028two"))["payload"]["summary"] == (
        "evil.example two"
    )
    payload = sent(a_body(summary="\u200b\ufeff", group="\u2060"))["payload"]
    assert (payload["summary"], "group" in payload) == ("Notification", False)


def test_emoji_and_joined_letters_stay_as_they_are() -> None:
    text = "👩\u200d💻 a\u200cb é"
    assert sent(a_body(summary=text))["payload"]["summary"] == text


if __name__ == "__main__":
    for name in RENDERED:
        text = json.dumps(golden(name), indent=2, ensure_ascii=False)
        (GOLDEN / f"{name}.json").write_text(f"{text}\n", "utf-8")

"""The JSON Schema that is printed for producers, and what is taken, are the same (spec 2)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from json_schema import admits, instances

from schemas.sample_events import ALWAYS, FIELDS, an_event
from wallarm_notify.domain.event import Event
from wallarm_notify.schemas.catalogue import json_schema
from wallarm_notify.schemas.fields import EARLIEST
from wallarm_notify.schemas.read import read_event

SCHEMA = json.loads(json.dumps(json_schema()))
"""As it is printed."""

OF_TYPE = {
    name: SCHEMA["$defs"][reference.removeprefix("#/$defs/")]
    for name, reference in SCHEMA["discriminator"]["mapping"].items()
}

ID = str(ALWAYS["id"])

TRICKY: list[Any] = [
    *(None, True, False, 0, 1, -1, 12.0, 1.2e1, -0.0, 1.5, 0.6, 1e16, 1e22, 1e300),
    *(2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 9.2e18, 9.3e18, 65_535.0, 65_536, 999, 1000.0),
    *("", " ", "\t\n", "x", "\x1c", "\x85", "\xa0", "\u1680", "\u180e", "\u200b", "\u2028", "\u3000"),
    *("\ufeff", "\0", "\ud800", "12", "12.0", "critical", "Critical", "server", "shadow", "added"),
    *([], ["a"], ["a", 1], [None], {}, {"id": 1}, {"id": 5.0}, {"id": 5.5}, {"id": " "}, {"name": 5}),
    *(ID, ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}", f"URN:UUID:{ID}"),
    *(f"{ID}\n", f" {ID}", ID[:-1], f"{ID}0", f"{{{ID}", f"urn:uuid:{ID.replace('-', '')}", "-" * 36),
    *("2026-03-01T10:00:00Z", "2026-03-01t10:00:00z", "2026-03-01 10:00Z", "2026-03-01T10:00Z\n"),
    *("2026-03-01T10:00:00.123456789+03:00", "2026-03-01T10:00:00,5+0300", "2026-03-01T10:00:00-00:00"),
    *("2016-12-31T23:59:60Z", "2016-12-31T23:59:60.5Z", "2016-12-31T23:59:61Z", "2026-03-01T10:60:00Z"),
    *("2026-03-01T10:00:00+24:00", "2026-03-01T10:00:00+05:60", "2026-03-01T10:00:00\u221203:00"),
    *("2026-03-01T24:00:00Z", "2026-13-01T10:00:00Z", "2026-03-32T10:00:00Z", "2026-03-01T10:00:00"),
    *("2026-03-01", "yesterday", "0000-03-01T10:00:00Z", "2026-03-01T10:00:00.Z", "2026-03-01_10:00:00Z"),
    *("20260301T100000Z", "2026-03-01T10:00:00+00", "2026-03-01T10:00:00Z[Europe/Paris]", 1772359200),
    *("\uff12\uff10\uff12\uff16-03-01T10:00:00Z", "2026-03-01T10:00:00 Z", "+002026-03-01T10:00:00Z"),
]  # fmt: skip


def is_of_a_real_time(text: Any, *, earliest: datetime) -> bool:
    """What the description says of times and a schema cannot: the date exists, and lies within our years."""
    if not isinstance(text, str):
        return True
    plain = re.sub("(?<=:..):60", ":59", text.rstrip("\n")).replace("\u2212", "-").replace(",", ".")
    try:
        return datetime.fromisoformat(plain.upper()).astimezone(UTC) >= earliest
    except (ValueError, OverflowError):
        return False


def within_what_is_described(event: dict[str, Any]) -> bool:
    return is_of_a_real_time(event.get("occurred_at"), earliest=EARLIEST) and (
        event["type"] != "ip.denylisted"
        or is_of_a_real_time(event.get("expires_at"), earliest=datetime.min.replace(tzinfo=UTC))
    )


@pytest.mark.parametrize("event_type", FIELDS)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_printed_schema_admits_is_taken(event_type: str, data: st.DataObject) -> None:
    event = data.draw(instances(SCHEMA, OF_TYPE[event_type]).filter(within_what_is_described))
    assert admits(SCHEMA, event)
    read = read_event(event)
    assert isinstance(read, Event), read
    if all(isinstance(key, str) for key in event):
        # As it comes from the wire.
        assert isinstance(read_event(json.loads(json.dumps(event))), Event)


@pytest.mark.parametrize("event_type", FIELDS)
def test_the_schema_admits_a_field_if_and_only_if_it_is_taken(event_type: str) -> None:
    for field in OF_TYPE[event_type]["properties"]:
        if field == "type":
            continue
        for value in TRICKY:
            event = an_event(event_type, **{field: value})
            is_taken = isinstance(read_event(event), Event)
            is_admitted = admits(SCHEMA, event) and within_what_is_described(event)
            assert is_taken is is_admitted, (field, value, read_event(event))


@pytest.mark.parametrize("event_type", FIELDS)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_taken_the_printed_schema_admits(event_type: str, data: st.DataObject) -> None:
    names = st.sampled_from(sorted(OF_TYPE[event_type]["properties"].keys() - {"type"}))
    odd = data.draw(st.dictionaries(names, st.sampled_from(TRICKY), max_size=3))
    event = an_event(event_type, **odd)
    if isinstance(read_event(event), Event):
        assert admits(SCHEMA, event)


@pytest.mark.parametrize(
    "word", ["UTF-8", "256000", "32 levels", "4300 digits", "12.0", ":60", "U+FFFD", "2015"]
)
def test_the_description_says_what_a_schema_cannot(word: str) -> None:
    assert word in SCHEMA["description"]


def test_patterns_mean_the_same_to_every_engine() -> None:
    """No look-around, no class whose members differ, no escape that RE2, PCRE, ECMAScript or Python lacks."""
    patterns = set(re.findall(r'"pattern": ("[^"]*")', json.dumps(SCHEMA)))
    assert len(patterns) == 3
    for pattern in map(json.loads, patterns):
        assert not re.search(r"\(\?[^:]|\\[^{}]", pattern), pattern

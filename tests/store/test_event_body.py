from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from build import an_event, an_event_object
from hypothesis import assume, given
from hypothesis import strategies as st

from wallarm_notify.domain.event import Event
from wallarm_notify.schemas.read import read_event
from wallarm_notify.store.event_body import event_of, stored_text


def read_back(event: Event) -> Event:
    """Return the event as its row would be read, whose time is in UTC."""
    return event_of(
        {
            "event_id": event.id,
            "client_id": event.client_id,
            "type": event.type,
            "occurred_at": event.occurred_at.astimezone(UTC),
            "body": stored_text(event),
        }
    )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    note=JSON,
    at=st.datetimes(datetime(2016, 1, 1), datetime(2026, 1, 1)),  # noqa: DTZ001 - the offset is drawn apart
    offset=st.integers(-720, 720),
    timespec=st.sampled_from(["auto", "seconds", "milliseconds", "microseconds"]),
    upper=st.booleans(),
)
def test_every_body_is_read_as_it_was_sent(
    *, note: Any, at: datetime, offset: int, timespec: str, upper: bool
) -> None:
    moment = at.replace(tzinfo=timezone(timedelta(minutes=offset)))
    event_id = str(uuid4())
    sent = an_event_object(
        id=event_id.upper() if upper else event_id,
        occurred_at=moment.isoformat(timespec=timespec),
        note=note,
    )
    event = read_event(sent)
    assume(isinstance(event, Event))  # what cannot be stored is rejected
    assert isinstance(event, Event)
    assert read_back(event) == replace(event, body_hash=b"", text="", hash_before=None)
    assert read_back(event).body == event.body


def test_what_columns_say_is_left_out() -> None:
    event = an_event(note="é")
    assert stored_text(event) == (
        '{"issue_id":"7","title":"Vulnerable version of nginx","risk":"high","note":"é"}'
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "4F9A1C52-7D0E-4D8A-9A52-0C3B8E5D1F60"),
        ("id", "{4f9a1c52-7d0e-4d8a-9a52-0c3b8e5d1f60}"),
        ("client_id", True),
        ("client_id", 1.0),
        ("client_id", "1"),
        ("occurred_at", "2026-03-01T12:00:00Z"),
        ("occurred_at", "2026-03-01T13:00:00+01:00"),
        ("occurred_at", "2026-03-01T12:00:00.000000+00:00"),
        ("occurred_at", 1772366400),
    ],
)
def test_a_field_that_is_written_in_another_way_stays(name: str, value: object) -> None:
    event = replace(
        an_event(),
        id=UUID("4f9a1c52-7d0e-4d8a-9a52-0c3b8e5d1f60"),
        body={**an_event().body, name: value},
    )
    assert json.loads(stored_text(event))[name] == value
    found = read_back(event).body[name]
    assert (found, type(found)) == (value, type(value))

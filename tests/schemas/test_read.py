"""Reading events and calls; nothing makes it raise."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from schemas.sample_events import ALWAYS, FIELDS, ID, accepted, an_event
from wallarm_notify.domain.canonical import body_hash, canonical
from wallarm_notify.domain.event import Rejection
from wallarm_notify.schemas.read import read_call, read_calls, read_event, value_hash


def test_a_rejection_keeps_the_readable_fields() -> None:
    readable = read_event(an_event(risk="none"))
    unreadable = read_event(an_event(id="x", client_id="y", type=["z"]))

    assert isinstance(readable, Rejection)
    assert isinstance(unreadable, Rejection)
    assert (readable.event_id, readable.client_id, readable.type) == (
        UUID(ID),
        1,
        "security_issue.detected",
    )
    assert (unreadable.event_id, unreadable.client_id, unreadable.type) == (None, None, None)
    assert json.loads(readable.text) == an_event(risk="none")
    assert readable.body_hash == value_hash(readable.text)
    assert readable.hash_before == body_hash(readable.text)


def test_times_and_uuids_that_celery_made_are_read_as_text() -> None:
    event = accepted(an_event(id=UUID(ID), occurred_at=datetime(2026, 3, 1, tzinfo=UTC)))

    assert event.body["id"] == ID
    assert event.body["occurred_at"] == "2026-03-01T00:00:00+00:00"


def test_the_order_of_fields_changes_neither_text_nor_hash() -> None:
    obj = an_event(changes={"b": 1, "a": 2})
    turned = json.loads(json.dumps(dict(reversed(obj.items()))))

    assert canonical(turned) == canonical(obj)
    assert accepted(turned).body_hash == accepted(obj).body_hash


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


def test_a_wrong_call_that_is_large_is_cut() -> None:
    _, [rejection] = read_call(["x" * 300_000], {})

    assert rejection.cut
    assert len(rejection.text) == 64_000


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

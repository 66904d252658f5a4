"""A call that cannot be read as a whole is read event by event: no event takes its batch with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from build import an_event_object
from hypothesis import given
from hypothesis import strategies as st
from odd_events import ODD, REJECTED, TAKEN, body_of, with_odd

from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.schemas.call_text import (
    call_in,
    read_call_text,
    read_calls_or_texts,
    read_event_text,
    read_message_text,
)
from wallarm_notify.schemas.json_text import NoJson, text_of
from wallarm_notify.schemas.read import read_event
from wallarm_notify.schemas.storable import KEPT_BYTES


def plain(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def protocol_1(*events: bytes) -> bytes:
    return b'{"task":"events.ingest","kwargs":{"events":[' + b",".join(events) + b"]}}"


def positional(*events: bytes) -> bytes:
    return b"[[[" + b",".join(events) + b"]],null,null]"


@pytest.mark.parametrize("form", [body_of, protocol_1, positional])
@pytest.mark.parametrize("odd", ODD)
def test_the_events_beside_an_odd_one_are_taken(form: Any, odd: str) -> None:
    first, second, between = (an_event_object() for _ in range(3))
    raw = form(plain(first), with_odd(between, ODD[odd]), plain(second))
    events, rejections = read_call_text(text_of(raw))
    ids = [str(event.id) for event in events]
    assert ids == [e["id"] for e in (first, between, second) if e != between or odd in TAKEN]
    assert len(rejections) == (odd in REJECTED)


@pytest.mark.parametrize("odd", REJECTED)
def test_an_event_that_cannot_be_read_is_rejected_with_its_text_and_readable_fields(
    odd: str,
) -> None:
    text, words = REJECTED[odd]
    event = an_event_object(client_id=7)
    raw = with_odd(event, text).decode()
    rejection = read_event_text(raw)
    assert isinstance(rejection, Rejection)
    assert rejection.reason.startswith(words)
    assert (rejection.text, rejection.cut) == (raw, False)
    known = (str(rejection.event_id), rejection.client_id, rejection.type)
    assert known == (event["id"], 7, event["type"])


@pytest.mark.parametrize("odd", TAKEN)
def test_what_can_be_read_somehow_is_taken_and_kept(odd: str) -> None:
    text, kept = TAKEN[odd]
    event = read_event_text(text_of(with_odd(an_event_object(), text)))
    assert isinstance(event, Event)
    assert event.body["x"] == kept


def test_read_by_itself_an_event_is_the_one_that_it_is_among_others() -> None:
    body = an_event_object(x=[1, 2.5, None, {"y": "é"}])
    assert read_event_text(json.dumps(body, indent=2)) == read_event(body)
    wrong = an_event_object(title=" ")
    assert read_event_text(json.dumps(wrong)) == read_event(wrong)


def test_a_mark_that_celery_makes_is_read_beside_one_that_nobody_can_read() -> None:
    event = an_event_object(x={"__type__": "uuid", "__value__": 1})
    known = event["id"]
    event["id"] = {"__type__": "uuid", "__value__": {"hex": known.replace("-", "")}}
    read = read_event_text(json.dumps(event))
    assert isinstance(read, Event)
    assert str(read.id) == known


def test_of_a_large_event_that_cannot_be_read_the_first_64_kb_are_kept() -> None:
    raw = with_odd(an_event_object(note="é" * 200_000), b"7" * 4301).decode()
    rejection = read_event_text(raw)
    assert isinstance(rejection, Rejection)
    assert rejection.cut
    assert KEPT_BYTES - 1 <= len(rejection.text.encode()) <= KEPT_BYTES
    assert raw.startswith(rejection.text)


def test_what_no_database_can_hold_is_not_kept_of_it() -> None:
    rejection = read_event_text('{"x": "\0\ud800", "y": nul}')
    assert isinstance(rejection, Rejection)
    assert rejection.text == '{"x": "\ufffd\ufffd", "y": nul}'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'[[], {"events": {"a": %s}}, {}]' % (b"7" * 4301), "«events» was an object"),
        (b'[[], {"events": [], "x": "\t"}, {}]', "and these keywords: events, x"),
        (b'[[1], {"events": ["\x80"]}, {}]', "1 positional arguments and these keywords: events"),
        (b'[[], {"event": ["\x80"]}, {}]', "these keywords: event."),
        (b'[["\x80"], [], []]', "«events» was «\ufffd»"),
        (b"[[%s], {}, {}]" % (b"7" * 4301), "«events» was «7777"),
        (b"[[], {}, {}]", "given were 0 positional arguments"),
    ],
)
def test_wrong_arguments_are_rejected_as_a_whole_call(body: bytes, words: str) -> None:
    text = text_of(body)
    events, (rejection,) = read_call_text(text)
    assert events == []
    assert words in rejection.reason
    assert rejection.text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "5",
        "[1]",
        '[[], {"events": []}]',
        '[[], {"events": [{}]}',
        '[[], {"events": [{"a]}, {}]',
        '[[], {"events": []}, "x"]',
        '[5, {"events": []}, {}]',
        "[[], [1], {}]",
        "{}",
        '{"events": []}',
        "{events}",
    ],
)
def test_what_holds_no_list_of_events_is_no_call(text: str) -> None:
    with pytest.raises(NoJson):
        read_call_text(text)


def test_what_is_mended_by_hand_may_be_a_list_of_events_alone() -> None:
    bodies = [an_event_object() for _ in range(3)]
    events, rejections = read_message_text(json.dumps(bodies))
    assert ([event.body for event in events], rejections) == (bodies, [])
    assert read_message_text("[]") == ([], [])
    call = json.dumps([[], {"events": bodies}, {}])
    assert [event.body for event in read_message_text(call)[0]] == bodies
    with pytest.raises(NoJson, match="not a task message"):
        read_message_text("[1, 2]")


def test_calls_and_texts_are_read_together() -> None:
    some = [an_event_object() for _ in range(3)]
    odd = text_of(body_of(plain(some[1]), with_odd(some[2], b"7" * 4301)))
    calls = [[[], {"events": some[:1]}, {}], {"text": odd}, {"text": "broken"}]
    events, rejections = read_calls_or_texts(calls)
    assert [event.body for event in events] == some[:2]
    assert [r.text for r in rejections] == [with_odd(some[2], b"7" * 4301).decode(), "broken"]


GOOD = [an_event_object(title='a [title] with "quotes", {braces}, a comma and é') for _ in range(3)]


def has_an_end(text: str) -> bool:
    """Whether ``text``, as an item of a list, ends where it is meant to; worked out character by character."""
    closers: list[str] = []
    is_text = is_escaped = False
    for character in text:
        if is_text:
            is_text = is_escaped or character != '"'
            is_escaped = character == "\\" and not is_escaped
        elif character == '"':
            is_text = True
        elif character in "[{":
            closers.append("]" if character == "[" else "}")
        elif (character in "]}" and (not closers or closers.pop() != character)) or (
            character == "," and not closers
        ):
            return False
    return not (is_text or closers)


@given(
    st.integers(0, 2),
    st.integers(0, 400),
    st.integers(0, 30),
    st.binary(max_size=8)
    | st.text(alphabet='[]{}",:\\e9', max_size=6).map(str.encode)
    | st.sampled_from([*ODD.values()]),
)
def test_wherever_one_events_text_is_corrupt_the_others_come_through(
    which: int, place: int, removed: int, inserted: bytes
) -> None:
    """Wherever the list can be read at all."""
    texts = [json.dumps(event, ensure_ascii=False).encode() for event in GOOD]
    good = [event["id"] for n, event in enumerate(GOOD) if n != which]
    texts[which] = texts[which][:place] + inserted + texts[which][place + removed :]
    if not has_an_end(texts[which].decode(errors="replace")):
        return
    events, rejections = read_call_text(text_of(body_of(*texts)))
    ids = [str(event.id) for event in events]
    assert [i for i in ids if i in good] == good
    is_nothing = not texts[which].strip()
    assert len(events) + len(rejections) == (2 if is_nothing else 3)


def test_a_call_knows_what_protocol_1_says_of_itself() -> None:
    call = call_in('{"task": "events.ingest", "id": "a", "args": [[1, 2]], "x": 01}')
    assert (call.field_value("task"), call.field_value("id"), call.field_value("eta")) == (
        "events.ingest",
        "a",
        None,
    )
    assert call.field_value("x") is None
    assert [event.text for event in call.events or ()] == ["1", "2"]

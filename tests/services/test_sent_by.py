"""Every event keeps who sent it, wherever it goes: taken in, kept apart, rejected or re-submitted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from build import a_rejection, an_event, an_event_object

from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.schemas.call_text import read_calls_or_texts
from wallarm_notify.schemas.read import read_call, read_event
from wallarm_notify.services.listings import list_ahead, show_rejection
from wallarm_notify.services.take_in_ahead import take_in_ahead

if TYPE_CHECKING:
    from build import Bench

SENDER = "gen4711@web-1"


def an_event_of(sender: str | None, **fields: Any) -> Event:
    return replace(an_event(**fields), sent_by=sender)


def test_what_is_read_of_a_call_says_who_sent_it() -> None:
    events, rejections = read_call((), {"events": [an_event_object(), {"id": 1}]}, SENDER)
    assert ([e.sent_by for e in events], [r.sent_by for r in rejections]) == ([SENDER], [SENDER])
    assert [r.sent_by for r in read_call((), {"wrong": 1}, SENDER)[1]] == [SENDER]
    assert [r.sent_by for r in read_call((), {"events": [an_event_object()]})[0]] == [None]


def test_events_of_calls_that_travelled_together_keep_their_own_senders() -> None:
    text = '[[], {"events": [{"id": 1e999}]}, {}]'
    calls = [
        [[], {"events": [an_event_object()]}, {}],
        {"text": text},
        [[], {"events": [an_event_object(), {}]}, {}],
        "no call",
    ]
    events, rejections = read_calls_or_texts(calls, ["a", "b", None, "d"])
    assert [event.sent_by for event in events] == ["a", None]
    assert [rejection.sent_by for rejection in rejections] == ["b", None, "d"]


def test_who_sent_an_event_makes_no_other_event_of_it() -> None:
    body = an_event_object()
    one, two = read_event(body, "one"), read_event(body, "two")
    assert one.body_hash == two.body_hash


def test_a_stored_event_keeps_who_sent_it_first(bench: Bench) -> None:
    event = an_event()
    bench.ingest(replace(event, sent_by=SENDER))
    routed = bench.ingest(replace(event, sent_by="another"))
    assert routed.duplicates == 1
    assert bench.value("SELECT sent_by FROM events") == SENDER


def test_an_event_whose_sender_is_not_known_is_stored_without(bench: Bench) -> None:
    bench.ingest(an_event())
    assert bench.value("SELECT count(*) FROM events WHERE sent_by IS NULL") == 1


def test_a_rejected_event_and_a_conflict_show_who_sent_them(bench: Bench) -> None:
    first = an_event_of("first")
    other = an_event_of("other", id=str(first.id), title="Another")
    bench.ingest(first, rejections=[replace(a_rejection(), sent_by=SENDER)])
    bench.ingest(other)
    shown = [show_rejection(bench.ctx, EVERY_CLIENT, number) for number in (1, 2)]
    assert [(r.sent_by, r.reason.startswith("conflict")) for r in shown] == [
        (SENDER, False),
        ("other", True),
    ]


def test_a_resubmitted_event_was_sent_by_who_sent_the_rejected_one(bench: Bench) -> None:
    bench.ingest(rejections=[replace(a_rejection(), sent_by=SENDER)])
    bench.resubmit_event(1, an_event())
    assert bench.value("SELECT sent_by FROM events") == SENDER


def test_an_event_that_was_kept_apart_keeps_who_sent_it(bench: Bench) -> None:
    now = bench.value("SELECT now()")
    ahead = an_event_of(SENDER, occurred_at=(now + timedelta(hours=1)).isoformat())
    bench.ingest(ahead)
    (shown,) = list_ahead(bench.ctx, EVERY_CLIENT, limit=5).items
    assert shown.sent_by == SENDER
    bench.sql("UPDATE events_ahead SET occurred_at = now()")
    take_in_ahead(bench.ctx)
    assert bench.value("SELECT sent_by FROM events") == SENDER


def test_a_rejection_that_a_database_refuses_is_kept_without_its_sender(bench: Bench) -> None:
    rejection = a_rejection()
    assert isinstance(rejection, Rejection)
    bench.ingest(rejections=[replace(rejection, sent_by="nul\0", text="{}")])
    assert bench.value("SELECT sent_by FROM rejected") is None

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from build import Bench, a_rejection, an_event
from meanwhile import overlapping

from wallarm_notify.domain.errors import Hint, NotFound, Refused, Todo
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.resubmit import rejected_body

if TYPE_CHECKING:
    from wallarm_notify.domain.event import Event, Rejection


def rejected(bench: Bench, *rejections: Rejection) -> int:
    """Return the id of the last rejected event."""
    bench.ingest(rejections=rejections or (a_rejection(),))
    number: int = bench.value("SELECT max(id) FROM rejected")
    return number


def test_mended_it_becomes_an_event_and_received_stays(bench: Bench) -> None:
    bench.integration()
    number = rejected(bench)
    event = an_event()
    routed = bench.resubmit_event(number, event)
    assert (routed.matched, bench.publisher.ids()) == (1, [n.id for n in routed.pending])
    assert str(bench.value("SELECT resubmitted_as FROM rejected")) == str(event.id)
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.matched) == (1, 0, 1)
    assert ledger.findings == []


def test_as_it_is_it_is_taken_in_when_it_has_become_valid(bench: Bench) -> None:
    now = bench.value("SELECT now()")
    event = an_event(occurred_at=(now + timedelta(hours=25)).isoformat())
    bench.ingest(event)
    number = bench.value("SELECT id FROM rejected")
    with pytest.raises(Refused, match="its time is more than 5 minutes ahead"):
        bench.resubmit_event(number, event)
    assert bench.ledger().rejected == 1
    text = rejected_body(bench.ctx, EVERY_CLIENT, number)
    assert str(event.id) in text
    in_time = an_event(id=str(event.id))
    assert bench.resubmit_event(number, in_time).unmatched == 1
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.unmatched) == (1, 0, 1)
    assert ledger.findings == []


def test_a_conflict_stays_a_conflict(bench: Bench) -> None:
    first = an_event()
    other = an_event(id=str(first.id), title="Another")
    bench.ingest(first)
    bench.ingest(other)
    number = bench.value("SELECT id FROM rejected")
    for again in (other, an_event(id=str(first.id), title="A third")):
        with pytest.raises(Refused, match="another event has this id"):
            bench.resubmit_event(number, again)
    assert bench.value("SELECT count(*) FROM rejected WHERE resubmitted_as IS NULL") == 1
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.findings) == (2, 1, [])
    assert bench.publisher.taken() == []


def test_a_conflict_under_a_new_id_is_taken_in(bench: Bench) -> None:
    first = an_event()
    bench.ingest(first)
    bench.ingest(an_event(id=str(first.id), title="Another"))
    number = bench.value("SELECT id FROM rejected")
    assert bench.resubmit_event(number, an_event(title="Another")).unmatched == 1
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.unmatched) == (2, 0, 2)
    assert ledger.findings == []


def test_an_event_that_is_in_already_does_not_take_the_rejections_place(bench: Bench) -> None:
    event = an_event()
    bench.ingest(event)
    number = rejected(bench)
    with pytest.raises(Refused, match="was taken in before with this very body"):
        bench.resubmit_event(number, event)
    assert bench.ledger().rejected == 1
    assert bench.ledger().findings == []


def test_the_second_time_it_is_refused(bench: Bench) -> None:
    number = rejected(bench)
    event = an_event()
    bench.resubmit_event(number, event)
    for again in (
        lambda: bench.resubmit_event(number, an_event()),
        lambda: rejected_body(bench.ctx, EVERY_CLIENT, number),
    ):
        with pytest.raises(Refused, match=f"was re-submitted already, as event {event.id}"):
            again()
    assert bench.ledger().findings == []


def too_early(bench: Bench) -> tuple[int, Event]:
    """Return a rejection of an event that was ahead, and the event when it is no longer."""
    now = bench.value("SELECT now()")
    event = an_event(occurred_at=(now + timedelta(hours=25)).isoformat())
    bench.ingest(event)
    number: int = bench.value("SELECT id FROM rejected")
    return number, replace(event, occurred_at=now)


def test_mended_while_the_original_comes_again_both_are_taken_in_and_counted_once(
    bench: Bench,
) -> None:
    number, in_time = too_early(bench)
    mended = an_event()
    overlapping(
        bench,
        lambda first: first.resubmit_event(number, mended),
        lambda: bench.ingest(in_time),
    )
    assert str(bench.value("SELECT resubmitted_as FROM rejected")) == str(mended.id)
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.unmatched) == (2, 0, 2)
    assert ledger.findings == []


@pytest.mark.parametrize("by", ["who mends it", "the original"])
def test_while_it_is_taken_in_it_waits_and_is_refused_to_who_mends_it_too(
    bench: Bench, by: str
) -> None:
    number, in_time = too_early(bench)

    def take_in(first: Bench) -> object:
        return (
            first.ingest(in_time) if by == "the original" else first.resubmit_event(number, in_time)
        )

    with pytest.raises(Refused, match=f"was re-submitted already, as event {in_time.id}"):
        overlapping(bench, take_in, lambda: bench.resubmit_event(number, an_event()))
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.unmatched) == (1, 0, 1)
    assert ledger.findings == []


def test_of_one_that_is_cut_only_a_file_will_do(bench: Bench) -> None:
    large = a_rejection(note="x" * 300_000)
    assert large.cut
    number = rejected(bench, large)
    with pytest.raises(Refused, match="only the first 64 kB were kept") as refused:
        rejected_body(bench.ctx, EVERY_CLIENT, number)
    assert refused.value.hint == Hint(Todo.GIVE_WHOLE_EVENT)
    assert bench.resubmit_event(number, an_event()).unmatched == 1


def test_what_is_not_there_cannot_be_resubmitted(bench: Bench) -> None:
    for ask in (
        lambda: rejected_body(bench.ctx, EVERY_CLIENT, 4711),
        lambda: bench.resubmit_event(4711, an_event()),
    ):
        with pytest.raises(NotFound, match="There is no rejected event 4711") as refused:
            ask()
        assert refused.value.hint == Hint(Todo.SEE_REJECTED)


def test_the_original_that_comes_again_after_it_was_mended_ends_quietly(bench: Bench) -> None:
    rejection = a_rejection()
    number = rejected(bench, rejection)
    bench.resubmit_event(number, an_event())
    assert bench.ingest(rejections=[rejection]).rejected == 0
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.findings) == (1, 0, [])

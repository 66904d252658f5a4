"""The events of an undecodable message are taken in after all, once, and counted as any that come."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from build import FailingStore, a_rejection, an_event

from wallarm_notify.domain.errors import Hint, NotFound, Refused, Todo, Unavailable
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.resubmit_message import UNDECODABLE, message_body

if TYPE_CHECKING:
    from build import Bench


def undecodable(bench: Bench, body: bytes = b"{", size: int | None = None) -> int:
    """Return the id of a message that was kept."""
    bench.store.transact(lambda tx: tx.store_undecodable("no JSON", None, body, size=size))
    number: int = bench.value("SELECT max(id) FROM undecodable")
    return number


def still_undecodable(bench: Bench) -> int:
    return bench.store.transact(lambda tx: tx.undecodable_count(EVERY_CLIENT))


def test_its_events_are_received_and_it_is_no_more_undecodable(bench: Bench) -> None:
    bench.integration()
    number = undecodable(bench)
    (routed,) = bench.resubmit_message(
        UNDECODABLE, number, [an_event(), an_event()], [a_rejection()]
    )
    assert (routed.matched, routed.rejected) == (2, 1)
    assert bench.publisher.ids() == [n.id for n in routed.pending]
    ledger = bench.ledger()
    assert (ledger.received, ledger.matched, ledger.rejected) == (3, 2, 1)
    assert ledger.findings == []
    assert still_undecodable(bench) == 0


def test_more_events_than_one_transaction_takes_are_taken_all_the_same(bench: Bench) -> None:
    number = undecodable(bench)
    routed = bench.resubmit_message(UNDECODABLE, number, [an_event() for _ in range(1001)], ())
    assert [r.unmatched for r in routed] == [1000, 1]
    assert bench.ledger().findings == []


def test_the_second_time_it_is_refused(bench: Bench) -> None:
    number = undecodable(bench)
    bench.resubmit_message(UNDECODABLE, number, [an_event()], ())
    for again in (
        lambda: bench.resubmit_message(UNDECODABLE, number, [an_event()], ()),
        lambda: message_body(bench.ctx, EVERY_CLIENT, UNDECODABLE, number),
    ):
        with pytest.raises(Refused, match=r"was re-submitted already, at 20\d\d-"):
            again()
    assert bench.ledger().received == 1


def test_where_none_of_its_events_is_valid_nothing_moves(bench: Bench) -> None:
    number = undecodable(bench)
    with pytest.raises(
        Refused, match="No event of it is valid: title must not be blank"
    ) as refused:
        bench.resubmit_message(UNDECODABLE, number, (), [a_rejection()])
    assert refused.value.hint == Hint(Todo.MEND)
    with pytest.raises(Refused, match=r"It holds no event\. The undecodable message \d+ stays"):
        bench.resubmit_message(UNDECODABLE, number, (), ())
    assert bench.ledger().received == 0
    assert still_undecodable(bench) == 1


def test_events_that_came_in_otherwise_meanwhile_are_not_doubled(bench: Bench) -> None:
    bench.integration()
    event = an_event()
    bench.ingest(event)
    (routed,) = bench.resubmit_message(UNDECODABLE, undecodable(bench), [event, an_event()], ())
    assert (routed.duplicates, routed.matched) == (1, 1)
    ledger = bench.ledger()
    assert (ledger.received, ledger.findings) == (2, [])
    assert still_undecodable(bench) == 0


def test_where_a_process_dies_before_it_is_marked_it_can_be_done_again(bench: Bench) -> None:
    number = undecodable(bench)
    event = an_event()

    # The database goes away once the events are stored.
    stumbling = copy(bench)
    away = FailingStore(bench.store, "mark_undecodable_resubmitted", Unavailable("away"))
    stumbling.ctx = replace(bench.ctx, store=away)
    with pytest.raises(Unavailable):
        stumbling.resubmit_message(UNDECODABLE, number, [event])
    assert still_undecodable(bench) == 1
    (routed,) = bench.resubmit_message(UNDECODABLE, number, [event], ())
    assert routed.duplicates == 1
    assert (bench.ledger().received, bench.ledger().findings) == (1, [])


def test_of_one_that_is_cut_only_a_file_will_do(bench: Bench) -> None:
    whole, cut = undecodable(bench, b"x" * 64_000), undecodable(bench, b"x" * 64_000, 64_001)
    assert message_body(bench.ctx, EVERY_CLIENT, UNDECODABLE, whole) == b"x" * 64_000
    with pytest.raises(Refused, match="only the first 64 kB of 64001 bytes were kept") as refused:
        message_body(bench.ctx, EVERY_CLIENT, UNDECODABLE, cut)
    assert refused.value.hint == Hint(Todo.GIVE_WHOLE_MESSAGE)
    assert bench.resubmit_message(UNDECODABLE, cut, [an_event()], ())


def test_of_one_of_the_full_length_from_before_sizes_were_noted_nobody_knows(bench: Bench) -> None:
    short, long = undecodable(bench, b"x" * 63_999), undecodable(bench, b"x" * 64_000)
    bench.sql("UPDATE undecodable SET size = NULL")
    assert len(message_body(bench.ctx, EVERY_CLIENT, UNDECODABLE, short)) == 63_999
    with pytest.raises(Refused, match="bytes were kept"):
        message_body(bench.ctx, EVERY_CLIENT, UNDECODABLE, long)


def test_what_is_not_there_cannot_be_resubmitted(bench: Bench) -> None:
    for ask in (
        lambda: message_body(bench.ctx, EVERY_CLIENT, UNDECODABLE, 4711),
        lambda: bench.resubmit_message(UNDECODABLE, 4711, [an_event()], ()),
    ):
        with pytest.raises(NotFound, match="There is no undecodable message 4711") as refused:
            ask()
        assert refused.value.hint == Hint(Todo.SEE_UNDECODABLE)

"""Events ahead of the database's clock are kept apart, and taken in once when they are not (spec 2)."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from build import Bench, RememberingPublisher, an_event

from wallarm_notify.domain.canonical import canonical
from wallarm_notify.services.sweep import sweep as run_sweep
from wallarm_notify.services.take_in_ahead import AT_ONCE, take_in_ahead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.domain.batches import Message
    from wallarm_notify.domain.event import Event


def ahead(bench: Bench, hours: float = 1.0, **fields: object) -> Event:
    """Return an event whose time is so far ahead of the database's clock."""
    at = bench.value("SELECT now()") + timedelta(hours=hours)
    return an_event(occurred_at=at.isoformat(), **fields)


def time_passes(bench: Bench, hours: float = 1.0) -> None:
    """Move the times of what is kept apart, as if so many hours had passed."""
    bench.sql("UPDATE events_ahead SET occurred_at = occurred_at - :by", by=timedelta(hours=hours))


def figures(bench: Bench) -> tuple[int, int, int, int]:
    """Return the ledger's received, rejected, kept apart, and the number of its findings."""
    ledger = bench.ledger()
    return ledger.received, ledger.rejected, ledger.ahead, len(ledger.findings)


def test_what_is_kept_apart_is_counted_beside_and_taken_in_when_its_time_comes(
    bench: Bench,
) -> None:
    bench.integration()
    events = [ahead(bench) for _ in range(5)]
    assert bench.ingest(*events).ahead == 5
    assert (figures(bench), bench.states()) == ((0, 0, 5, 0), {})
    assert take_in_ahead(bench.ctx) == 0
    time_passes(bench)
    assert take_in_ahead(bench.ctx) == 5
    assert (figures(bench), bench.states()) == ((5, 0, 0, 0), {"pending": 5})
    assert len(bench.publisher.ids()) == 5
    assert {body["id"]: body for body in bench.bodies()} == {str(e.id): e.body for e in events}
    assert take_in_ahead(bench.ctx) == 0


def test_sweep_takes_it_in(bench: Bench) -> None:
    bench.ingest(ahead(bench))
    time_passes(bench)
    run_sweep(bench.ctx)
    assert figures(bench) == (1, 0, 0, 0)


def test_more_than_a_batch_is_taken_in_by_one_run(bench: Bench) -> None:
    number = AT_ONCE + 10
    bench.ingest(*(ahead(bench) for _ in range(number)))
    time_passes(bench)
    assert take_in_ahead(bench.ctx) == number
    assert figures(bench) == (number, 0, 0, 0)


def test_the_same_event_again_is_a_duplicate_while_it_waits_and_afterwards(bench: Bench) -> None:
    event = ahead(bench)
    for _ in range(2):
        bench.ingest(event, event)
    assert figures(bench) == (0, 0, 1, 0)
    time_passes(bench)
    take_in_ahead(bench.ctx)
    # The database's clock may have gone back meanwhile: its time is ahead of it again.
    for much in (timedelta(), timedelta(days=2)):
        routed = bench.ingest(replace(event, occurred_at=event.occurred_at + much))
        assert (routed.duplicates, routed.ahead, routed.rejected) == (1, 0, 0)
    assert figures(bench) == (1, 0, 0, 0)


def test_one_that_was_stored_under_its_former_hash_is_a_duplicate_though_it_is_ahead(
    bench: Bench,
) -> None:
    event = an_event()
    bench.ingest(event)
    bench.sql("UPDATE events SET body_hash = :before", before=b"before")
    at = bench.value("SELECT now()") + timedelta(hours=1)
    routed = bench.ingest(replace(event, hash_before=b"before", occurred_at=at))
    assert (routed.duplicates, routed.ahead, routed.rejected) == (1, 0, 0)
    assert figures(bench) == (1, 0, 0, 0)


def test_large_ones_are_taken_in_a_few_at_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.ingest(*(ahead(bench, 1 + n / 1000, text="x" * 1000) for n in range(7)))
    time_passes(bench, 2)
    monkeypatch.setattr("wallarm_notify.services.take_in_ahead.AT_ONCE_BYTES", 2500)
    few = bench.store.transact(lambda tx: tx.no_longer_ahead(AT_ONCE, 2500))
    assert len(few) == 3
    assert [e.occurred_at for e in few] == sorted(e.occurred_at for e in few)
    assert len(bench.store.transact(lambda tx: tx.no_longer_ahead(AT_ONCE, 1))) == 1
    assert take_in_ahead(bench.ctx) == 7
    assert figures(bench) == (7, 0, 0, 0)


@pytest.mark.parametrize("hours", [0.0, 2.0], ids=["in time", "ahead too"])
@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
def test_another_body_under_its_id_is_a_conflict_and_the_first_stands(
    bench: Bench, hours: float, *, together: bool
) -> None:
    first = ahead(bench)
    other = ahead(bench, hours, id=str(first.id), title="Another")
    if together:
        bench.ingest(first, other)
    else:
        bench.ingest(first)
        bench.ingest(other)
    assert figures(bench) == (1, 1, 1, 0)
    assert bench.value("SELECT reason FROM rejected").startswith("conflict: ")
    time_passes(bench)
    take_in_ahead(bench.ctx)
    assert [body["title"] for body in bench.bodies()] == [first.body["title"]]
    assert figures(bench) == (2, 1, 0, 0)


@pytest.mark.parametrize("hours", [0.0, 1.0], ids=["in time", "ahead"])
def test_one_that_stands_already_is_no_conflict_where_another_body_comes_before_it(
    bench: Bench, hours: float
) -> None:
    stands = ahead(bench, hours)
    bench.ingest(stands)
    routed = bench.ingest(ahead(bench, hours, id=str(stands.id), title="Another"), stands)
    assert (routed.duplicates, routed.rejected) == (1, 1)
    assert bench.value("SELECT body_text FROM rejected") != canonical(stands.body)
    assert figures(bench) == ((1, 1, 1, 0) if hours else (2, 1, 0, 0))


def test_too_far_ahead_it_does_not_keep_the_same_id_from_being_taken_in(bench: Bench) -> None:
    event = an_event()
    bench.ingest(ahead(bench, 30, id=str(event.id)), event)
    assert [body["occurred_at"] for body in bench.bodies()] == [event.body["occurred_at"]]
    assert figures(bench) == (2, 1, 0, 0)


def test_what_came_again_when_its_time_had_come_is_taken_in_once(bench: Bench) -> None:
    bench.integration()
    event = ahead(bench)
    bench.ingest(event)
    time_passes(bench)
    assert bench.ingest(replace(event, occurred_at=bench.value("SELECT now()"))).matched == 1
    take_in_ahead(bench.ctx)
    assert (figures(bench), bench.states()) == ((1, 0, 0, 0), {"pending": 1})


def test_an_id_that_was_taken_with_another_body_meanwhile_is_a_conflict(bench: Bench) -> None:
    event = ahead(bench)
    bench.ingest(event)
    # As where both came in the same moment: neither knew of the other.
    bench.sql("UPDATE events_ahead SET id = gen_random_uuid()")
    bench.ingest(an_event(id=str(event.id)))
    bench.sql("UPDATE events_ahead SET id = :id", id=str(event.id))
    time_passes(bench)
    take_in_ahead(bench.ctx)
    assert figures(bench) == (2, 1, 0, 0)


def test_what_the_database_refuses_then_is_rejected_and_waits_no_more(bench: Bench) -> None:
    good, bad = ahead(bench), ahead(bench, client_id=13)
    bench.ingest(good, bad)
    time_passes(bench)
    bench.sql("ALTER TABLE events ADD CONSTRAINT odd CHECK (client_id <> 13)")
    try:
        take_in_ahead(bench.ctx)
    finally:
        bench.sql("ALTER TABLE events DROP CONSTRAINT odd")
    assert figures(bench) == (2, 1, 0, 0)
    assert take_in_ahead(bench.ctx) == 0


def test_two_runs_at_once_take_it_in_once(bench: Bench) -> None:
    bench.integration()
    bench.ingest(*(ahead(bench) for _ in range(40)))
    time_passes(bench)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: take_in_ahead(bench.ctx), range(4)))
    assert (figures(bench), bench.states()) == ((40, 0, 0, 0), {"pending": 40})


def test_a_run_that_is_killed_after_its_commit_is_gone_on_with(bench: Bench) -> None:
    class Killed(BaseException):
        """An error that no code of ours expects."""

    class Dying(RememberingPublisher):
        def publish(self, messages: Sequence[Message]) -> None:
            raise Killed

    bench.integration()
    bench.ingest(ahead(bench))
    time_passes(bench)
    with pytest.raises(Killed):
        take_in_ahead(replace(bench.ctx, publisher=Dying()))
    take_in_ahead(bench.ctx)
    assert (figures(bench), bench.states()) == ((1, 0, 0, 0), {"pending": 1})


def test_what_was_rejected_for_its_time_leaves_the_rejected_when_it_is_taken_in(
    bench: Bench,
) -> None:
    event = ahead(bench, 25)
    bench.ingest(event)
    assert figures(bench) == (1, 1, 0, 0)
    later = replace(event, occurred_at=event.occurred_at - timedelta(hours=2))
    assert bench.ingest(later).ahead == 1
    time_passes(bench, 24)
    take_in_ahead(bench.ctx)
    assert figures(bench) == (1, 0, 0, 0)


def test_where_most_events_are_ahead_the_databases_clock_is_named(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            bench.ingest(ahead(bench), ahead(bench, 25), an_event())
    reasons = {row["reason"].split("; ")[1] for row in bench.sql("SELECT reason FROM rejected")}
    assert reasons == {
        "so are most events of that minute: set the database's clock, and re-submit."
    }
    (record,) = [r for r in caplog.records if r.message == "database.clock_behind"]
    assert "the database's clock" in record.__dict__["hint"]


def test_where_few_are_ahead_the_producers_clock_is_named(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        bench.ingest(*(an_event() for _ in range(3)))
        bench.ingest(ahead(bench), ahead(bench, 25))
    assert bench.value("SELECT reason FROM rejected").endswith("; set the producer's clock.")
    assert caplog.records == []


def test_what_nobody_takes_in_unbalances_the_ledger(bench: Bench) -> None:
    bench.ingest(ahead(bench))
    time_passes(bench, 1.01)
    (finding,) = bench.ledger().findings
    assert "kept apart whose time has come" in finding

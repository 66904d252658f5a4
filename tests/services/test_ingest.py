from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from build import (
    NOON,
    Bench,
    a_rejection,
    a_user_event,
    an_attack,
    an_event,
)

from wallarm_notify.domain.page import Slice
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.routing import route
from wallarm_notify.store.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wallarm_notify.domain.event import Event
    from wallarm_notify.domain.routed import Routed
    from wallarm_notify.store import Transaction


@contextmanager
def statements(bench: Bench) -> Iterator[list[str]]:
    """Yield the statements that the database is sent meanwhile, without BEGIN and COMMIT."""
    sent: list[str] = []
    send = Queries._send

    def note(queries: Queries) -> None:
        statements = [s.decode() for s in queries._to_come]
        sent.extend(s for s in statements if not s.startswith("BEGIN") and s != "COMMIT")
        send(queries)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Queries, "_send", note)
        yield sent


def test_an_event_makes_one_notification_for_each_integration_that_subscribes(bench: Bench) -> None:
    mine = [bench.integration(), bench.integration()]
    bench.integration(client_id=2)
    bench.integration(subscribe=("system",))
    routed = bench.ingest(an_event())
    assert (routed.matched, routed.unmatched, routed.skipped) == (1, 0, 0)
    assert [n.integration_id for n in routed.pending] == mine
    assert bench.publisher.ids() == [n.id for n in routed.pending]
    assert bench.value("SELECT fan_out FROM events") == 2
    assert bench.ledger().findings == []


def test_a_notification_is_due_at_once_and_rechecked_after_15_seconds(bench: Bench) -> None:
    bench.integration()
    (made,) = bench.ingest(an_event()).pending
    row = bench.notification(made.id)
    assert row == made
    assert row.recheck_at == row.due_at + timedelta(seconds=15)


@pytest.mark.parametrize("event", [an_attack(), a_user_event()], ids=["triggers only", "others'"])
def test_what_nobody_subscribes_to_is_unmatched(bench: Bench, event: Event) -> None:
    bench.integration()
    routed = bench.ingest(event)
    assert (routed.matched, routed.unmatched, routed.pending) == (0, 1, ())
    assert bench.publisher.taken() == []
    ledger = bench.ledger()
    assert (ledger.received, ledger.unmatched, ledger.findings) == (1, 1, [])


def test_what_matches_a_disabled_integration_is_skipped_and_kept(bench: Bench) -> None:
    bench.integration(enabled=False)
    routed = bench.ingest(an_event())
    assert (routed.matched, routed.skipped, routed.pending) == (1, 1, ())
    assert bench.states() == {"skipped": 1}
    (row,) = bench.sql("SELECT recheck_at, finished_at FROM notifications")
    assert row["recheck_at"] is None
    assert row["finished_at"] is not None
    assert bench.ledger().findings == []


def test_notifications_have_their_ids_in_the_order_of_time_then_of_the_call(bench: Bench) -> None:
    one, two = bench.integration(), bench.integration()
    minutes = (3, 1, 2, 1, 1)
    events = [an_event(occurred_at=(NOON + timedelta(minutes=m)).isoformat()) for m in minutes]
    bench.ingest(*events)
    rows = bench.sql(
        """SELECT n.integration_id, e.id FROM notifications n JOIN events e ON e.no = n.event_no
           ORDER BY n.id"""
    )
    wanted = [events[place].id for place in (1, 3, 4, 2, 0)]
    for integration in (one, two):
        assert [r["id"] for r in rows if r["integration_id"] == integration] == wanted


def test_events_are_stored_in_the_order_of_their_ids_whatever_their_times(bench: Bench) -> None:
    minutes = (3, 1, 2, 1, 1)
    events = [an_event(occurred_at=(NOON + timedelta(minutes=m)).isoformat()) for m in minutes]
    bench.ingest(*events)
    rows = bench.sql("SELECT id FROM events ORDER BY no")
    assert [r["id"] for r in rows] == sorted(e.id for e in events)


def test_the_same_event_twice_in_a_batch_is_one(bench: Bench) -> None:
    bench.integration()
    event = an_event()
    routed = bench.ingest(event, replace(event), an_event(), replace(event))
    assert (routed.matched, routed.duplicates, len(routed.pending)) == (2, 2, 2)
    assert bench.ledger().received == 2


def test_the_same_call_again_changes_nothing(bench: Bench) -> None:
    bench.integration()
    events = [an_event() for _ in range(3)]
    rejection = a_rejection()
    bench.ingest(*events, rejections=[rejection])
    before = bench.ledger()
    bench.publisher.taken()
    again = bench.ingest(*events, rejections=[rejection])
    assert (again.matched, again.duplicates, again.rejected, again.pending) == (0, 3, 0, ())
    assert bench.publisher.taken() == []
    assert bench.ledger() == before
    assert before.findings == []


def test_an_event_makes_no_more_notifications_for_integrations_that_came_later(
    bench: Bench,
) -> None:
    event = an_event()
    bench.ingest(event)
    bench.integration()
    assert bench.ingest(event).pending == ()
    assert bench.ledger().findings == []


def test_two_workers_with_the_same_200_events_make_each_notification_once(bench: Bench) -> None:
    for _ in range(3):
        bench.integration()
    events = [an_event() for _ in range(200)]
    start = threading.Barrier(2)

    def ingest(order: list[Event]) -> tuple[int, int, int]:
        start.wait(10)
        routed = bench.ingest(*order)
        return routed.matched, routed.duplicates, len(routed.pending)

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(ingest, [events, events[::-1]])
    assert one[0] + two[0] == 200
    assert one[1] + two[1] == 200
    assert one[2] + two[2] == 600
    ids = bench.publisher.ids()
    assert len(ids) == len(set(ids)) == 600
    ledger = bench.ledger()
    assert (ledger.received, ledger.matched, ledger.findings) == (200, 200, [])


def test_workers_with_overlapping_batches_and_rejections_never_deadlock_for_good(
    bench: Bench,
) -> None:
    bench.integration()
    events = [an_event() for _ in range(120)]
    rejections = [a_rejection(risk=str(n)) for n in range(30)]

    def ingest(offset: int) -> None:
        turned = events[offset:] + events[:offset]
        bench.ingest(*turned[:80], rejections=rejections[::-1] if offset % 2 else rejections)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ingest, range(0, 120, 11)))
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.findings) == (150, 30, [])


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
def test_another_body_under_the_same_id_is_rejected_and_the_first_stands(
    bench: Bench, *, together: bool
) -> None:
    bench.integration()
    first = an_event()
    other = an_event(id=str(first.id), title="Another")
    if together:
        bench.ingest(first, other)
    else:
        bench.ingest(first)
        bench.ingest(other)
        bench.ingest(other)
    assert [body["title"] for body in bench.bodies()] == ["Vulnerable version of nginx"]
    (row,) = bench.sql("SELECT reason, event_id FROM rejected")
    assert row["reason"].startswith(
        f"conflict: another event of client 1 with the id {first.id} was taken in"
    )
    assert str(row["event_id"]) == str(first.id)
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.matched, ledger.findings) == (2, 1, 1, [])


@pytest.mark.parametrize(
    ("seconds", "becomes"),
    [
        pytest.param(-86400 * 3650, "unmatched", id="ten years late"),
        pytest.param(299, "unmatched", id="almost 5 minutes ahead"),
        pytest.param(302, "ahead", id="over 5 minutes ahead"),
        pytest.param(86400 - 2, "ahead", id="almost 24 hours ahead"),
        pytest.param(86400 + 2, "rejected", id="over 24 hours ahead"),
    ],
)
def test_by_the_databases_clock_an_event_may_be_5_minutes_ahead_and_waits_for_a_day(
    bench: Bench, seconds: int, becomes: str
) -> None:
    at = bench.value("SELECT now()") + timedelta(seconds=seconds)
    routed = bench.ingest(replace(an_event(), occurred_at=at))
    became = {name: getattr(routed, name) for name in ("unmatched", "ahead", "rejected")}
    assert became == {**dict.fromkeys(became, 0), becomes: 1}
    if becomes == "rejected":
        reason = bench.value("SELECT reason FROM rejected")
        assert "is more than 24 hours ahead of the database's clock" in reason


def test_exactly_5_minutes_ahead_of_the_transactions_time_is_taken_in(bench: Bench) -> None:
    def work(tx: Transaction) -> Routed:
        just = replace(an_event(), occurred_at=tx.now + timedelta(minutes=5))
        over = replace(an_event(), occurred_at=just.occurred_at + timedelta(microseconds=1))
        return route(tx, [just, over], [], bench.ctx)

    routed = bench.store.transact(work)
    assert (routed.unmatched, routed.ahead) == (1, 1)


def test_a_rejection_is_listed_and_counted_once(bench: Bench) -> None:
    rejection = a_rejection()
    assert bench.ingest(rejections=[rejection, rejection]).rejected == 1
    assert bench.ingest(rejections=[rejection]).rejected == 0
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.findings) == (1, 1, [])


def test_what_was_too_early_is_taken_in_when_it_comes_again_in_time(bench: Bench) -> None:
    bench.integration()
    now = bench.value("SELECT now()")
    event = an_event(occurred_at=(now + timedelta(hours=25)).isoformat())
    assert bench.ingest(event).rejected == 1
    in_time = replace(event, occurred_at=now)
    routed = bench.ingest(in_time)
    assert (routed.matched, len(routed.pending)) == (1, 1)
    assert str(bench.value("SELECT resubmitted_as FROM rejected")) == str(event.id)
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.matched) == (1, 0, 1)
    assert ledger.findings == []
    assert bench.store.transact(lambda tx: tx.rejections(EVERY_CLIENT, Slice(None, 10))).items == []


def test_a_thousand_events_take_as_many_statements_as_one(bench: Bench) -> None:
    bench.integration()
    bench.ingest(an_event())
    with statements(bench) as for_one:
        bench.ingest(an_event())
    with statements(bench) as for_many:
        bench.ingest(*(an_event() for _ in range(1000)))
    assert len(for_many) == len(for_one) <= 8


def test_more_than_a_thousand_are_routed_in_slices(bench: Bench) -> None:
    results = ingest(bench.ctx, [an_event() for _ in range(2001)], [a_rejection()])
    assert [r.unmatched for r in results] == [1000, 1000, 1]
    assert [r.rejected for r in results] == [1, 0, 0]
    assert bench.ledger().findings == []


def test_an_empty_call_is_harmless(bench: Bench) -> None:
    assert bench.ingest().words == "0 events taken in, 0 notifications made"
    assert bench.ledger().received == 0


@pytest.mark.parametrize("number", [1, 2, 9])
def test_what_the_database_refuses_is_found_and_its_batch_is_taken_in(
    bench: Bench, number: int
) -> None:
    bench.integration()
    good = [an_event() for _ in range(number - 1)]
    poison = an_event(note="a\nb")
    half = len(good) // 2
    rejection = a_rejection()
    bench.sql("ALTER TABLE events ADD CONSTRAINT odd CHECK (body NOT LIKE '%note%')")
    try:
        results = ingest(bench.ctx, [*good[:half], poison, *good[half:]], [rejection])
    finally:
        bench.sql("ALTER TABLE events DROP CONSTRAINT odd")
    assert sum(r.matched for r in results) == number - 1
    assert sorted(bench.publisher.ids()) == sorted(n.id for r in results for n in r.pending)
    rows = bench.sql("SELECT reason, body_text FROM rejected WHERE event_id = :i", i=str(poison.id))
    assert rows[0]["reason"].startswith("The database refuses the data: ")
    assert '"note":"a\\nb"' in rows[0]["body_text"]
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.matched) == (number + 1, 2, number - 1)
    assert ledger.findings == []


def test_what_makes_too_many_notifications_for_one_transaction_is_routed_in_parts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallarm_notify.services.routing.MOST_NOTIFICATIONS", 5)
    for _ in range(3):
        bench.integration()
    results = ingest(bench.ctx, [an_event() for _ in range(8)], [a_rejection()])
    assert [len(r.pending) for r in results if r.pending] == [3] * 8
    assert bench.ledger().findings == []


def test_a_rejection_that_the_database_refuses_is_kept_plainly(bench: Bench) -> None:
    bench.ingest(rejections=[replace(a_rejection(), client_id=2**70)])
    (kept,) = bench.store.transact(lambda tx: tx.rejections(EVERY_CLIENT, Slice(None, 10))).items
    assert kept.client_id is None
    assert bench.ledger().rejected == 1


def test_concurrent_conflicts_leave_one_event_and_one_rejection(bench: Bench) -> None:
    shared = str(uuid4())
    bodies = [an_event(id=shared, title=f"Title {n}") for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(bench.ingest, bodies))
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.unmatched) == (4, 3, 1)
    assert ledger.findings == []


def test_words_say_what_became_of_a_call(bench: Bench) -> None:
    bench.integration()
    bench.integration(enabled=False)
    event = an_event()
    routed = bench.ingest(event, replace(event), an_attack(), rejections=[a_rejection()])
    assert routed.words == (
        "2 events taken in, 1 notification made, 1 skipped, 1 unmatched, 1 known already, 1 rejected"
    )


def test_origins_and_states_add_up_to_what_routing_made(bench: Bench) -> None:
    bench.integration()
    bench.integration(enabled=False)
    bench.ingest(*(an_event() for _ in range(5)))
    counts = Counter(
        {
            "made:card": 10, "received": 5, "matched": 5, "state:card:pending": 5,
            "state:card:skipped": 5,
            "event:security_issue.detected": 5, "matched:security_issue.detected": 5,
        }
    )  # fmt: skip
    rows = bench.sql("SELECT kind, sum(value) AS n FROM counts GROUP BY kind")
    assert Counter({r["kind"]: int(r["n"]) for r in rows}) == counts

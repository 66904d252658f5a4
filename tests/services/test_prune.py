from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from build import (
    RETENTION,
    Bench,
    FailingStore,
    a_rejection,
    an_answer,
    an_attack,
    an_attempt,
    an_event,
    an_event_for,
)
from meanwhile import beside, overlapping

from wallarm_notify.domain.errors import TooMuch
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.prune import SLICE, prune, prune_lag
from wallarm_notify.store.retention import passed_after

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PASSED = passed_after(RETENTION) + SECOND
"""After so long a pass comes to an event."""


@pytest.fixture(autouse=True)
def _slices_of_events_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallarm_notify.services.prune.EVENT_SLICE", SLICE)


def age(bench: Bench, by: timedelta = PASSED) -> None:
    """Make it as if everything had happened so much earlier."""
    bench.sql("UPDATE events SET received_at = received_at - :by", by=by)
    bench.sql("UPDATE rejected SET received_at = received_at - :by", by=by)
    bench.sql("UPDATE notifications SET finished_at = finished_at - :by", by=by)
    bench.sql("UPDATE attempts SET at = at - :by", by=by)
    bench.sql("UPDATE health_minutes SET minute = minute - :by", by=by)
    bench.sql("UPDATE prune_marks SET began_at = began_at - :by", by=by)


def left(bench: Bench) -> dict[str, int]:
    """Return how many rows each table has."""
    tables = ("events", "notifications", "attempts", "rejected")
    return {t: bench.value(f"SELECT count(*) FROM {t}") for t in tables}


def test_what_ended_before_the_retention_goes_with_all_that_was_made_of_it(bench: Bench) -> None:
    bench.integration()
    bench.integration(enabled=False)
    routed = bench.ingest(an_event(), an_attack(), rejections=[a_rejection()])
    bench.sent([n.id for n in routed.pending])
    before = bench.ledger()
    age(bench)
    done = bench.prune()
    assert (done.events, done.rejected) == (2, 1)
    assert done.words == "2 events deleted, 1 rejected ones"
    assert left(bench) == {"events": 0, "notifications": 0, "attempts": 0, "rejected": 0}
    after = bench.ledger()
    assert replace(after, checked_at=None) == before
    assert after.findings == []


@pytest.mark.parametrize(
    ("beyond", "goes"),
    [
        pytest.param(timedelta(0), False, id="exactly the retention"),
        pytest.param(timedelta(microseconds=1), True, id="a microsecond more"),
    ],
)
def test_retention_is_kept_to_the_microsecond(
    bench: Bench, beyond: timedelta, *, goes: bool
) -> None:
    bench.integration()
    bench.sent(bench.made())

    def work(tx: Any) -> int:
        tx._do("UPDATE events SET received_at = now() - interval '200 days'")
        tx._do("UPDATE notifications SET finished_at = now() - :age", age=RETENTION + beyond)
        pruned: int = tx.prune_events(RETENTION, 10).rows
        return pruned

    assert bench.store.transact(work) == int(goes)


def test_an_event_that_ends_within_the_hour_is_not_left_to_the_pass_of_the_next_day(
    bench: Bench,
) -> None:
    bench.integration()
    bench.sent(bench.made())
    bench.sql("UPDATE notifications SET finished_at = finished_at + interval '52 minutes'")
    age(bench, RETENTION + timedelta(minutes=50))
    assert bench.prune().events == 0
    age(bench, timedelta(minutes=5))
    assert bench.prune().events == 0
    age(bench, timedelta(minutes=5, seconds=1))
    assert bench.prune().events == 1


@pytest.mark.parametrize(
    ("retention", "passed"),
    [
        (RETENTION, RETENTION + HOUR),
        (DAY, DAY + HOUR),
        (timedelta(hours=12), timedelta(hours=12, minutes=30)),
        (timedelta(0), timedelta(0)),
    ],
)
def test_a_pass_comes_to_an_event_an_hour_after_its_retention_or_a_part_of_it(
    retention: timedelta, passed: timedelta
) -> None:
    assert passed_after(retention) == passed


def test_what_waits_is_never_pruned(bench: Bench) -> None:
    bench.integration()
    pending, retrying = bench.made(2)
    bench.sent([retrying], an_answer(500))
    bench.claim([pending])
    age(bench)
    assert bench.prune().events == 0
    assert left(bench)["notifications"] == 2


def test_an_event_stays_whole_while_one_of_its_notifications_waits(bench: Bench) -> None:
    bench.integration()
    bench.integration()
    done, _ = bench.made()
    bench.sent([done])
    age(bench)
    assert bench.prune().events == 0
    assert left(bench) == {"events": 1, "notifications": 2, "attempts": 1, "rejected": 0}
    assert bench.ledger().findings == []


def test_an_event_goes_when_its_last_notification_ended_long_enough_ago(bench: Bench) -> None:
    bench.integration()
    bench.integration()
    early, late = bench.made()
    bench.sent([early])
    age(bench)
    bench.sent([late])
    assert bench.prune().events == 0
    age(bench)
    assert bench.prune().events == 1


def test_one_that_is_replayed_survives_and_is_pruned_after_its_end(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made()
    bench.disable_integration(integration, user="Ann", reason="")
    bench.enable_integration(integration)
    age(bench)
    assert bench.replayed(*ids) == 1
    assert bench.prune().events == 1  # that of the disabling
    assert left(bench)["notifications"] == 1
    bench.sent(ids)
    age(bench)
    assert bench.prune().events == 1
    assert bench.ledger().findings == []


@pytest.mark.parametrize(
    ("installed", "setting", "kept"),
    [
        pytest.param("'7 days'", None, 7, id="new"),
        pytest.param("NULL", None, 90, id="from before there was a difference"),
        pytest.param("NULL", 7, 7, id="from before, and it is set"),
        pytest.param("'7 days'", 30, 30, id="new, and more is set"),
        pytest.param("'7 days'", 200, 90, id="no longer than the others"),
    ],
)
def test_unmatched_events_go_by_when_they_came(
    bench: Bench, installed: str, setting: int | None, kept: int
) -> None:
    bench.integration()  # with the first key the installation has a row
    bench.sql(f"UPDATE installation SET unmatched_retention = {installed}")
    bench.ctx = replace(
        bench.ctx,
        settings=replace(
            bench.ctx.settings, unmatched_retention=None if setting is None else setting * DAY
        ),
    )
    bench.ingest(an_attack())
    age(bench, kept * DAY - timedelta(minutes=1))
    assert bench.prune().events == 0
    age(bench, timedelta(minutes=2))
    assert bench.prune().events == 1
    assert bench.ledger().findings == []


def test_an_installation_without_any_key_is_new(bench: Bench) -> None:
    bench.sql("DELETE FROM installation")
    bench.ingest(an_attack())
    age(bench, 7 * DAY + SECOND)
    assert bench.prune().events == 1


def test_what_a_trigger_counted_is_kept_as_long_as_what_was_notified(bench: Bench) -> None:
    target = bench.integration(subscribe=())
    bench.trigger(target, threshold="5 in 1h")
    bench.ingest(an_event_for("attacks_exceeded"), an_event_for("incidents_exceeded"))
    age(bench, 8 * DAY)
    assert bench.prune().events == 1 + 1  # that of the trigger
    assert bench.value("SELECT type FROM events") == "attack.detected"
    age(bench)
    assert bench.prune().events == 1
    assert bench.ledger().findings == []


def test_what_a_firing_names_lives_as_long_as_the_firing(bench: Bench) -> None:
    target = bench.integration(subscribe=())
    trigger = bench.trigger(target, threshold="2 in 1h")
    counted = [an_event_for("attacks_exceeded") for _ in range(3)]
    for event in counted:
        bench.ingest(event)
    (firing,) = bench.firings(trigger)
    assert {e.id for e in counted} == set(firing.event_ids)
    age(bench)
    assert bench.prune().events == 1  # that of the trigger
    assert left(bench)["events"] == 3  # the firing's notification waits
    bench.sent([n["id"] for n in bench.sql("SELECT id FROM notifications")])
    age(bench)
    assert bench.prune().events == 1
    assert bench.value("SELECT count(*) FROM firings") == 0
    age(bench, DAY)
    assert bench.prune().events == 2
    assert left(bench)["events"] == 0
    assert bench.ledger().findings == []


def test_what_survived_a_pass_is_looked_at_again_by_that_of_the_next_day(bench: Bench) -> None:
    bench.integration()
    waiting, done = bench.made(2)
    bench.sent([done])
    age(bench)
    assert bench.prune().events == 1
    bench.sent([waiting])
    bench.sql("UPDATE notifications SET finished_at = finished_at - :by", by=RETENTION + SECOND)
    assert bench.prune().events == 0
    bench.sql("UPDATE prune_marks SET began_at = began_at - interval '1 day'")
    assert bench.prune().events == 1


@pytest.mark.parametrize("ahead", [1, SLICE + 1])
def test_events_whose_time_is_ahead_keep_no_later_one_from_going(bench: Bench, ahead: int) -> None:
    bench.ingest(*(an_attack() for _ in range(ahead)))
    bench.sql("UPDATE events SET received_at = now() + interval '1 year'")
    bench.ingest(*(an_attack() for _ in range(2)))
    age(bench)
    bench.sql("UPDATE events SET received_at = now() WHERE received_at > now()")
    assert bench.prune().events == 2
    assert left(bench)["events"] == ahead


def test_a_mark_from_a_time_to_come_does_not_keep_a_pass_from_beginning(bench: Bench) -> None:
    bench.ingest(an_attack())
    age(bench)
    bench.prune()
    bench.ingest(an_attack())
    bench.sql("UPDATE prune_marks SET after_no = 4711")
    age(bench)
    bench.sql("UPDATE prune_marks SET began_at = now() + interval '1 year'")
    assert bench.prune().events == 0
    bench.sql("UPDATE prune_marks SET began_at = began_at - interval '1 day'")
    assert bench.prune().events == 1


def test_the_lag_is_how_long_the_oldest_event_is_past_its_retention(bench: Bench) -> None:
    def lag() -> timedelta:
        found: timedelta = bench.store.transact(lambda tx: prune_lag(tx, bench.ctx.settings))
        return found

    assert lag() == timedelta()
    bench.integration()
    bench.sent(bench.made())
    assert lag() == timedelta()
    age(bench, RETENTION + timedelta(hours=1))
    assert timedelta(hours=1) <= lag() - (RETENTION - 7 * DAY) < timedelta(hours=1, minutes=1)
    bench.prune()
    assert lag() == timedelta()


def test_a_rejection_that_was_readmitted_is_pruned_without_being_counted_twice(
    bench: Bench,
) -> None:
    rejection = a_rejection()
    bench.ingest(rejections=[rejection, a_rejection()])
    (first, _) = (row["id"] for row in bench.sql("SELECT id FROM rejected ORDER BY id"))
    bench.resubmit_event(first, an_event())
    age(bench)
    assert bench.prune().rejected == 2
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.findings) == (2, 1, [])


def test_undecodable_messages_go_too(bench: Bench) -> None:
    for _ in range(2):
        bench.store.transact(lambda tx: tx.store_undecodable("no JSON", "text/plain", b"\xff\0"))
    bench.sql(
        "UPDATE undecodable SET received_at = now() - interval '91 days' "
        "WHERE id = (SELECT min(id) FROM undecodable)"
    )
    bench.prune()
    assert bench.store.transact(lambda tx: tx.undecodable_count(EVERY_CLIENT)) == 1


def test_prune_works_in_slices_to_the_end(bench: Bench) -> None:
    bench.ingest(*(an_attack() for _ in range(2 * SLICE + 1)))
    age(bench)
    assert bench.prune(timedelta(minutes=1)).events == 2 * SLICE + 1
    assert bench.ledger().findings == []


def test_a_run_whose_time_is_up_has_deleted_a_slice_of_each_kind_and_the_next_goes_on(
    bench: Bench,
) -> None:
    bench.ingest(
        *(an_attack() for _ in range(2 * SLICE + 1)),  # by either pass
        rejections=[a_rejection(risk=str(n)) for n in range(SLICE + 1)],
    )
    age(bench)
    first, second = bench.prune(timedelta(0)), bench.prune(timedelta(0))
    assert (first.events, first.rejected) == (2 * SLICE, SLICE)
    assert first.words == f"{2 * SLICE} events deleted, {SLICE} rejected ones, more is left"
    assert (second.events, second.rejected) == (1, 1)
    assert left(bench) == {"events": 0, "notifications": 0, "attempts": 0, "rejected": 0}
    assert bench.ledger().findings == []


def test_a_run_too_soon_after_the_last_one_ends_at_once(bench: Bench) -> None:
    assert bench.prune().ran
    again = prune(bench.ctx)
    assert not again.ran
    assert again.words == "another run was there first"


def test_how_soon_is_too_soon_is_a_setting(bench: Bench) -> None:
    assert bench.prune().ran
    again = {}
    for hours in (1, 0):
        settings = replace(bench.ctx.settings, prune_interval=timedelta(hours=hours))
        again[hours] = prune(replace(bench.ctx, settings=settings)).ran
    assert again == {1: False, 0: True}


def test_a_slice_is_of_few_events_where_each_has_many_notifications(bench: Bench) -> None:
    for _ in range(SLICE // 2):
        bench.integration(enabled=False)
    bench.ingest(*(an_event() for _ in range(5)))
    age(bench)
    assert bench.prune(timedelta(0)).events == 2
    assert bench.prune(timedelta(minutes=1)).events == 3
    assert bench.ledger().findings == []


def test_a_slice_is_of_one_event_where_that_has_more_notifications(bench: Bench) -> None:
    for _ in range(SLICE + 1):
        bench.integration(enabled=False)
    bench.ingest(an_event(), an_event())
    age(bench)
    assert bench.prune(timedelta(0)).events == 1
    assert bench.prune(timedelta(0)).events == 1
    assert left(bench)["notifications"] == 0


def test_a_kind_that_takes_too_long_does_not_keep_the_others_waiting(bench: Bench) -> None:
    bench.integration(enabled=False)
    bench.ingest(an_event(), rejections=[a_rejection()])
    age(bench)
    bench.sql("DELETE FROM upkeep_runs")
    store = FailingStore(bench.store, "prune_events", TooMuch("it took more than 10 s"))
    done = prune(replace(bench.ctx, store=store))
    assert (done.events, done.rejected) == (0, 1)
    assert store.asked


def test_while_a_run_is_at_work_no_other_one_begins_and_none_goes_on_beside_it(
    bench: Bench,
) -> None:
    bench.ingest(an_attack())
    age(bench)
    bench.prune(timedelta(0))
    bench.sql("UPDATE upkeep_runs SET began_at = now() - interval '1 hour'")

    def beside(tx: Any) -> tuple[bool, bool, bool]:
        return (
            tx.goes_on("prune"),
            bench.store.transact(lambda other: other.may_run("prune", timedelta(0))),
            bench.store.transact(lambda other: other.goes_on("prune")),
        )

    assert bench.store.transact(beside) == (True, False, False)
    # It counts from its last slice.
    assert not bench.store.transact(lambda tx: tx.may_run("prune", timedelta(seconds=4)))


# Against replays.


def cancelled_long_ago(bench: Bench, events: int) -> list[int]:
    """Make so many events, each delivered to one integration and cancelled for another after a failure.

    Returns the cancelled notifications.
    """
    broken, other = bench.integration(), bench.integration()
    made = bench.ingest(*(an_event() for _ in range(events))).pending
    ids = [n.id for n in made if n.integration_id == broken]
    bench.sent(n.id for n in made if n.integration_id == other)
    bench.sent(ids, an_answer(500))
    bench.disable_integration(broken, user="Ann", reason="")
    bench.enable_integration(broken)
    age(bench)
    bench.publisher.taken()
    assert bench.states() == {"delivered": events, "cancelled": events}
    return ids


def check_it_is_left_whole_and_goes_later(bench: Bench, replayed: int) -> None:
    """Check that of the events of ``cancelled_long_ago`` only the replayed one is there, and goes later."""
    assert left(bench) == {"events": 1, "notifications": 2, "attempts": 2, "rejected": 0}
    assert bench.ledger().findings == []
    bench.sent([replayed])
    assert bench.states() == {"delivered": 2}
    assert bench.prune().events == 0
    age(bench)
    assert bench.prune().events == 1
    assert left(bench) == {"events": 0, "notifications": 0, "attempts": 0, "rejected": 0}
    assert bench.ledger().findings == []


def test_a_replay_that_is_under_way_is_waited_for_and_keeps_its_event(bench: Bench) -> None:
    _, again, _ = cancelled_long_ago(bench, 3)
    done = overlapping(bench, lambda first: first.replay_notifications([again]), bench.prune)
    assert done.events == 2 + 1  # that of the disabling
    assert bench.publisher.ids() == [again]
    check_it_is_left_whole_and_goes_later(bench, again)


def test_what_another_transaction_holds_is_left_to_the_next_run(bench: Bench) -> None:
    bench.ingest(an_attack(), rejections=[a_rejection()])
    bench.ingest(an_attack(), rejections=[a_rejection(risk="x")])
    age(bench)

    def hold(tx: Any) -> None:
        tx.lock_rejected(EVERY_CLIENT, bench.value("SELECT min(id) FROM rejected"))

    done = beside(bench, hold, bench.prune)
    assert (done.events, done.rejected) == (2, 1)
    done = bench.prune()
    assert (done.events, done.rejected) == (0, 1)
    assert bench.ledger().findings == []


def test_a_chain_of_firings_that_name_each_others_events_ends_with_its_retention(
    bench: Bench,
) -> None:
    target = bench.integration(subscribe=())
    first = bench.trigger(target, threshold="1 in 1h")
    second = bench.trigger(target, threshold="2 in 1h")
    for _ in range(9):
        bench.ingest(an_event_for("attacks_exceeded"))
    assert len(bench.firings(first)) + len(bench.firings(second)) >= 2
    bench.sent([n["id"] for n in bench.sql("SELECT id FROM notifications")])
    age(bench)
    bench.sql("UPDATE firings SET fired_at = fired_at - :by", by=RETENTION + SECOND)
    bench.prune()
    assert left(bench)["events"] == 0
    assert bench.ledger().findings == []


def test_a_late_answer_to_what_was_pruned_is_forgotten(bench: Bench) -> None:
    bench.integration()
    (notification_id,) = bench.made()
    late = bench.claim([notification_id])
    bench.sql("UPDATE notifications SET lease_until = now(), recheck_at = now()")
    bench.sent([notification_id])
    age(bench)
    assert bench.prune().events == 1
    bench.record([an_attempt(late.sendings[0], late, an_answer(500))])
    assert left(bench)["attempts"] == 0
    assert bench.ledger().findings == []


def test_a_late_answer_that_is_waited_for_goes_with_its_notification(bench: Bench) -> None:
    bench.integration()
    (notification_id,) = bench.made()
    late = bench.claim([notification_id])
    bench.sql("UPDATE notifications SET lease_until = now(), recheck_at = now()")
    bench.sent([notification_id])
    age(bench)
    attempt = an_attempt(late.sendings[0], late, an_answer(500))
    done = overlapping(bench, lambda first: first.record([attempt]), bench.prune)
    assert done.events == 1
    assert left(bench)["attempts"] == 0

"""The database's clock is set back: what waits by it is moved along, once, and nothing else is (spec 7).

Stored times are moved ahead in place of the clock, by transactions before the one in which SWEEP last saw it.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import DOWN, GRACE, LEASE, NOON, Bench, a_key, an_attempt
from meanwhile import EndingWith, overlapping

from wallarm_notify.domain.clock import set_back_by
from wallarm_notify.domain.sending import Claim
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.services.follow_clock import _notice, follow_clock
from wallarm_notify.services.record import write_down
from wallarm_notify.services.sweep import sweep as run_sweep
from wallarm_notify.store.connection import MovedMeanwhile

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.notification import Notification

HOUR = timedelta(hours=1)
TEN_MINUTES = timedelta(minutes=10)
CLOSE = timedelta(seconds=3)
"""How far times may differ: by what a test takes, and by whole seconds."""


def set_back(bench: Bench, by: timedelta, *, seen_by_sweep: bool = True) -> None:
    """Make it as if the clock were set back now. ``seen_by_sweep``: SWEEP had noted the time before."""
    if not seen_by_sweep:
        mark_clock(bench, by)
    bench.sql(
        """UPDATE notifications SET created_at = created_at + :by, due_at = due_at + :by,
           lease_until = lease_until + :by, recheck_at = recheck_at + :by, finished_at = finished_at + :by""",
        by=by,
    )
    bench.sql("UPDATE attempts SET at = at + :by", by=by)
    bench.sql("UPDATE integrations SET bulkhead_until = bulkhead_until + :by", by=by)
    if seen_by_sweep:
        mark_clock(bench, by)


def mark_clock(bench: Bench, by: timedelta) -> None:
    bench.sql(
        """INSERT INTO upkeep_runs (name, began_at, transaction_id)
           VALUES ('clock', clock_timestamp() + :by, txid_current())
           ON CONFLICT (name) DO UPDATE SET began_at = excluded.began_at,
               transaction_id = excluded.transaction_id""",
        by=by,
    )


def retrying(bench: Bench, wait: timedelta = timedelta(minutes=5)) -> int:
    """Return a notification that failed and is to be sent again after ``wait``."""
    (number,) = bench.made()
    bench.sent([number], DOWN)
    bench.sql(
        "UPDATE notifications SET due_at = now() + :wait, recheck_at = now() + :wait + :grace",
        wait=wait,
        grace=GRACE,
    )
    return number


def is_as(one: Notification, other: Notification) -> bool:
    """Return whether both wait for as long."""
    pairs = [
        (one.due_at, other.due_at),
        (one.recheck_at, other.recheck_at),
        (one.lease_until, other.lease_until),
    ]
    return all(a == b or (a and b and abs(a - b) < CLOSE) for a, b in pairs)


@pytest.mark.parametrize("by", [TEN_MINUTES, HOUR], ids=str)
@pytest.mark.parametrize("seen_by_sweep", [True, False], ids=["long before", "just before"])
def test_a_retry_keeps_its_wait(bench: Bench, by: timedelta, *, seen_by_sweep: bool) -> None:
    bench.integration()
    number = retrying(bench, wait=timedelta(minutes=30))
    before = bench.notification(number)
    set_back(bench, by, seen_by_sweep=seen_by_sweep)
    assert follow_clock(bench.ctx) == 1
    assert is_as(bench.notification(number), before)
    assert follow_clock(bench.ctx) == 0


@pytest.mark.parametrize("seen_by_sweep", [True, False], ids=["long before", "just before"])
def test_what_a_dead_worker_holds_is_free_when_its_lease_was_to_end(
    bench: Bench, *, seen_by_sweep: bool
) -> None:
    bench.integration()
    ids = bench.made(3)
    bench.claim(ids)
    set_back(bench, HOUR, seen_by_sweep=seen_by_sweep)
    follow_clock(bench.ctx)
    for number in ids:
        row = bench.notification(number)
        now = bench.value("SELECT now()")
        assert row.lease_until is not None
        assert row.recheck_at is not None
        assert now < row.lease_until <= now + LEASE
        assert row.recheck_at <= now + LEASE
        assert row.due_at <= now


def test_what_was_made_and_not_published_is_published(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(3)
    bench.publisher.taken()
    set_back(bench, HOUR)
    run_sweep(bench.ctx)
    assert all(bench.notification(i).due_at <= bench.value("SELECT now()") + CLOSE for i in ids)
    bench.sql(
        "UPDATE notifications SET due_at = due_at - :grace, recheck_at = recheck_at - :grace",
        grace=GRACE + CLOSE,
    )
    bench.sql(
        "UPDATE upkeep_runs SET began_at = began_at - interval '1 minute' WHERE name = 'sweep'"
    )
    run_sweep(bench.ctx)
    assert bench.publisher.ids() == ids


def test_what_was_written_after_the_jump_is_left_alone(bench: Bench) -> None:
    bench.integration()
    old = retrying(bench)
    set_back(bench, HOUR)
    failed, claimed, new = bench.made(3)
    bench.sent([failed], DOWN)
    bench.claim([claimed])
    before = {i: bench.notification(i) for i in (failed, claimed, new)}
    assert follow_clock(bench.ctx) == 1
    assert {i: bench.notification(i) for i in before} == before
    later = bench.notification(old)
    again = bench.made(1)
    bench.sent(again, DOWN)
    follow_clock(bench.ctx)
    assert bench.notification(old) == later


def test_waits_of_an_hour_that_are_right_are_not_shortened(bench: Bench) -> None:
    """Grants may be reserved for later than the jump; what was attempted after it keeps its wait."""
    bench.integration()
    set_back(bench, HOUR)
    number = retrying(bench, wait=timedelta(hours=2))
    before = bench.notification(number)
    follow_clock(bench.ctx)
    assert bench.notification(number) == before


@pytest.mark.parametrize("seconds", [0, 1, 59])
def test_by_less_than_a_minute_nothing_is_moved(bench: Bench, seconds: int) -> None:
    bench.integration()
    number = retrying(bench)
    set_back(bench, timedelta(seconds=seconds))
    before = bench.notification(number)
    assert follow_clock(bench.ctx) == 0
    assert bench.notification(number) == before
    assert bench.value("SELECT count(*) FROM clock_jumps") == 0


def test_a_clock_that_goes_on_is_noted_each_time(bench: Bench) -> None:
    follow_clock(bench.ctx)
    first = bench.value("SELECT began_at FROM upkeep_runs WHERE name = 'clock'")
    follow_clock(bench.ctx)
    assert bench.value("SELECT began_at FROM upkeep_runs WHERE name = 'clock'") > first
    assert bench.value("SELECT count(*) FROM clock_jumps") == 0


class Killed(BaseException):
    """An error that no code of ours expects."""


@pytest.mark.parametrize("after", range(1, 6))
def test_a_run_that_is_killed_is_gone_on_with_and_moves_nothing_twice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr("wallarm_notify.services.follow_clock.SLICE", 3)
    bench.integration()
    ids = [retrying(bench) for _ in range(8)]
    bench.sql("UPDATE notifications SET recheck_at = recheck_at + id * interval '1 second'")
    before = {i: bench.notification(i) for i in ids}
    set_back(bench, HOUR)
    transactions = 0
    transact = bench.store.transact

    def until_killed(work: Callable[[Any], Any]) -> Any:
        nonlocal transactions
        transactions += 1
        if transactions > after:
            raise Killed
        return transact(work)

    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "transact", until_killed)
        with pytest.raises(Killed):
            follow_clock(bench.ctx)
    follow_clock(bench.ctx)
    assert all(is_as(bench.notification(i), before[i]) for i in ids)
    assert bench.value("SELECT count(*) FROM clock_jumps WHERE mended_at IS NOT NULL") == 1


def test_runs_at_once_move_each_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallarm_notify.services.follow_clock.SLICE", 3)
    bench.integration()
    ids = [retrying(bench) for _ in range(20)]
    before = {i: bench.notification(i) for i in ids}
    set_back(bench, HOUR)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: follow_clock(bench.ctx), range(4))) == len(ids)
    assert all(is_as(bench.notification(i), before[i]) for i in ids)
    assert bench.value("SELECT count(*) FROM clock_jumps") == 1


def test_what_is_recorded_in_that_moment_is_left_as_it_is_written(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(2)
    claim = bench.claim(ids)
    set_back(bench, HOUR)
    attempts = [an_attempt(s, claim, DOWN) for s in claim.sendings]
    overlapping(bench, lambda held: held.record(attempts), lambda: follow_clock(bench.ctx))
    now = bench.value("SELECT now()")
    for i in ids:
        row = bench.notification(i)
        assert timedelta(seconds=-10) < row.due_at - now <= timedelta(seconds=1.2)
        assert row.lease_until is None


def test_the_wait_after_a_request_that_was_under_way_counts_from_its_record(bench: Bench) -> None:
    bench.integration()
    ids = bench.made()
    claim = bench.claim(ids)
    early = Claim(claim.now + HOUR, claim.began, claim.sendings)
    bench.record([an_attempt(s, early, DOWN) for s in claim.sendings])
    now = bench.value("SELECT now()")
    assert bench.notification(ids[0]).due_at <= now + timedelta(seconds=1)
    assert bench.value("SELECT at FROM attempts") <= now
    assert bench.ledger().findings == []


def test_a_second_jump_moves_along_what_the_first_had_moved(bench: Bench) -> None:
    bench.integration()
    number = retrying(bench, wait=timedelta(minutes=20))
    before = bench.notification(number)
    for by in (TEN_MINUTES, HOUR):
        set_back(bench, by)
        follow_clock(bench.ctx)
    assert is_as(bench.notification(number), before)


def test_what_a_transaction_wrote_that_had_begun_before_the_jump_is_mended_too(
    bench: Bench,
) -> None:
    bench.integration()
    slow = bench.integration(client_id=2)
    set_back(bench, HOUR)
    follow_clock(bench.ctx)
    new, held = bench.made(2)
    bench.claim([held])
    bench.sql(
        """UPDATE notifications SET created_at = created_at + :by, due_at = due_at + :by,
           lease_until = lease_until + :by, recheck_at = recheck_at + :by""",
        by=HOUR,
    )
    bench.sql("UPDATE notifications SET due_at = created_at WHERE id = :id", id=new)
    bench.sql(
        "UPDATE integrations SET bulkhead_until = now() + :by WHERE id = :id", by=HOUR, id=slow
    )
    assert follow_clock(bench.ctx) == 2
    now = bench.value("SELECT now()")
    rows = [bench.notification(i) for i in (new, held)]
    assert all(
        row.due_at <= now and row.recheck_at and row.recheck_at <= now + LEASE for row in rows
    )
    assert bench.value("SELECT max(bulkhead_until) FROM integrations") <= now + LEASE
    assert follow_clock(bench.ctx) == 0


@pytest.mark.parametrize("noticed", [False, True], ids=["before", "after"])
def test_what_its_message_carries_on_before_it_is_moved_is_moved_all_the_same(
    bench: Bench, *, noticed: bool
) -> None:
    """Carrying it on writes the row, whose times are from before the jump."""
    bench.integration()
    number = retrying(bench)
    bench.sql("UPDATE attempts SET at = at - interval '25 minutes'")
    before = bench.notification(number)
    set_back(bench, TEN_MINUTES)
    if noticed:
        bench.store.transact(_notice)
    bench.claim([number])
    assert len(bench.publisher.taken()) >= 1
    assert follow_clock(bench.ctx) == 1
    assert is_as(bench.notification(number), before)
    link = bench.notification(number).link
    bench.claim([number])
    assert bench.notification(number).link == link + 1


def test_the_same_message_twice_goes_on_once_when_the_clock_is_followed(bench: Bench) -> None:
    bench.integration()
    number = retrying(bench)
    set_back(bench, TEN_MINUTES)
    bench.store.transact(_notice)
    bench.publisher.taken()
    link = bench.notification(number).link
    for _ in range(2):
        bench.claim([number], [link])
    twice = bench.publisher.taken()
    assert len(twice) == 2
    follow_clock(bench.ctx)
    for message in twice:
        bench.claim(message.ids, message.links)
    assert len(bench.publisher.taken()) == 1


def test_a_record_that_had_begun_before_the_jump_and_ends_when_it_is_mended(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(2)
    claim = bench.claim(ids)
    set_back(bench, HOUR)
    follow_clock(bench.ctx)
    early = Claim(claim.now + HOUR, claim.began, claim.sendings)

    def recorded_by_the_clock_from_before(tx: Any) -> None:
        vars(tx)["now"] = tx.now + HOUR
        write_down(tx, [an_attempt(s, early, DOWN) for s in claim.sendings], bench.ctx.settings)

    bench.store.transact(recorded_by_the_clock_from_before)
    assert follow_clock(bench.ctx) == 2
    now = bench.value("SELECT now()")
    rows = [bench.notification(i) for i in ids]
    assert all(
        timedelta() < row.due_at - now + CLOSE <= timedelta(seconds=1) + CLOSE for row in rows
    )
    assert all(row.recheck_at and row.recheck_at <= now + GRACE + CLOSE for row in rows)
    assert follow_clock(bench.ctx) == 0


def test_a_second_jump_before_all_is_moved_for_the_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.integration()
    number = retrying(bench, wait=timedelta(minutes=30))
    before = bench.notification(number)
    set_back(bench, HOUR + TEN_MINUTES)
    bench.sql(
        """INSERT INTO clock_jumps (back, written_before, noticed_in)
           SELECT :by, transaction_id, txid_current() FROM upkeep_runs WHERE name = 'clock'""",
        by=HOUR,
    )
    mark_clock(bench, TEN_MINUTES)
    with monkeypatch.context() as patch:
        patch.setattr("wallarm_notify.services.follow_clock.WORKS_FOR", -1.0)
        assert follow_clock(bench.ctx) == 0
    assert bench.value("SELECT count(*) FROM clock_jumps WHERE mended_at IS NULL") == 2
    assert follow_clock(bench.ctx) == 1
    assert is_as(bench.notification(number), before)
    assert bench.value("SELECT count(*) FROM clock_jumps WHERE mended_at IS NULL") == 0


def test_a_call_set_aside_is_tried_again_when_it_was_to_be(bench: Bench) -> None:
    call = TriedCall(digest=b"1", content_type="", content_encoding="", headers="{}", body=b"[]")
    bench.store.transact(lambda tx: tx.set_aside(call, deaths=3, again_in=HOUR))
    bench.sql("UPDATE quarantine SET retry_at = retry_at + :by", by=TEN_MINUTES)
    set_back(bench, TEN_MINUTES)
    for _ in range(2):
        follow_clock(bench.ctx)
        wait = bench.value("SELECT retry_at - now() FROM quarantine")
        assert HOUR - CLOSE < wait <= HOUR + CLOSE


@pytest.mark.parametrize("by", [TEN_MINUTES, HOUR], ids=str)
def test_a_key_that_has_used_its_grants_has_new_ones_within_a_minute(
    bench: Bench, by: timedelta
) -> None:
    key = a_key()
    bench.integration(key)
    bench.sent(bench.made(100))
    grants_from_before(bench, by)
    ids = bench.made(30, risk="critical")
    claim = bench.claim(ids)
    assert claim.sendings == ()
    waits = [bench.notification(i).due_at - claim.now for i in ids]
    assert max(waits) <= timedelta(seconds=63)


def grants_from_before(bench: Bench, by: timedelta) -> None:
    """Set all grants as if they were taken by the clock from before."""
    for name in ("sent", "0", "1", "2", "3", "4"):
        bench.sql(
            """UPDATE rate_limits SET grants = jsonb_set(grants, ARRAY[:name], (
                   SELECT jsonb_agg(jsonb_build_array((t ->> 0)::float + :seconds, t -> 1))
                   FROM jsonb_array_elements(grants -> :name) t))
               WHERE jsonb_array_length(grants -> :name) > 0""",
            name=name,
            seconds=by.total_seconds(),
        )
    bench.sql("UPDATE rate_limits SET touched_at = touched_at + :by", by=by)


def test_grants_and_who_they_are_reserved_to_are_moved_along_together(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(130)
    bench.claim(ids)
    (before,) = bench.sql("SELECT grants FROM rate_limits")
    grants_from_before(bench, HOUR)
    set_back(bench, HOUR)
    assert follow_clock(bench.ctx) >= 130
    (after,) = bench.sql("SELECT grants FROM rate_limits")
    (moved,) = {
        round(now[0] - then[0], 3)
        for name in before["grants"]
        for then, now in zip(before["grants"][name], after["grants"][name], strict=True)
    }
    assert 0 <= moved <= CLOSE.total_seconds()
    reserved = {at for at, _ in after["grants"]["2"]}
    waiting = [n for n in map(bench.notification, ids) if n.lease_until is None]
    assert {n.due_at.timestamp() for n in waiting} == reserved
    follow_clock(bench.ctx)
    assert bench.sql("SELECT grants FROM rate_limits") == [after]


@pytest.mark.parametrize(
    ("seconds", "back"),
    [(-3600, None), (0, None), (59.9, None), (60.0, 60), (60.9, 60), (3600.5, 3600)],
)
def test_a_clock_is_set_back_by_whole_seconds_from_a_minute_on(
    seconds: float, back: int | None
) -> None:
    latest: datetime = NOON + timedelta(seconds=seconds)
    assert set_back_by(latest, NOON) == (None if back is None else timedelta(seconds=back))


def test_a_jump_is_logged_once_however_often_its_transactions_are_run(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.integration()
    retrying(bench)
    set_back(bench, HOUR)

    def once(tx: Any) -> None:
        if tx.run == 1:
            raise MovedMeanwhile

    over: Any = EndingWith(bench.store, once)
    with caplog.at_level(logging.INFO):
        assert follow_clock(replace(bench.ctx, store=over)) == 1
    assert [r.message for r in caplog.records] == [
        "database.clock_set_back",
        "database.clock_followed",
    ]

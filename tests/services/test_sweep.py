from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import (
    COUNT_STATES_ANEW,
    Bench,
    a_key,
    an_answer,
    an_attempt,
    an_integration_draft,
)
from meanwhile import beside

from wallarm_notify.domain.integration import IntegrationChange
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.overdue import AT_ONCE, FEW, Share
from wallarm_notify.services.sweep import LONG_QUEUE, Swept, recheck
from wallarm_notify.services.sweep import sweep as run_sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.notification import Notification


def sweep(bench: Bench) -> Swept:
    """Do one run, whenever the last one was."""
    bench.sql("DELETE FROM upkeep_runs")
    bench.publisher.taken()
    return run_sweep(bench.ctx)


def overdue(bench: Bench, number: int) -> list[int]:
    """Return so many notifications for which no message was published."""
    ids = bench.made(number)
    bench.sql("UPDATE notifications SET recheck_at = now()")
    return ids


def pause(n: Notification, bench: Bench) -> float:
    """Return how long from now SWEEP leaves it alone."""
    assert n.recheck_at is not None
    seconds: float = (n.recheck_at - bench.value("SELECT now()")).total_seconds()
    return seconds


def test_sweep_publishes_for_what_is_overdue_and_for_nothing_else(bench: Bench) -> None:
    bench.integration()
    late, early = bench.made(2)
    bench.sql("UPDATE notifications SET recheck_at = now() WHERE id = :i", i=late)
    assert sweep(bench) == Swept(published=1)
    assert bench.publisher.ids() == [late]
    assert bench.notification(early).rechecks == 0
    assert bench.ledger().findings == []


def test_sweep_publishes_again_after_15_30_and_every_40_seconds_and_a_claim_starts_anew(
    bench: Bench,
) -> None:
    bench.integration()
    (made,) = bench.made()
    pauses = []
    for _ in range(5):
        bench.sql("UPDATE notifications SET recheck_at = now()")
        assert sweep(bench).published == 1
        pauses.append(pause(bench.notification(made), bench))
    assert pauses == pytest.approx([15, 30, 40, 40, 40], abs=1)
    bench.claim([made])
    bench.end_leases()
    bench.sql("UPDATE notifications SET recheck_at = now()")
    sweep(bench)
    assert pause(bench.notification(made), bench) == pytest.approx(15, abs=1)


def test_sweep_leaves_what_a_worker_has_and_publishes_when_its_lease_is_over(
    bench: Bench,
) -> None:
    bench.integration()
    ids = bench.made()
    bench.claim(ids)
    assert sweep(bench).published == 0
    bench.sql("UPDATE notifications SET recheck_at = now(), lease_until = now()")
    assert sweep(bench).published == 1
    assert len(bench.claim(ids).sendings) == 1


def test_sweep_leaves_what_is_not_due(bench: Bench) -> None:
    bench.integration()
    bench.sent(bench.made(), an_answer(429, retry_after=timedelta(minutes=30)))
    assert sweep(bench).published == 0


def test_the_longest_overdue_come_first(bench: Bench) -> None:
    bench.integration()
    one, two, three = bench.made(3)
    for seconds, i in ((10, one), (30, two), (20, three)):
        bench.sql(
            "UPDATE notifications SET recheck_at = now() - :s WHERE id = :i",
            s=timedelta(seconds=seconds),
            i=i,
        )
    sweep(bench)
    assert bench.publisher.ids() == [two, three, one]


@pytest.mark.parametrize(
    ("first", "retries", "published"),
    [
        (0, 0, "both"),
        (LONG_QUEUE - 1, LONG_QUEUE - 1, "both"),
        (LONG_QUEUE, 0, "retries"),
        (0, LONG_QUEUE, "first"),
        (LONG_QUEUE, LONG_QUEUE, "none"),
        (None, 0, "retries"),
        (None, None, "none"),
    ],
)
def test_sweep_publishes_nothing_into_a_queue_that_is_long_or_not_known(
    bench: Bench, first: int | None, retries: int | None, published: str
) -> None:
    bench.integration()
    new, retry = bench.made(2)
    bench.sent([retry], an_answer(500))
    bench.sql("UPDATE notifications SET recheck_at = now()")
    bench.publisher.length_of = {True: first, False: retries}
    wanted = {"both": {new, retry}, "first": {new}, "retries": {retry}, "none": set[int]()}[
        published
    ]
    assert sweep(bench).published == len(wanted)
    assert set(bench.publisher.ids()) == wanted


LATE = "UPDATE notifications SET due_at = now() - interval '1 minute', recheck_at = now()"


def test_what_is_overdue_by_a_minute_is_published_for_however_long_the_queue_is_a_few_at_a_time(
    bench: Bench,
) -> None:
    bench.integration()
    ids = bench.made(2 * FEW + 10)
    bench.sql(LATE)
    bench.publisher.length_of = {True: 100_000, False: None}
    found = [sweep(bench).published for _ in range(4)]
    assert found == [FEW, FEW, 10, 0]
    rechecks = [bench.notification(i).rechecks for i in ids]
    assert rechecks == [1] * len(ids)
    # Rung for, they are left alone like all others.
    bench.sql("UPDATE notifications SET recheck_at = now()")
    assert sweep(bench).published == FEW


def test_in_a_long_queue_a_backlog_keeps_no_lost_message_of_another_from_being_published_for(
    bench: Bench,
) -> None:
    busy = [bench.integration(client_id=2) for _ in range(3)]
    bench.made(300, client_id=2)
    bench.sql("UPDATE notifications SET due_at = now() - interval '1 h', recheck_at = due_at")
    bench.integration()
    (lost,) = bench.made()
    bench.sql(f"{LATE} WHERE id = :i", i=lost)
    bench.publisher.length_of = {True: 100_000, False: 100_000}
    assert len(busy) * FEW // 4 < sweep(bench).published <= FEW
    assert lost in bench.publisher.ids()


def test_what_is_young_stays_out_of_a_long_queue_also_behind_what_is_not(bench: Bench) -> None:
    bench.integration()
    old, young = bench.made(2)
    bench.sql(f"{LATE} - interval '1 s' WHERE id = :i", i=old)
    bench.sql("UPDATE notifications SET recheck_at = now() WHERE id = :i", i=young)
    bench.publisher.length_of = {True: LONG_QUEUE, False: LONG_QUEUE}
    assert sweep(bench).published == 1
    assert bench.publisher.ids() == [old]


def behind_a_bulkhead(bench: Bench, number: int) -> int:
    """Make a slow integration with so many notifications that are overdue longest; return its id."""
    slow = bench.integration(client_id=2)
    bench.sql("UPDATE integrations SET slow_since = now()")
    bench.made(min(number, 100), client_id=2)
    bench.sql(
        """INSERT INTO notifications (client_id, integration_id, event_no, trigger_id, dedup_start, severity, state,
               attempts_made, disablings, due_at, recheck_at)
           SELECT 2, :slow, -n, 0, 0, 0, 'retrying', n % 2, 0, now(), now()
           FROM generate_series(1, :n) n""",
        slow=slow,
        n=number - min(number, 100),
    )
    bench.sql(
        "UPDATE notifications SET recheck_at = now() - interval '1 h', due_at = now() - interval '2 h'"
    )
    bench.publisher.taken()
    return slow


def test_of_a_slow_integration_sweep_publishes_for_one_and_for_all_of_the_others(
    bench: Bench,
) -> None:
    slow = behind_a_bulkhead(bench, 50)
    bench.integration()
    healthy = overdue(bench, 3)
    bench.sql(
        "UPDATE notifications SET recheck_at = now() - interval '1 h' WHERE integration_id = :s",
        s=slow,
    )
    assert sweep(bench).published == 4
    published = bench.publisher.ids()
    assert set(healthy) < set(published)
    (one,) = set(published) - set(healthy)
    assert bench.notification(one).integration_id == slow
    assert sweep(bench).published == 1


def test_of_a_slow_integration_sweep_publishes_for_none_while_its_bulkhead_is_taken(
    bench: Bench,
) -> None:
    behind_a_bulkhead(bench, 5)
    bench.sql("UPDATE integrations SET bulkhead_until = now() + interval '20 s'")
    assert sweep(bench).published == 0
    bench.sql("UPDATE integrations SET bulkhead_until = now()")
    assert sweep(bench).published == 1


def test_what_a_slow_integrations_end_left_is_published_for_all_at_once_and_ends(
    bench: Bench,
) -> None:
    # Nobody came to cancel it for an hour.
    behind_a_bulkhead(bench, 50)
    bench.sql(
        """UPDATE integrations SET enabled = false, disablings = disablings + 1,
               switched_off_at = now() - interval '61 minutes'"""
    )
    assert sweep(bench).published == 50
    bench.claim(bench.publisher.ids())
    assert bench.value("SELECT count(*) FROM notifications WHERE state = 'cancelled'") == 50


def test_one_of_a_slow_integration_moves_its_bulkhead_again(bench: Bench) -> None:
    behind_a_bulkhead(bench, 5)
    assert sweep(bench).published == 1
    claim = bench.claim(bench.publisher.ids())
    assert [s.slow for s in claim.sendings] == [True]


def test_what_waits_behind_a_bulkhead_is_looked_at_as_one_and_when_it_recovers_by_itself(
    bench: Bench,
) -> None:
    slow = behind_a_bulkhead(bench, 20)
    assert any("overdue for 5 minutes" in finding for finding in bench.ledger().findings)
    # A worker died that had claimed some before it was slow.
    bench.sql(
        "UPDATE notifications SET lease_until = now() - interval '6 minutes' WHERE id % 2 = 0"
    )
    sweep(bench)
    assert bench.ledger().findings == []
    # The bulkhead does not move and SWEEP does not run.
    bench.sql("UPDATE notifications SET recheck_at = recheck_at - interval '6 minutes'")
    assert any("overdue for 5 minutes" in finding for finding in bench.ledger().findings)
    sweep(bench)
    claim = bench.claim(bench.publisher.ids())
    (sending,) = claim.sendings
    bench.record([an_attempt(sending, claim)], [slow], {slow: sending.notification.bulkhead_token})
    bench.sql(
        "UPDATE notifications SET recheck_at = now() - interval '1 h' WHERE finished_at IS NULL"
    )
    assert bench.ledger().findings == []
    assert sweep(bench).published == 19
    bench.sql(
        "UPDATE notifications SET recheck_at = now() - interval '1 h' WHERE finished_at IS NULL"
    )
    bench.sql("UPDATE integrations SET recovered_at = now() - interval '301 s'")
    assert any("overdue for 5 minutes" in finding for finding in bench.ledger().findings)


@pytest.mark.parametrize(
    "change", [IntegrationChange(key=a_key("new")), IntegrationChange(region="eu"), None]
)
def test_the_end_of_a_bulkhead_leaves_sweep_its_time_to_look_at_what_waited_there(
    bench: Bench, change: IntegrationChange | None
) -> None:
    slow = behind_a_bulkhead(bench, 20)
    sweep(bench)
    assert bench.ledger().findings == []
    if change is not None:
        bench.update_integration(slow, change)
    else:
        bench.sql("UPDATE integrations SET enabled = false")
        bench.enable_integration(slow)
    assert bench.value("SELECT slow_since FROM integrations") is None
    assert bench.ledger().findings == []


def test_what_waits_behind_a_bulkhead_costs_sweep_nothing(bench: Bench) -> None:
    behind_a_bulkhead(bench, 20_000)
    bench.integration()
    overdue(bench, 1)
    bench.sql("UPDATE notifications SET recheck_at = now() - interval '1 h' WHERE client_id = 2")
    bench.sql("ANALYZE notifications")
    read = """SELECT idx_tup_read FROM pg_stat_user_indexes
              WHERE indexrelname = 'ix_notifications_backlog'"""

    def tuples() -> int:
        # A server process reports what it read once it is asked to, and the store's has read.
        bench.store.transact(lambda tx: tx._rows("SELECT pg_stat_force_next_flush()"))
        number: int = bench.value(read)
        return number

    def work(tx: Any) -> int:
        backlogs = tx.backlogs()
        return len(tx.overdue([Share(b.integration_id, b.first, 1) for b in backlogs]))

    # What the rows were before is in the index too, until somebody has come by.
    assert bench.store.transact(work) == 3
    before = tuples()
    assert bench.store.transact(work) == 3
    assert 0 < tuples() - before < 50


def test_sweep_publishes_for_more_than_one_round(bench: Bench) -> None:
    bench.integration()
    bench.integration()
    ids = overdue(bench, AT_ONCE // 2 + 50)
    assert len(ids) == AT_ONCE + 100
    assert sweep(bench).published == AT_ONCE + 100
    messages = bench.publisher.taken()
    assert sorted(i for m in messages for i in m.ids) == sorted(ids)
    assert len(messages) == 11


def test_sweep_cancels_what_a_switching_off_left_behind(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made(2)
    # Routing read "enabled" before the disabling and committed after.
    bench.disable_integration(integration, user="Ann", reason="")
    bench.sql(
        "UPDATE notifications SET state = 'pending', finished_at = NULL, recheck_at = now() + '15 s'"
    )
    bench.sql(COUNT_STATES_ANEW)
    assert sweep(bench) == Swept(published=0, cancelled=2)
    assert [bench.notification(i).state for i in ids] == [State.CANCELLED] * 2
    assert bench.ledger().findings == []


def test_sweep_leaves_to_its_worker_what_is_under_way_of_a_disabled_integration(
    bench: Bench,
) -> None:
    integration = bench.integration()
    ids = bench.made()
    bench.claim(ids)
    assert bench.disable_integration(integration, user="Ann", reason="").cancelled == 0
    assert sweep(bench).cancelled == 0
    bench.end_leases()
    assert sweep(bench).cancelled == 1


def test_two_runs_at_once_publish_once(bench: Bench, make_bench: Callable[..., Bench]) -> None:
    bench.integration()
    ids = overdue(bench, 60)
    bench.publisher.taken()
    others = [bench, make_bench(), make_bench()]
    with ThreadPoolExecutor(3) as pool:
        ran = list(pool.map(lambda b: run_sweep(b.ctx).ran, others))
    assert sum(ran) == 1
    assert sorted(i for b in others for i in b.publisher.ids()) == ids


def test_two_rounds_at_once_publish_for_each_notification_once(bench: Bench) -> None:
    bench.integration()
    ids = overdue(bench, 100)
    bench.publisher.taken()
    with ThreadPoolExecutor(4) as pool:
        published = sum(pool.map(lambda _: recheck(bench.ctx), range(4)))
    assert published == 100
    assert sorted(bench.publisher.ids()) == ids


def test_sweep_passes_over_what_others_have_locked_and_waits_for_nobody(bench: Bench) -> None:
    off = bench.integration()
    left_behind = bench.made(2)
    bench.disable_integration(off, user="Ann", reason="")
    bench.sql(
        "UPDATE notifications SET state = 'pending', finished_at = NULL, recheck_at = now() + '15 s'"
    )
    bench.integration()
    late = bench.made(2)
    bench.sql("UPDATE notifications SET recheck_at = now() WHERE id = ANY(:ids)", ids=late)

    def hold(tx: Any) -> None:
        tx.candidates([left_behind[0], late[0]])

    assert beside(bench, hold, lambda: sweep(bench)) == Swept(published=1, cancelled=1)
    assert bench.publisher.ids() == late[1:]
    assert sweep(bench) == Swept(published=1, cancelled=1)
    assert bench.publisher.ids() == late[:1]


def test_a_run_too_soon_after_the_last_one_ends_at_once(bench: Bench) -> None:
    ctx = bench.with_settings(sweep_interval=timedelta(seconds=5000))
    bench.integration()
    assert sweep(bench).ran
    overdue(bench, 1)
    again = run_sweep(ctx)
    assert again == Swept(ran=False)
    assert again.words == "another run was there first"
    bench.sql("UPDATE upkeep_runs SET began_at = began_at - interval '3900 s'")
    assert not run_sweep(ctx).ran
    bench.sql("UPDATE upkeep_runs SET began_at = began_at - interval '200 s'")
    assert run_sweep(ctx) == Swept(published=1)


def test_a_run_while_another_holds_the_lock_ends_at_once(bench: Bench) -> None:
    with bench.engine.begin() as connection:
        connection.exec_driver_sql(
            "SELECT pg_advisory_xact_lock(hashtext('wallarm-notify'), hashtext('sweep'))"
        )
        assert run_sweep(bench.ctx) == Swept(ran=False)
    assert run_sweep(bench.ctx).ran


def test_sweep_forgets_the_grants_of_keys_that_nobody_has_any_more_once_their_window_has_passed(
    bench: Bench,
) -> None:
    rotated = bench.integration()
    bench.integration()
    bench.sent(bench.made())
    bench.update_integration(rotated, IntegrationChange(key=a_key("new")))
    sweep(bench)
    assert bench.value("SELECT count(*) FROM rate_limits") == 3
    bench.sql("UPDATE rate_limits SET touched_at = now() - interval '3 minutes'")
    sweep(bench)
    query = "SELECT key_fingerprint FROM {} ORDER BY key_fingerprint"
    assert bench.sql(query.format("rate_limits")) == bench.sql(query.format("integrations"))


def test_grants_that_somebody_is_taking_are_not_forgotten_nor_waited_for(bench: Bench) -> None:
    integration = bench.integration()
    (old,) = (bytes(row["key_fingerprint"]) for row in bench.sql("SELECT * FROM rate_limits"))
    bench.update_integration(integration, IntegrationChange(key=a_key("new")))
    bench.sql("UPDATE rate_limits SET touched_at = now() - interval '3 minutes'")
    beside(bench, lambda tx: tx.save_grants(tx.grants([old])), lambda: sweep(bench))
    assert bench.value("SELECT count(*) FROM rate_limits") == 2
    # Touched just now, they stay for their window.
    sweep(bench)
    assert bench.value("SELECT count(*) FROM rate_limits") == 2


def test_grants_of_a_key_that_is_just_given_to_an_integration_are_not_forgotten(
    bench: Bench,
) -> None:
    key = a_key()
    integration = bench.integration(key)
    bench.update_integration(integration, IntegrationChange(key=a_key("new")))
    bench.sql("UPDATE rate_limits SET touched_at = now() - interval '3 minutes'")
    draft = an_integration_draft(name="Another")
    beside(bench, lambda tx: tx.insert_integration(draft, key, by="Ann"), lambda: sweep(bench))
    assert (
        bench.value("SELECT count(*) FROM integrations JOIN rate_limits USING (key_fingerprint)")
        == 2
    )


def test_sweep_looks_through_grants_once_an_hour(bench: Bench) -> None:
    bench.integration()
    bench.sent(bench.made())
    run_sweep(bench.ctx)
    bench.sql(
        "UPDATE rate_limits SET key_fingerprint = 'old', touched_at = now() - interval '3 minutes'"
    )
    for ago, number in (("59 minutes", 1), ("60 minutes", 0)):
        bench.sql(
            f"""UPDATE upkeep_runs SET began_at = now() - interval '{ago}'
                WHERE name = 'forget_grants' OR name = 'sweep'"""
        )
        assert run_sweep(bench.ctx).ran
        assert bench.value("SELECT count(*) FROM rate_limits") == number


def test_words_say_what_a_run_did() -> None:
    assert Swept(2, 1).words == "2 notifications published, 1 cancelled"


def test_a_clock_that_was_set_back_does_not_stop_the_sweep(bench: Bench) -> None:
    assert run_sweep(bench.ctx).ran
    bench.sql("UPDATE upkeep_runs SET began_at = now() + interval '1 hour'")
    assert run_sweep(bench.ctx).ran

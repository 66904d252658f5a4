from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import Bench, a_key, an_answer, an_integration_draft
from meanwhile import beside

from wallarm_notify.domain.notification import State
from wallarm_notify.services.manage_integrations import Change
from wallarm_notify.services.sweep import AT_ONCE, LONG_QUEUE, Swept

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.notification import Notification


def sweep(bench: Bench) -> Swept:
    """One run, whenever the last one was."""
    bench.sql("DELETE FROM upkeep_runs")
    bench.bell.taken()
    return bench.sweep.run()


def overdue(bench: Bench, number: int) -> list[int]:
    """So many notifications that nobody was rung for."""
    ids = bench.made(number)
    bench.sql("UPDATE notifications SET ring_at = now()")
    return ids


def pause(n: Notification, bench: Bench) -> float:
    """How long from now SWEEP leaves it alone."""
    assert n.ring_at is not None
    seconds: float = (n.ring_at - bench.value("SELECT now()")).total_seconds()
    return seconds


def test_sweep_rings_for_what_is_overdue_and_for_nothing_else(bench: Bench) -> None:
    bench.integration()
    late, early = bench.made(2)
    bench.sql("UPDATE notifications SET ring_at = now() WHERE id = :i", i=late)
    assert sweep(bench) == Swept(rung=1)
    assert bench.bell.ids() == [late]
    assert bench.notification(early).rings == 0
    assert bench.ledger().findings == []


def test_sweep_rings_again_after_15_30_and_every_40_seconds_and_a_claim_starts_anew(
    bench: Bench,
) -> None:
    bench.integration()
    (made,) = bench.made()
    pauses = []
    for _ in range(5):
        bench.sql("UPDATE notifications SET ring_at = now()")
        assert sweep(bench).rung == 1
        pauses.append(pause(bench.notification(made), bench))
    assert pauses == pytest.approx([15, 30, 40, 40, 40], abs=1)
    bench.claim([made])
    bench.end_leases()
    bench.sql("UPDATE notifications SET ring_at = now()")
    sweep(bench)
    assert pause(bench.notification(made), bench) == pytest.approx(15, abs=1)


def test_sweep_leaves_what_a_worker_is_on_and_rings_when_its_lease_is_over(bench: Bench) -> None:
    bench.integration()
    ids = bench.made()
    bench.claim(ids)
    assert sweep(bench).rung == 0
    bench.sql("UPDATE notifications SET ring_at = now(), lease_until = now()")
    assert sweep(bench).rung == 1
    assert len(bench.claim(ids).sendings) == 1


def test_sweep_leaves_what_is_not_due(bench: Bench) -> None:
    bench.integration()
    bench.sent(bench.made(), an_answer(429, retry_after=timedelta(minutes=30)))
    assert sweep(bench).rung == 0


def test_the_longest_overdue_come_first(bench: Bench) -> None:
    bench.integration()
    one, two, three = bench.made(3)
    for seconds, i in ((10, one), (30, two), (20, three)):
        bench.sql(
            "UPDATE notifications SET ring_at = now() - :s WHERE id = :i",
            s=timedelta(seconds=seconds),
            i=i,
        )
    sweep(bench)
    assert bench.bell.ids() == [two, three, one]


@pytest.mark.parametrize(
    ("first", "retries", "rung"),
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
def test_sweep_rings_nothing_into_a_queue_that_is_long_or_not_known(
    bench: Bench, first: int | None, retries: int | None, rung: str
) -> None:
    bench.integration()
    new, retry = bench.made(2)
    bench.sent([retry], an_answer(500))
    bench.sql("UPDATE notifications SET ring_at = now()")
    bench.bell.lengths = {True: first, False: retries}
    wanted = {"both": {new, retry}, "first": {new}, "retries": {retry}, "none": set[int]()}[rung]
    assert sweep(bench).rung == len(wanted)
    assert set(bench.bell.ids()) == wanted


def test_sweep_rings_for_more_than_one_round(bench: Bench) -> None:
    bench.integration()
    bench.integration()
    ids = overdue(bench, AT_ONCE // 2 + 50)
    assert len(ids) == AT_ONCE + 100
    assert sweep(bench).rung == AT_ONCE + 100
    messages = bench.bell.taken()
    assert sorted(i for m in messages for i in m.ids) == sorted(ids)
    assert len(messages) == 11


def test_sweep_cancels_what_a_switching_off_left_behind(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made(2)
    # Routing read "enabled" before the disabling and committed after.
    bench.management.disable(integration, user="Ann", reason="")
    bench.sql(
        "UPDATE notifications SET state = 'pending', finished_at = NULL, ring_at = now() + '15 s'"
    )
    assert sweep(bench) == Swept(rung=0, cancelled=2)
    assert [bench.notification(i).state for i in ids] == [State.CANCELLED] * 2
    assert bench.ledger().findings == []


def test_sweep_leaves_to_its_worker_what_is_under_way_of_a_disabled_integration(
    bench: Bench,
) -> None:
    integration = bench.integration()
    ids = bench.made()
    bench.claim(ids)
    assert bench.management.disable(integration, user="Ann", reason="").cancelled == 0
    assert sweep(bench).cancelled == 0
    bench.end_leases()
    assert sweep(bench).cancelled == 1


def test_two_runs_at_once_ring_once(bench: Bench, make_bench: Callable[..., Bench]) -> None:
    bench.integration()
    ids = overdue(bench, 60)
    bench.bell.taken()
    others = [bench, make_bench(), make_bench()]
    with ThreadPoolExecutor(3) as pool:
        ran = list(pool.map(lambda b: b.sweep.run().ran, others))
    assert sum(ran) == 1
    assert sorted(i for b in others for i in b.bell.ids()) == ids


def test_two_rounds_at_once_ring_for_each_notification_once(bench: Bench) -> None:
    bench.integration()
    ids = overdue(bench, 100)
    bench.bell.taken()
    with ThreadPoolExecutor(4) as pool:
        rung = sum(pool.map(lambda _: bench.sweep._ring_round(), range(4)))
    assert rung == 100
    assert sorted(bench.bell.ids()) == ids


def test_sweep_passes_over_what_others_have_locked_and_waits_for_nobody(bench: Bench) -> None:
    off = bench.integration()
    left_behind = bench.made(2)
    bench.management.disable(off, user="Ann", reason="")
    bench.sql(
        "UPDATE notifications SET state = 'pending', finished_at = NULL, ring_at = now() + '15 s'"
    )
    bench.integration()
    late = bench.made(2)
    bench.sql("UPDATE notifications SET ring_at = now() WHERE id = ANY(:ids)", ids=late)

    def hold(tx: Any) -> None:
        tx.candidates([left_behind[0], late[0]])

    assert beside(bench, hold, lambda: sweep(bench)) == Swept(rung=1, cancelled=1)
    assert bench.bell.ids() == late[1:]
    assert sweep(bench) == Swept(rung=1, cancelled=1)
    assert bench.bell.ids() == late[:1]


def test_a_run_too_soon_after_the_last_one_ends_at_once(bench: Bench) -> None:
    bench.integration()
    assert sweep(bench).ran
    overdue(bench, 1)
    again = bench.sweep.run()
    assert again == Swept(ran=False)
    assert again.words == "another run was there first"
    bench.sql("UPDATE upkeep_runs SET began_at = began_at - interval '3.9 s'")
    assert not bench.sweep.run().ran
    bench.sql("UPDATE upkeep_runs SET began_at = began_at - interval '0.2 s'")
    assert bench.sweep.run() == Swept(rung=1)


def test_a_run_while_another_holds_the_lock_ends_at_once(bench: Bench) -> None:
    with bench.engine.begin() as connection:
        connection.exec_driver_sql(
            "SELECT pg_advisory_xact_lock(hashtext('wallarm-notify'), hashtext('sweep'))"
        )
        assert bench.sweep.run() == Swept(ran=False)
    assert bench.sweep.run().ran


def test_sweep_forgets_the_turns_of_keys_that_nobody_has_any_more_once_their_window_has_passed(
    bench: Bench,
) -> None:
    rotated = bench.integration()
    bench.integration()
    bench.sent(bench.made())
    bench.management.update(rotated, Change(key=a_key("new")))
    sweep(bench)
    assert bench.value("SELECT count(*) FROM pace") == 3
    bench.sql("UPDATE pace SET touched_at = now() - interval '3 minutes'")
    sweep(bench)
    query = "SELECT key_fingerprint FROM {} ORDER BY key_fingerprint"
    assert bench.sql(query.format("pace")) == bench.sql(query.format("integrations"))


def test_turns_that_somebody_is_taking_are_not_forgotten_nor_waited_for(bench: Bench) -> None:
    integration = bench.integration()
    (old,) = (bytes(row["key_fingerprint"]) for row in bench.sql("SELECT * FROM pace"))
    bench.management.update(integration, Change(key=a_key("new")))
    bench.sql("UPDATE pace SET touched_at = now() - interval '3 minutes'")
    beside(bench, lambda tx: tx.save_turns(tx.turns([old])), lambda: sweep(bench))
    assert bench.value("SELECT count(*) FROM pace") == 2
    # Touched just now, they stay for their window.
    sweep(bench)
    assert bench.value("SELECT count(*) FROM pace") == 2


def test_turns_of_a_key_that_is_just_given_to_an_integration_are_not_forgotten(
    bench: Bench,
) -> None:
    key = a_key()
    integration = bench.integration(key)
    bench.management.update(integration, Change(key=a_key("new")))
    bench.sql("UPDATE pace SET touched_at = now() - interval '3 minutes'")
    draft = an_integration_draft(name="Another")
    beside(bench, lambda tx: tx.insert_integration(draft, key), lambda: sweep(bench))
    assert bench.value("SELECT count(*) FROM integrations JOIN pace USING (key_fingerprint)") == 2


def test_sweep_looks_through_turns_once_an_hour(bench: Bench) -> None:
    bench.integration()
    bench.sent(bench.made())
    bench.sweep.run()
    bench.sql("UPDATE pace SET key_fingerprint = 'old', touched_at = now() - interval '3 minutes'")
    for ago, number in (("59 minutes", 1), ("60 minutes", 0)):
        bench.sql(
            f"""UPDATE upkeep_runs SET began_at = now() - interval '{ago}'
                WHERE name = 'forget_turns' OR name = 'sweep'"""
        )
        assert bench.sweep.run().ran
        assert bench.value("SELECT count(*) FROM pace") == number


def test_words_tell_what_a_run_did() -> None:
    assert Swept(2, 1).words == "2 notifications rung for, 1 cancelled"


def test_a_clock_that_was_set_back_does_not_stop_the_sweep(bench: Bench) -> None:
    assert bench.sweep.run().ran
    bench.sql("UPDATE upkeep_runs SET began_at = now() + interval '1 hour'")
    assert bench.sweep.run().ran

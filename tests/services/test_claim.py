from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import LEASE, Bench, a_key, an_answer, an_attempt, an_event
from meanwhile import EndingWith, beside, database_calls, overlapping

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.integration import IntegrationChange
from wallarm_notify.domain.notification import State
from wallarm_notify.services.claim import claim as claim_of
from wallarm_notify.store.connection import MovedMeanwhile
from wallarm_notify.store.encryption import generate

if TYPE_CHECKING:
    from collections.abc import Callable

DELIVERED, FAILED = an_answer(202), an_answer(500)


def test_a_claim_takes_what_is_due_and_holds_it_for_a_lease(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made(3)
    claim = bench.claim(ids)
    assert [s.notification.id for s in claim.sendings] == ids
    named = ", ".join(map(str, ids))
    assert claim.words == (
        f"notifications {named} for integration {integration} under way, attempt 1 of 17"
    )
    for sending in claim.sendings:
        n = sending.notification
        assert (n.fence, n.lost_claims, n.integration_id) == (1, 1, integration)
        assert n.lease_until == n.recheck_at == claim.now + LEASE
        assert bench.notification(n.id) == n


def test_a_claim_carries_event_key_and_client(bench: Bench) -> None:
    key = a_key()
    bench.integration(key, region="eu")
    bench.store.transact(lambda tx: tx.set_client(1, name="ACME", cloud="eu", partner_name=None))
    (sending,) = bench.claim(bench.made()).sendings
    assert (sending.key, sending.payload.region, sending.payload.origin) == (key, "eu", "card")
    payload = sending.payload
    assert (payload.client_name, payload.cloud, payload.partner_name) == ("ACME", "eu", None)
    assert payload.event.body["title"] == "Vulnerable version of nginx"


def test_two_claims_at_once_take_each_notification_once(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(100)
    start = threading.Barrier(4)

    def claim(_: int) -> list[int]:
        start.wait(10)
        return [s.notification.id for s in bench.claim(ids).sendings]

    with ThreadPoolExecutor(4) as pool:
        taken = [i for share in pool.map(claim, range(4)) for i in share]
    assert sorted(taken) == ids
    assert bench.value("SELECT max(fence) FROM notifications") == 1


def test_a_claim_takes_at_once_what_no_other_claim_under_way_has_locked(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(3)
    claim = beside(bench, lambda tx: tx.candidates(ids[:1]), lambda: bench.claim(ids))
    assert [s.notification.id for s in claim.sendings] == ids[1:]
    assert [s.notification.id for s in bench.claim(ids).sendings] == ids[:1]


def test_a_claim_began_before_it_asked_the_database_for_the_time(bench: Bench) -> None:
    """What a claim takes from then on counts against the 2 s within which a request begins."""
    bench.integration()
    ids = bench.made()
    earlier = since_boot()
    with database_calls() as began:
        claim = bench.claim(ids)
    assert earlier <= claim.began <= began[0]


def test_what_a_worker_has_is_not_claimed(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(2)
    bench.claim(ids)
    again = bench.claim(ids)
    assert again.sendings == ()
    assert again.words == "nothing to send of 2 notifications"


def test_what_is_unknown_or_has_ended_is_not_claimed(bench: Bench) -> None:
    bench.integration()
    ids = bench.made()
    bench.sent(ids)
    assert bench.claim([*ids, 10**12]).sendings == ()


def test_when_a_lease_is_over_another_worker_takes_over_under_a_new_fencing_token(
    bench: Bench,
) -> None:
    bench.integration()
    ids = bench.made()
    bench.claim(ids)
    bench.end_leases()
    (sending,) = bench.claim(ids).sendings
    assert (sending.notification.fence, sending.notification.lost_claims) == (2, 2)


def test_what_is_early_is_enqueued_again_for_the_rest_of_its_wait(bench: Bench) -> None:
    bench.integration()
    ids = bench.made()
    bench.sent(ids, an_answer(429, retry_after=timedelta(minutes=10)))
    bench.publisher.taken()
    claim = bench.claim(ids)
    assert (claim.sendings, claim.waiting) == ((), 1)
    (message,) = bench.publisher.taken()
    assert (message.ids, message.countdown) == (tuple(ids), timedelta(seconds=60))


def test_after_two_lost_claims_each_is_enqueued_alone(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(3)
    for _ in range(2):
        assert len(bench.claim(ids).sendings) == 3
        bench.end_leases()
    bench.publisher.taken()
    assert bench.claim(ids).sendings == ()
    messages = bench.publisher.taken()
    assert [m.ids for m in messages] == [(i,) for i in ids]
    assert len(bench.claim([ids[1]]).sendings) == 1


def test_after_a_record_it_is_claimed_together_with_others_again(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(2)
    for _ in range(2):
        bench.claim(ids)
        bench.end_leases()
    for i in ids:
        bench.sent([i], FAILED)
    bench.make_due()
    assert len(bench.claim(ids).sendings) == 2


def test_after_ten_lost_claims_it_has_failed_as_worker_lost(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.integration()
    ids = bench.made()
    for _ in range(10):
        assert len(bench.claim(ids).sendings) == 1
        bench.end_leases()
    claim = bench.claim(ids)
    assert (claim.sendings, claim.lost) == ((), 1)
    n = bench.notification(ids[0])
    assert (n.state, n.end_reason, n.recheck_at) == (State.FAILED, "worker_lost", None)
    assert [r.message for r in caplog.records if r.levelno == logging.ERROR] == [
        "notification.failed"
    ]
    assert bench.ledger().findings == []


def test_the_most_severe_go_first(bench: Bench) -> None:
    bench.integration()
    low, critical, medium = (bench.made(risk=r)[0] for r in ("low", "critical", "medium"))
    claim = bench.claim([low, critical, medium])
    assert [s.notification.id for s in claim.sendings] == [critical, medium, low]


def test_what_was_not_begun_is_put_back_and_enqueued_at_once(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(2)
    claim = bench.claim(ids)
    bench.publisher.taken()
    bench.put_back(claim.sendings, behind_bulkhead=False)
    (message,) = bench.publisher.taken()
    assert (message.ids, message.countdown) == (tuple(ids), None)
    again = bench.claim(ids)
    assert [s.notification.lost_claims for s in again.sendings] == [1, 1]
    assert [s.number for s in again.sendings] == [1, 1]
    assert bench.value("SELECT count(*) FROM attempts") == 0


def test_putting_back_under_an_old_fencing_token_changes_nothing(bench: Bench) -> None:
    bench.integration()
    ids = bench.made()
    stale = bench.claim(ids)
    bench.end_leases()
    bench.claim(ids)
    before = bench.notification(ids[0])
    bench.put_back(stale.sendings, behind_bulkhead=False)
    assert bench.notification(ids[0]) == before


@pytest.mark.parametrize("behind_bulkhead", [True, False])
def test_putting_back_another_notification_of_the_same_id_and_claim_changes_nothing(
    bench: Bench, *, behind_bulkhead: bool
) -> None:
    """A standby that was promoted without the last notifications gives their ids once more."""
    bench.integration()
    ids = bench.made()
    (sending,) = bench.claim(ids).sendings
    before = bench.notification(ids[0])
    bench.publisher.taken()
    lost = replace(sending, payload=replace(sending.payload, event=an_event()))
    bench.put_back([lost], behind_bulkhead=behind_bulkhead)
    assert bench.notification(ids[0]) == before
    assert bench.publisher.taken() == []


def test_a_grant_not_used_is_given_back_once(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(rate_limit=3)
    bench.integration()
    ids = bench.made(6)
    first, second = bench.claim(ids[:1]), bench.claim(ids[1:3])
    assert len(first.sendings) + len(second.sendings) == 3
    # A recorder does it a second time where it did not hear that the first was committed.
    bench.put_back(first.sendings, behind_bulkhead=False)
    bench.put_back(first.sendings, behind_bulkhead=False)
    assert len(bench.claim(ids[3:]).sendings) == 1


def test_a_claim_cancels_what_belongs_to_an_earlier_switching_off(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made(2)
    # Routing read "enabled" before, and committed after.
    bench.sql("UPDATE integrations SET disablings = disablings + 1 WHERE id = :i", i=integration)
    claim = bench.claim(ids)
    assert (claim.sendings, claim.cancelled) == ((), 2)
    assert bench.states() == {"cancelled": 2}
    assert bench.ledger().findings == []


def test_what_waits_uses_a_new_key_and_region(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made()
    key = a_key("new")
    bench.update_integration(integration, IntegrationChange(key=key, region="eu"))
    (sending,) = bench.claim(ids).sendings
    assert (sending.key, sending.payload.region) == (key, "eu")


def test_a_claim_that_is_run_again_is_logged_once(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    right, wrong = make_bench(), make_bench(fernet=generate())
    right.integration()
    unreadable, lost = right.made(2)
    right.sql("UPDATE notifications SET lost_claims = 10 WHERE id = :id", id=lost)
    runs = 0

    def moved(tx: Any) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise MovedMeanwhile

    wrong.ctx = replace(wrong.ctx, store=EndingWith(wrong.store, moved))  # type: ignore[arg-type]  # it is used like one
    claim = wrong.claim([unreadable, lost])
    assert (runs, claim.lost) == (2, 1)
    assert [r.message for r in caplog.records] == [
        "delivery.key_unreadable",
        "notification.failed",
    ]


def test_a_claim_that_is_not_committed_logs_no_failure(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.integration()
    ids = bench.made()
    bench.sql("UPDATE notifications SET lost_claims = 10")

    def away(tx: Any) -> None:
        raise Unavailable("away")

    over = replace(bench.ctx, store=EndingWith(bench.store, away))  # type: ignore[arg-type]  # it is used like one
    with pytest.raises(Unavailable):
        claim_of(over, ids)
    assert (caplog.records, bench.states()) == ([], {"pending": 1})


def test_a_key_that_cannot_be_opened_waits_and_is_logged(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    right, wrong = make_bench(), make_bench(fernet=generate())
    integration = right.integration()
    ids = right.made(2)
    claim = wrong.claim(ids)
    assert claim.sendings == ()
    (record,) = caplog.records
    assert (record.message, record.levelno) == ("delivery.key_unreadable", logging.ERROR)
    assert vars(record)["integrations"] == [integration]
    n = right.notification(ids[0])
    assert (n.state, n.fence, n.lost_claims, n.attempts_made) == (State.PENDING, 0, 0, 0)
    assert n.recheck_at is not None
    assert n.recheck_at > claim.now + timedelta(seconds=30)
    assert len(right.claim(ids).sendings) == 2


def test_a_critical_alert_behind_180_low_ones_is_sent_at_once(bench: Bench) -> None:
    bench.integration()
    low = bench.made(180, risk="low")
    claims = [bench.claim(low[:100]), bench.claim(low[100:])]
    assert [(len(c.sendings), c.waiting) for c in claims] == [(80, 20), (0, 80)]
    critical = bench.made(risk="critical")
    assert [s.notification.id for s in bench.claim(critical).sendings] == critical
    # The fifth is not lent: however many low ones wait, it is for what is severe.
    bench.make_due()
    assert bench.claim(low[80:]).sendings == ()
    assert len(bench.claim(bench.made(20, risk="high")).sendings) == 19


def test_grants_that_are_not_used_are_given_back_to_those_they_were_for(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(20, risk="critical") + bench.made(80, risk="low")
    sendings = bench.claim(ids).sendings
    severe, low = sendings[:20], sendings[20:]
    bench.put_back(severe[:3], behind_bulkhead=False)
    assert bench.claim(bench.made(5, risk="medium")).sendings == ()
    bench.sql("UPDATE rate_limits SET grants = grants - array['0', '1']")  # nobody waits
    assert len(bench.claim(bench.made(5, risk="critical")).sendings) == 3
    bench.put_back(low[:2], behind_bulkhead=False)
    assert len(bench.claim(bench.made(5, risk="medium")).sendings) == 2


def test_grants_of_programs_before_count_as_low(bench: Bench) -> None:
    bench.integration()
    assert len(bench.claim(bench.made(70, risk="critical")).sendings) == 70
    bench.sql("UPDATE rate_limits SET grants = grants - '4'")
    assert len(bench.claim(bench.made(20, risk="low")).sendings) == 10
    assert len(bench.claim(bench.made(30, risk="critical")).sendings) == 20


def test_programs_before_read_the_grants_of_this_one(bench: Bench) -> None:
    """They take every name but ``sent`` for the number of a severity, and its value for moments."""
    bench.integration()
    bench.claim(bench.made(30, risk="critical") + bench.made(90, risk="low"))
    stored = bench.value("SELECT grants FROM rate_limits")
    assert {name for name in stored if name != "sent"} >= {"4"}
    for name, moments in stored.items():
        assert name == "sent" or int(name) >= 0
        assert all(at > 0 and number > 0 for at, number in moments)


def test_two_integrations_with_one_key_share_one_rate_limit(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(rate_limit=3)
    key = a_key()
    bench.integration(key)
    bench.integration(key)
    bench.integration(a_key())
    ids = [n.id for n in bench.ingest(an_event(), an_event()).pending]
    bench.publisher.taken()
    claim = bench.claim(ids)
    assert len(claim.sendings) == 5
    assert claim.waiting == 1
    (waiting,) = set(ids) - {s.notification.id for s in claim.sendings}
    n = bench.notification(waiting)
    assert (n.fence, n.lost_claims, n.attempts_made, n.state) == (0, 0, 0, State.PENDING)
    assert timedelta(seconds=62) <= n.due_at - claim.now <= timedelta(seconds=62.5)
    assert n.recheck_at == n.due_at + timedelta(seconds=15)
    (message,) = bench.publisher.taken()
    assert message.ids == (waiting,)


def test_grants_hold_across_claims_and_the_most_severe_take_them(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(rate_limit=2)
    bench.integration()
    ids = bench.made(3, risk="low") + bench.made(1, risk="critical")
    claim = bench.claim(ids)
    assert [s.notification.id for s in claim.sendings] == [ids[3], ids[0]]
    assert bench.claim(ids).sendings == ()
    bench.sql("UPDATE rate_limits SET grants = '{}'")
    bench.make_due()
    assert [s.notification.id for s in bench.claim(ids).sendings] == ids[1:3]


def test_concurrent_claims_share_one_rate_limit(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(rate_limit=10)
    bench.integration()
    ids = bench.made(40)
    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(lambda n: bench.claim(ids[n::4]), range(4)))
    assert sum(len(c.sendings) for c in claims) == 10
    assert sum(c.waiting for c in claims) == 30


def test_a_claim_waits_for_the_grants_that_another_one_is_taking(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(rate_limit=3)
    bench.integration()
    ids = bench.made(4)
    second = overlapping(bench, lambda first: first.claim(ids[:2]), lambda: bench.claim(ids[2:]))
    assert (len(second.sendings), second.waiting) == (1, 1)


def test_grants_that_are_dropped_while_a_claim_waits_for_them_are_made_anew(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(2)
    claim = overlapping(
        bench,
        lambda first: first.store.transact(lambda tx: tx._do("DELETE FROM rate_limits")),
        lambda: bench.claim(ids),
    )
    assert [s.notification.id for s in claim.sendings] == ids
    assert bench.value("SELECT count(*) FROM rate_limits") == 1


def test_grants_of_one_moment_are_one_whatever_put_them_there_and_stand_in_order(
    bench: Bench,
) -> None:
    bench.integration()
    bench.sql("""UPDATE rate_limits SET grants = '{"sent": [[10.5, 40], [12, 1], [10.5, 3]]}'""")
    (fingerprint,) = (
        bytes(row["key_fingerprint"]) for row in bench.sql("SELECT * FROM rate_limits")
    )
    for grants in (
        bench.store.transact(lambda tx: tx.grants([fingerprint])),
        bench.store.transact(lambda tx: tx.grants_at_hand([fingerprint])),
    ):
        assert grants[fingerprint].sent == ((10.5, 43), (12, 1))


def test_rate_limit_0_is_no_rate_limit(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(rate_limit=0)
    bench.integration()
    ids = bench.made(100) + bench.made(100)
    assert len(bench.claim(ids).sendings) == 200
    assert bench.value("SELECT grants FROM rate_limits") == {}


def test_a_new_key_waits_for_no_grant_of_the_old_one(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made(3)
    bench.sql("UPDATE notifications SET due_at = now() + interval '10 minutes'")
    assert bench.claim(ids).sendings == ()
    bench.update_integration(integration, IntegrationChange(key=a_key()))
    assert len(bench.claim(ids).sendings) == 3


def test_claims_and_records_at_once_lose_nothing(bench: Bench) -> None:
    """Eight workers, each with every message, over three integrations of which one is slow."""
    for _ in range(3):
        bench.integration()
    ids = [n.id for n in bench.ingest(*(an_event() for _ in range(40))).pending]
    slow = [1]

    def work(number: int) -> int:
        mine = 0
        for _ in range(4):
            claim = bench.claim(ids[number * 7 :] + ids[: number * 7])
            attempts = [an_attempt(s, claim) for s in claim.sendings]
            bench.record(attempts, slow)
            if number == 0:
                bench.mark_slow(slow)
            mine += len(attempts)
        return mine

    with ThreadPoolExecutor(4) as pool:
        sent = sum(pool.map(work, range(4)))
    assert sent == bench.states().get("delivered", 0)
    bench.sql("UPDATE integrations SET bulkhead_until = NULL, slow_since = NULL")
    bench.sql("UPDATE rate_limits SET grants = '{}'")
    bench.make_due()
    bench.sent(ids)
    assert bench.states() == {"delivered": 120}
    assert bench.value("SELECT max(fence) FROM notifications") == 1
    assert bench.ledger().findings == []

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from build import Bench, a_key, an_answer, an_attempt
from meanwhile import beside, overlapping

from wallarm_notify.domain.integration import IntegrationChange

if TYPE_CHECKING:
    from collections.abc import Callable

DELIVERED, FAILED = an_answer(202), an_answer(500)


def slow_with_waiting(bench: Bench, number: int) -> tuple[int, list[int]]:
    """Return a slow integration whose bulkhead is free, and so many notifications held there."""
    integration = bench.integration()
    ids = bench.made(number)
    bench.mark_slow([integration])
    bench.sql("UPDATE integrations SET bulkhead_until = NULL")
    bench.publisher.taken()
    return integration, ids


def test_a_slow_integration_is_sent_one_at_a_time(bench: Bench) -> None:
    _, ids = slow_with_waiting(bench, 3)
    claim = bench.claim(ids)
    assert [s.notification.id for s in claim.sendings] == ids[:1]
    assert (claim.sendings[0].slow, claim.waiting) == (True, 2)
    assert bench.publisher.taken() == []
    assert bench.claim(ids).sendings == ()
    for i in ids[1:]:
        n = bench.notification(i)
        assert (n.fence, n.attempts_made, n.lease_until) == (0, 0, None)
        assert n.recheck_at is not None
        assert n.recheck_at > claim.now + timedelta(seconds=59)


def test_from_the_moment_it_is_slow_one_is_sent_at_a_time(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made(3)
    bench.mark_slow([integration])
    assert len(bench.claim(ids).sendings) == 1
    assert bench.claim(ids).sendings == ()


def test_an_answer_from_before_the_slowness_frees_no_bulkhead_that_another_holds(
    bench: Bench,
) -> None:
    integration = bench.integration()
    ids = bench.made(4)
    before = bench.claim(ids[:1])
    bench.mark_slow([integration])
    assert len(bench.claim(ids[1:]).sendings) == 1
    attempt = an_attempt(before.sendings[0], before, took=4)
    bench.record([attempt], [integration], {})
    assert bench.claim(ids[1:]).sendings == ()
    stale = {integration: before.sendings[0].notification.bulkhead_token}
    bench.record([attempt], [integration], stale)
    assert bench.claim(ids[1:]).sendings == ()


def test_a_bulkhead_whose_request_was_not_begun_is_free_at_once(bench: Bench) -> None:
    _, ids = slow_with_waiting(bench, 2)
    claim = bench.claim(ids)
    bench.put_back(claim.sendings, behind_bulkhead=False)
    assert len(bench.claim(ids).sendings) == 1


def test_a_slow_integration_does_not_hold_up_others(bench: Bench) -> None:
    slow, _ = slow_with_waiting(bench, 1)
    fast = bench.integration()
    ids = bench.made(3)
    claim = bench.claim(ids)
    of = [s.notification.integration_id for s in claim.sendings]
    assert (of.count(fast), of.count(slow)) == (3, 1)


def test_a_slow_answer_frees_the_bulkhead_and_enqueues_the_next_one(bench: Bench) -> None:
    integration, ids = slow_with_waiting(bench, 3)
    claim = bench.claim(ids)
    attempt = an_attempt(claim.sendings[0], claim, took=4)
    token = claim.sendings[0].notification.bulkhead_token
    bench.record([attempt], [integration], {integration: token})
    assert bench.publisher.ids() == [ids[1]]
    assert len(bench.claim(ids).sendings) == 1


def test_a_quick_answer_ends_slowness_and_enqueues_everything_that_waited(bench: Bench) -> None:
    integration, ids = slow_with_waiting(bench, 5)
    claim = bench.claim(ids)
    bench.record([an_attempt(claim.sendings[0], claim, took=0.9)], [integration])
    assert bench.publisher.ids() == ids[1:]
    assert bench.value("SELECT slow_since FROM integrations") is None
    assert len(bench.claim(ids).sendings) == 4
    overdue = bench.value("SELECT count(*) FROM notifications WHERE recheck_at <= now()")
    assert overdue == 0


def test_a_slow_answer_enqueues_nothing_that_a_worker_has(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made(4)
    claim = bench.claim(ids[:3])
    bench.mark_slow([integration])
    bench.publisher.taken()
    bench.record([an_attempt(claim.sendings[0], claim, took=4)], [integration])
    assert bench.publisher.ids() == ids[3:]
    bench.end_leases()
    bench.record([an_attempt(claim.sendings[1], claim, took=4)], [integration])
    assert bench.publisher.ids() == ids[2:3]


def test_a_quick_answer_lets_sweep_look_at_once_at_nothing_that_a_worker_has(
    bench: Bench,
) -> None:
    integration = bench.integration()
    ids = bench.made(4)
    claim = bench.claim(ids[:2])
    bench.mark_slow([integration])
    bench.publisher.taken()
    bench.record([an_attempt(claim.sendings[0], claim, took=0.9)], [integration])
    assert bench.publisher.ids() == ids[2:]
    assert bench.notification(ids[1]) == claim.sendings[1].notification
    overdue = bench.sql("SELECT id FROM notifications WHERE recheck_at <= now() ORDER BY id")
    assert [row["id"] for row in overdue] == ids[2:]


def test_a_quick_answer_waits_for_no_claim_that_is_under_way(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made(4)
    claim = bench.claim(ids[:1])
    bench.mark_slow([integration])
    bench.publisher.taken()
    beside(
        bench,
        lambda tx: tx.candidates(ids[1:2]),
        lambda: bench.record([an_attempt(claim.sendings[0], claim, took=0.9)], [integration]),
    )
    overdue = bench.sql("SELECT id FROM notifications WHERE recheck_at <= now() ORDER BY id")
    assert [row["id"] for row in overdue] == ids[2:]


def test_of_two_claims_at_once_one_gets_the_bulkhead(bench: Bench) -> None:
    _, ids = slow_with_waiting(bench, 4)
    second = overlapping(bench, lambda first: first.claim(ids[:2]), lambda: bench.claim(ids[2:]))
    assert (second.sendings, second.waiting) == ((), 2)
    assert [bench.notification(i).fence for i in ids] == [1, 0, 0, 0]


def test_the_slowest_of_several_answers_decides(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made(2)
    claim = bench.claim(ids)
    bench.mark_slow([integration])
    one, two = claim.sendings
    bench.record([an_attempt(one, claim, took=5), an_attempt(two, claim, took=0.1)], [integration])
    assert bench.value("SELECT slow_since FROM integrations") is not None


def test_the_bulkhead_of_a_dead_worker_is_free_when_its_lease_is_over(bench: Bench) -> None:
    _, ids = slow_with_waiting(bench, 2)
    bench.claim(ids)
    assert bench.claim(ids).sendings == ()
    bench.end_leases()
    bench.sql("UPDATE integrations SET bulkhead_until = now()")
    assert len(bench.claim(ids).sendings) == 1


def test_a_grant_that_is_not_now_leaves_the_bulkhead_free(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(rate_limit=1)
    integration = bench.integration()
    bench.sent(bench.made())
    bench.mark_slow([integration])
    bench.sql("UPDATE integrations SET bulkhead_until = NULL")
    assert bench.claim(bench.made()).waiting == 1
    assert bench.value("SELECT bulkhead_until FROM integrations") is None


def test_put_back_behind_a_bulkhead_they_wait_and_one_is_enqueued(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(3)
    claim = bench.claim(ids)
    bench.publisher.taken()
    bench.put_back(claim.sendings, behind_bulkhead=True)
    assert bench.publisher.ids() == ids[:1]
    n = bench.notification(ids[0])
    assert (n.lost_claims, n.lease_until) == (0, None)


@pytest.mark.parametrize(
    "change",
    [IntegrationChange(region="eu"), IntegrationChange(key=a_key())],
    ids=["region", "key"],
)
def test_a_new_key_or_region_is_not_slow_until_it_shows(
    bench: Bench, change: IntegrationChange
) -> None:
    integration, ids = slow_with_waiting(bench, 3)
    bench.update_integration(integration, change)
    assert len(bench.claim(ids).sendings) == 3

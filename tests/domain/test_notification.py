from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from build import GRACE, LEASE, NOON, a_notification

from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.notification import (
    NewNotification,
    Notification,
    Row,
    RowT,
    State,
    carried_on,
    claimed,
    ended,
    fresh,
    held_back,
    put_back,
    rechecked,
    recorded,
    replayed,
    stored,
    waiting_for_grant,
)
from wallarm_notify.domain.outcome import Delivered, GaveUp, Outcome, RetryLater

SECOND = timedelta(seconds=1)
LATER = NOON + 10 * SECOND

AGAIN = RetryLater(5 * SECOND)
ENDED = (State.DELIVERED, State.FAILED, State.CANCELLED, State.SKIPPED)


def an_ended(state: State) -> Notification:
    return ended(a_notification(fence=3, attempts_made=2, state=State.RETRYING), state, NOON)


def record(n: Notification, outcome: Outcome, *, current: bool = True) -> Notification:
    return recorded(n, outcome, current=current, answered_at=NOON, now=LATER, grace=GRACE)


def changes(before: RowT, after: RowT) -> dict[str, Any]:
    """What is different, by field."""
    return {
        f.name: getattr(after, f.name)
        for f in fields(before)
        if getattr(after, f.name) != getattr(before, f.name)
    }


def a_fresh(**given: Any) -> NewNotification:
    defaults: dict[str, Any] = {
        "client_id": 1,
        "integration_id": 7,
        "event_id": UUID(int=1),
        "severity": Severity.ERROR,
        "disablings": 3,
    }
    return fresh(**(defaults | given), now=NOON, grace=GRACE)


def test_a_new_notification_is_due_at_once_and_sweep_worries_a_publish_later() -> None:
    assert stored(a_fresh(), 5) == Notification(
        id=5,
        integration_id=7,
        state=State.PENDING,
        run=1,
        attempts_made=0,
        fence=0,
        lost_claims=0,
        rechecks=0,
        due_at=NOON,
        lease_until=None,
        recheck_at=NOON + GRACE,
        finished_at=None,
        severity=Severity.ERROR,
        disablings=3,
        closing=False,
    )


@pytest.mark.parametrize("given", [{}, {"skipped": True}, {"closing": True}])
def test_a_notification_is_stored_as_it_was_made(given: dict[str, Any]) -> None:
    new = claimed(a_fresh(**given), LATER, LEASE)
    there = stored(new, 5)
    assert {f.name: getattr(there, f.name) for f in fields(Row)} == {
        f.name: getattr(new, f.name) for f in fields(Row)
    }


def test_a_claim_is_the_same_of_what_is_stored_and_of_what_is_not_yet() -> None:
    new = a_fresh()
    assert stored(claimed(new, LATER, LEASE), 5) == claimed(stored(new, 5), LATER, LEASE)


def test_event_origin_and_integration_are_the_identity() -> None:
    new = [
        a_fresh(),
        a_fresh(event_id=UUID(int=2)),
        a_fresh(origin="trigger:1"),
        a_fresh(origin="trigger:2"),
        a_fresh(integration_id=8),
    ]
    assert len({n.identity for n in new}) == len(new)
    assert a_fresh(severity=Severity.INFO, skipped=True).identity == a_fresh().identity


def test_a_notification_of_an_integration_that_is_off_has_ended_as_it_is_made() -> None:
    assert changes(a_fresh(), a_fresh(skipped=True)) == {
        "state": State.SKIPPED,
        "recheck_at": None,
        "finished_at": NOON,
    }


def test_an_integrations_notification_of_its_own_end_waits_a_second_for_the_others() -> None:
    assert changes(a_fresh(), a_fresh(closing=True)) == {
        "closing": True,
        "due_at": NOON + SECOND,
        "recheck_at": NOON + SECOND + GRACE,
    }


def test_a_claim_is_a_new_fence_and_holds_for_a_lease() -> None:
    before = a_notification(fence=4, lost_claims=1, rechecks=3)
    assert changes(before, claimed(before, LATER, LEASE)) == {
        "fence": 5,
        "lost_claims": 2,
        "rechecks": 0,
        "lease_until": LATER + LEASE,
        "recheck_at": LATER + LEASE,
    }


def test_put_back_gives_the_claim_back_as_if_it_had_not_been() -> None:
    before = a_notification(lost_claims=1)
    taken = claimed(before, NOON, LEASE)
    assert changes(taken, put_back(taken, LATER, GRACE)) == {
        "lost_claims": 1,
        "lease_until": None,
        "recheck_at": LATER + GRACE,
        "link": 1,
    }


def test_put_back_was_due_though_the_clock_was_set_back_since() -> None:
    taken = claimed(a_notification(due_at=LATER), LATER, LEASE)
    assert put_back(taken, NOON, GRACE).due_at == NOON


def test_put_back_never_counts_below_none() -> None:
    assert put_back(a_notification(lost_claims=0), NOON, GRACE).lost_claims == 0


def test_what_waits_behind_a_bulkhead_is_looked_at_after_a_minute() -> None:
    before = a_notification(lease_until=LATER)
    after = held_back(before, NOON)
    assert changes(before, after) == {
        "lease_until": None,
        "recheck_at": NOON + timedelta(minutes=1),
    }


def test_a_reserved_grant_is_when_it_is_due_and_nobody_is_on_it_till_then() -> None:
    before = a_notification(lease_until=LATER)
    grant = NOON + timedelta(seconds=70)
    assert changes(before, waiting_for_grant(before, grant, GRACE)) == {
        "due_at": grant,
        "lease_until": None,
        "recheck_at": grant + GRACE,
        "link": 1,
    }


def test_sweep_publishes_after_15_then_30_then_every_40_seconds() -> None:
    n, now, pauses = a_notification(), NOON, []
    for _ in range(12):
        n = rechecked(n, now, GRACE)
        assert n.recheck_at is not None
        pauses.append((n.recheck_at - now).total_seconds())
        now = n.recheck_at
    assert pauses == [15, 30, *[40] * 10]
    assert n.rechecks == 10


def test_sweep_publishes_for_what_is_not_due_yet_after_it_is() -> None:
    n = rechecked(a_notification(due_at=LATER), NOON, GRACE)
    assert n.recheck_at == LATER + GRACE


def test_a_publish_longer_than_the_cap_stays_as_long() -> None:
    n = rechecked(a_notification(rechecks=4), NOON, timedelta(minutes=2))
    assert n.recheck_at == NOON + timedelta(minutes=2)


@pytest.mark.parametrize("current", [True, False], ids=["current", "stale"])
@pytest.mark.parametrize("state", [State.PENDING, State.RETRYING, *ENDED[1:]])
def test_a_2xx_delivers_whatever_is_not_delivered(state: State, *, current: bool) -> None:
    before = a_notification(state=state, fence=3, attempts_made=2, lost_claims=1)
    after = record(before, Delivered(), current=current)
    assert after.state is State.DELIVERED
    assert (after.finished_at, after.recheck_at, after.lease_until) == (LATER, None, None)
    assert (after.lost_claims, after.end_reason) == (0, None)
    assert after.attempts_made == (3 if current else 2)


def test_a_second_2xx_changes_nothing() -> None:
    delivered = an_ended(State.DELIVERED)
    assert record(delivered, Delivered()) is delivered


def test_a_failure_is_due_again_its_wait_after_the_answer() -> None:
    before = claimed(a_notification(rechecks=2), NOON, LEASE)
    assert changes(before, record(before, AGAIN)) == {
        "state": State.RETRYING,
        "attempts_made": 1,
        "lost_claims": 0,
        "due_at": NOON + AGAIN.wait,
        "lease_until": None,
        "recheck_at": LATER + GRACE,
        "link": 1,
    }


def test_after_an_attempt_sweep_counts_its_publishes_anew() -> None:
    assert record(a_notification(rechecks=2), AGAIN).rechecks == 0


def test_sweep_worries_a_publish_after_the_next_attempt_is_due() -> None:
    after = record(a_notification(), RetryLater(timedelta(minutes=30)))
    assert after.recheck_at == NOON + timedelta(minutes=30) + GRACE


def test_after_the_last_attempt_it_has_failed() -> None:
    before = a_notification(state=State.RETRYING, attempts_made=16, lost_claims=1)
    after = record(before, GaveUp())
    assert (after.state, after.attempts_made, after.lost_claims) == (State.FAILED, 17, 0)
    assert (after.finished_at, after.recheck_at, after.end_reason) == (LATER, None, None)


@pytest.mark.parametrize("outcome", [AGAIN, GaveUp()], ids=["failure", "gave up"])
def test_a_failure_under_an_older_claim_changes_nothing(outcome: Outcome) -> None:
    before = a_notification(state=State.RETRYING, fence=4)
    assert record(before, outcome, current=False) is before


@pytest.mark.parametrize("outcome", [AGAIN, GaveUp()], ids=["failure", "gave up"])
@pytest.mark.parametrize("state", ENDED)
def test_a_failure_changes_nothing_of_what_has_ended(state: State, outcome: Outcome) -> None:
    before = an_ended(state)
    assert record(before, outcome) is before


@pytest.mark.parametrize("state", ENDED[1:])
def test_a_replay_is_the_same_notification_from_its_first_attempt(state: State) -> None:
    before = replace(
        an_ended(state),
        run=2,
        disablings=1,
        closing=True,
        end_reason="worker_lost",
        rechecks=2,
        lost_claims=4,
        lease_until=NOON + LEASE,
    )
    after = replayed(before, 3, LATER, GRACE)
    assert (after.id, after.state, after.run, after.attempts_made) == (1, State.PENDING, 3, 0)
    assert (after.due_at, after.recheck_at) == (LATER, LATER + GRACE)
    assert (after.lease_until, after.finished_at, after.end_reason) == (None, None, None)
    assert (after.lost_claims, after.rechecks, after.disablings, after.closing) == (0, 0, 3, False)


def test_what_was_still_under_way_before_a_replay_is_fenced_off() -> None:
    before = an_ended(State.CANCELLED)
    assert replayed(before, 1, LATER, GRACE).fence == before.fence + 1


def test_an_ended_one_is_nobodys_any_more() -> None:
    n = ended(claimed(a_notification(), NOON, LEASE), State.FAILED, LATER, "worker_lost")
    assert (n.state, n.end_reason) == (State.FAILED, "worker_lost")
    assert (n.finished_at, n.recheck_at, n.lease_until) == (LATER, None, None)


@pytest.mark.parametrize(
    "changed",
    [
        carried_on(a_notification()),
        waiting_for_grant(a_notification(), LATER, GRACE),
        put_back(a_notification(), NOON, GRACE),
        rechecked(a_notification(), NOON, GRACE),
        record(a_notification(), AGAIN),
        replayed(an_ended(State.FAILED), 0, LATER, GRACE),
    ],
)
def test_whatever_is_followed_by_a_message_is_carried_on_by_that_one(changed: Notification) -> None:
    assert changed.link == 1

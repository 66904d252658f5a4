"""Lateness is counted once for each attempt, in the transaction that records it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from build import Bench, an_answer, an_attempt

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.operation import show_operation

if TYPE_CHECKING:
    from wallarm_notify.domain.lateness import Lateness
    from wallarm_notify.domain.outcome import Attempt


def lateness(bench: Bench) -> list[Lateness]:
    return list(show_operation(bench.ctx, EVERY_CLIENT).lateness)


def attempts(bench: Bench) -> list[int]:
    return [one.attempts for one in lateness(bench)]


def late_attempt(bench: Bench, ids: list[int], seconds: float, status: int = 202) -> Attempt:
    """Return an attempt under a claim, which begins so late."""
    (sending,) = (claim := bench.claim(ids)).sendings
    at = sending.notification.due_at + timedelta(seconds=seconds)
    return replace(an_attempt(sending, claim, an_answer(status)), at=at)


def test_first_attempts_and_those_of_each_cycle_are_counted_apart(bench: Bench) -> None:
    bench.integration()
    ids = bench.made()
    for number in range(1, 18):
        bench.sql("UPDATE notifications SET due_at = now() - interval '1 hour'")
        bench.record([late_attempt(bench, ids, number, status=500)])
    assert attempts(bench) == [1, 5, 5, 6]
    numbers = [[1], range(2, 7), range(7, 12), range(12, 18)]
    assert [one.total for one in lateness(bench)] == [timedelta(seconds=sum(n)) for n in numbers]
    assert bench.ledger().findings == []


def test_an_attempt_that_is_recorded_twice_is_counted_once(bench: Bench) -> None:
    bench.integration()
    attempt = late_attempt(bench, bench.made(), 0.2)
    bench.record([attempt])
    bench.record([attempt])
    assert attempts(bench) == [1, 0, 0, 0]


def test_an_attempt_under_an_older_claim_is_not_counted(bench: Bench) -> None:
    bench.integration()
    ids = bench.made()
    older = late_attempt(bench, ids, 0.2, status=500)
    bench.end_leases()
    newer = late_attempt(bench, ids, 0.3)
    bench.record([older, newer])
    assert attempts(bench) == [1, 0, 0, 0]
    assert lateness(bench)[0].total == timedelta(seconds=0.3)

"""Events and attempts are counted once, in the transaction that stores them, and as the ledger counts them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from build import a_rejection, a_user_event, an_answer, an_attempt, an_event

from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.measure import Measurements, measure
from wallarm_notify.services.sweep import recheck

if TYPE_CHECKING:
    from build import Bench

ISSUE, USER = an_event().type, a_user_event().type


def measured(bench: Bench) -> Measurements:
    return measure(bench.ctx, EVERY_CLIENT)


def test_events_that_come_twice_are_counted_once_by_type(bench: Bench) -> None:
    bench.integration()
    events = [an_event(), an_event(), a_user_event()]
    bench.ingest(*events, events[0])
    bench.ingest(*events)
    traffic = measured(bench).traffic
    assert {k: n for k, n in traffic.events.items() if n} == {ISSUE: 2, USER: 1}
    assert {k: n for k, n in traffic.matched.items() if n} == {ISSUE: 2}
    assert bench.ledger().findings == []


def test_rejected_events_that_come_twice_are_counted_once_by_type(bench: Bench) -> None:
    rejections = [a_rejection(), a_rejection(type="unheard_of"), a_rejection(type=None)]
    bench.ingest(rejections=rejections)
    bench.ingest(rejections=[*rejections, rejections[0]])
    rejected = {k: n for k, n in measured(bench).traffic.rejected.items() if n}
    assert sum(rejected.values()) == bench.ledger().rejected == 3
    assert {*rejected} <= {ISSUE, "unknown"}


def test_an_attempt_that_is_recorded_twice_is_counted_once_with_its_time(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(2)
    claim = bench.claim(ids)
    took = timedelta(milliseconds=300)
    attempts = [
        replace(an_attempt(sending, claim, an_answer(status)), duration=took)
        for sending, status in zip(claim.sendings, (202, 503), strict=True)
    ]
    bench.record(attempts)
    bench.record(attempts)
    traffic = measured(bench).traffic
    assert {k: n for k, n in traffic.attempts.items() if n} == {"accepted": 1, "server": 1}
    assert (traffic.took.attempts, traffic.took.total) == (2, 2 * took)
    assert traffic.took.within[2:4] == (0, 2), "300 ms are more than 250 and less than 500"


def test_notifications_are_shown_by_state_and_as_all_that_were_made(bench: Bench) -> None:
    bench.integration()
    bench.made(3)
    found = measured(bench)
    assert (found.made, found.states[State.PENDING], sum(found.states.values())) == (3, 3, 3)


def test_what_sweep_publishes_again_is_counted(bench: Bench) -> None:
    bench.integration()
    bench.made(3)
    assert measured(bench).traffic.swept == 0
    bench.sql("UPDATE notifications SET recheck_at = now() - interval '1 second'")
    recheck(bench.ctx)
    assert measured(bench).traffic.swept == 3


def test_how_long_the_oldest_delivery_is_overdue_is_measured(bench: Bench) -> None:
    assert measured(bench).overdue == timedelta(0)
    bench.integration()
    bench.made()
    bench.sql("UPDATE notifications SET recheck_at = now() - interval '7 minutes'")
    assert timedelta(minutes=7) <= measured(bench).overdue < timedelta(minutes=8)

"""Events and attempts are counted once, in the transaction that stores them, and as the ledger counts them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from build import a_rejection, a_user_event, an_answer, an_attempt, an_event, an_event_object

from wallarm_notify.domain.event import Wrong
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.schemas.read import read_call
from wallarm_notify.services.measure import Measurements, measure
from wallarm_notify.services.sweep import recheck

if TYPE_CHECKING:
    from collections.abc import Callable

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
    assert rejected == {(ISSUE, Wrong.FIELDS): 1, ("unknown", Wrong.FIELDS): 2}
    assert measured(bench).traffic.rejected_from == {"task": 3}


def test_rejected_events_are_counted_by_what_is_wrong_with_them(bench: Bench) -> None:
    event = an_event()
    bench.ingest(event)
    body = {**event.body, "title": "Another"}
    events, rejections = read_call(
        [[body, {"type": ISSUE}, 7, an_event_object(occurred_at="2014-01-01T00:00:00Z")]], {}
    )
    large = an_event_object(title="x" * 300_000)
    bench.ingest(*events, rejections=[*rejections, *read_call([[large]], {}, "token 3 (CI)")[1]])
    bench.ingest(rejections=read_call([1, 2], {})[1])
    found = measured(bench).traffic
    counted = Counter[str]()
    for (_, wrong), number in found.rejected.items():
        counted[wrong] += number
    assert +counted == dict.fromkeys(("conflict", "fields", "json", "time", "size", "call"), 1)
    assert found.rejected_from == {"task": 5, "token 3": 1}


def test_waits_for_the_rate_limit_are_counted_by_the_claim_that_finds_no_grant(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(rate_limit=10)
    bench.integration()
    ids = bench.made(12)
    waiting = 12 - len(bench.claim(ids).sendings)
    traffic = measured(bench).traffic
    assert traffic.waits == waiting > 0
    assert timedelta(seconds=50) * waiting < traffic.waited <= timedelta(seconds=63) * waiting


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

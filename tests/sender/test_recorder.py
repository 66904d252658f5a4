"""Outcomes are recorded together, again where the database was away, and let go only then."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from build import NOON, RememberingPublisher, an_answer, eventually

from sender.claims import Kept, a_claim, a_retry, one_each, sendings
from wallarm_notify.domain.delivery_report import DeliveryTask
from wallarm_notify.domain.errors import BadRow, Unavailable
from wallarm_notify.pagerduty.client import Response
from wallarm_notify.sender.in_flight import Dispatch, InFlight, InFlightLimits, Step
from wallarm_notify.sender.recorder import (
    RECORD_AT_ONCE,
    Outcomes,
    Recorder,
    attempt_of,
    record_attempts,
)
from wallarm_notify.sender.retry_buffer import RetryBuffer

if TYPE_CHECKING:
    from wallarm_notify.domain.delivery_report import Report
    from wallarm_notify.domain.sending import Sending


@pytest.fixture
def in_flight() -> InFlight:
    return InFlight(InFlightLimits(fast=1000, of_client=1000, of_integration=1000))


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def publisher() -> RememberingPublisher:
    return RememberingPublisher()


@pytest.fixture
def recorder(in_flight: InFlight, kept: Kept, publisher: RememberingPublisher) -> Recorder:
    return Recorder(in_flight, kept.ctx, RetryBuffer(publisher))


def dispatched(in_flight: InFlight, *groups: tuple[Sending, ...]) -> list[Dispatch]:
    """What of a claim has begun."""
    in_flight.add(a_claim(*groups))
    in_flight.start_round(0)
    found = []
    while (following := in_flight.next(0, 0)) is not None:
        assert following[0] is Step.BEGIN
        found.append(following[1])
    return found


def answered(in_flight: InFlight, dispatches: list[Dispatch], took: float = 0.1) -> Outcomes:
    """The responses to these, as the dispatcher hands them over."""
    in_flight.end(dispatches)
    return Outcomes(
        responses=[
            Response(d, an_answer(), d.claim.began, d.claim.began + took) for d in dispatches
        ]
    )


# What is recorded.


def test_what_was_answered_is_recorded_and_let_go(
    recorder: Recorder, in_flight: InFlight, kept: Kept
) -> None:
    recorder.put(answered(in_flight, dispatched(in_flight, sendings([1, 2], 1))))
    assert in_flight.wait_until_recorded(5)
    assert kept.recorded == [1, 2]


@pytest.mark.timing
def test_the_first_outcome_does_not_wait_and_what_comes_meanwhile_is_recorded_together(
    recorder: Recorder, in_flight: InFlight, kept: Kept
) -> None:
    dispatches = dispatched(in_flight, *one_each(50))
    for dispatch in dispatches:
        recorder.put(answered(in_flight, [dispatch]))
    eventually(lambda: kept.records, 0.15)
    assert in_flight.wait_until_recorded(5)
    assert kept.recorded == list(range(1, 51))
    assert len(kept.records) <= 5


def test_not_too_many_are_recorded_in_one_transaction(
    recorder: Recorder, in_flight: InFlight, kept: Kept
) -> None:
    recorder.put(answered(in_flight, dispatched(in_flight, sendings(range(450), 1))))
    assert in_flight.wait_until_recorded(5)
    assert [len(batch) for batch in kept.records] == [RECORD_AT_ONCE, RECORD_AT_ONCE, 50]


def test_an_attempt_is_dated_by_the_databases_clock_and_never_takes_less_than_no_time(
    in_flight: InFlight,
) -> None:
    (dispatch,) = dispatched(in_flight, sendings([7], 3))
    began = dispatch.claim.began
    attempt = attempt_of(Response(dispatch, an_answer(), began + 1.5, began + 3.5))
    assert (attempt.notification_id, attempt.integration_id) == (7, 3)
    assert (attempt.fence, attempt.run, attempt.number, attempt.generation) == (1, 1, 3, 0)
    assert (attempt.at, attempt.duration) == (
        NOON + timedelta(seconds=1.5),
        timedelta(seconds=2),
    )
    backwards = attempt_of(Response(dispatch, an_answer(), began + 3, began + 1))
    assert backwards.duration == timedelta()


def test_a_record_says_who_was_slow_and_under_which_token(
    recorder: Recorder, in_flight: InFlight, kept: Kept
) -> None:
    held = sendings([1], 1, slow=True)
    dispatches = dispatched(in_flight, held, sendings([2], 2), sendings([3], 3))
    dispatches[1].is_slow = True
    recorder.put(answered(in_flight, dispatches))
    assert in_flight.wait_until_recorded(5)
    assert kept.slow_at_record == [[1, 2]]
    assert kept.tokens_at_record == [{1: held[0].notification.bulkhead_token}]


def test_what_goes_back_is_given_back_as_what_it_is(
    recorder: Recorder, in_flight: InFlight, kept: Kept
) -> None:
    one, two = dispatched(in_flight, sendings([1], 1), sendings([2], 2))
    in_flight.end([one, two])
    recorder.put(Outcomes(slow=[1], held=[one], unsent=[two]))
    assert in_flight.wait_until_recorded(5)
    assert kept.calls == ["mark_slow", "put_back", "put_back"]
    assert kept.slow == [1]
    assert kept.given_back == [(1, True), (2, False)]


# Retries.


def test_retries_are_enqueued_when_they_are_due_together(
    recorder: Recorder, in_flight: InFlight, kept: Kept, publisher: RememberingPublisher
) -> None:
    kept.retries = [a_retry(1, 1), a_retry(2, 60), a_retry(3, 60)]
    recorder.put(answered(in_flight, dispatched(in_flight, sendings([1, 2, 3], 1))))
    assert in_flight.wait_until_recorded(5)
    assert publisher.ids() == [1]
    assert eventually(publisher.ids) == [2, 3]


def test_what_follows_from_a_record_can_be_enqueued_as_soon_as_nothing_is_in_flight(
    recorder: Recorder, in_flight: InFlight, kept: Kept, publisher: RememberingPublisher
) -> None:
    kept.retries = [a_retry(1, 60)]
    recorder.put(answered(in_flight, dispatched(in_flight, sendings([1], 1))))
    assert in_flight.wait_until_recorded(5)
    recorder.flush()
    assert publisher.ids() == [1]


@pytest.mark.parametrize("error", [Unavailable("away"), RuntimeError("odd")])
def test_retries_are_enqueued_once_whatever_goes_wrong_after_the_record(
    in_flight: InFlight, kept: Kept, publisher: RememberingPublisher, error: Exception
) -> None:
    retries = RetryBuffer(publisher)
    attempts = [
        attempt_of(r)
        for r in answered(in_flight, dispatched(in_flight, sendings([1, 2], 1))).responses
    ]
    kept.retries = [a_retry(1, 1), a_retry(2, 60)]
    kept.broken = {"follow_up": error}
    with pytest.raises(type(error)):
        record_attempts(kept.ctx, retries, attempts)
    kept.broken = {}
    record_attempts(kept.ctx, retries, attempts)
    retries.publish(at_once=True)
    assert publisher.ids() == [1, 2]


def test_retries_are_enqueued_though_the_database_is_away(
    recorder: Recorder, in_flight: InFlight, kept: Kept, publisher: RememberingPublisher
) -> None:
    kept.retries = [a_retry(1, 60)]
    one, two = dispatched(in_flight, sendings([1], 1), sendings([2], 2))
    recorder.put(answered(in_flight, [one]))
    eventually(lambda: kept.recorded == [1])
    kept.broken = {"record": Unavailable("away")}
    recorder.put(answered(in_flight, [two]))
    assert eventually(publisher.ids) == [1]
    assert kept.recorded == [1]
    kept.broken = {}
    assert in_flight.wait_until_recorded(5)


# What goes wrong.


FAILURES = [
    *((call, Unavailable) for call in ("record", "follow_up", "put_back", "mark_slow")),
    *((call, RuntimeError) for call in ("record", "follow_up", "put_back", "mark_slow")),
    # An attempt that the database refuses is let go: see below.
    *((call, BadRow) for call in ("put_back", "mark_slow")),
]


@pytest.mark.parametrize(("call", "error"), FAILURES)
def test_everything_is_recorded_in_the_end_whatever_fails_for_a_while(
    recorder: Recorder, in_flight: InFlight, kept: Kept, call: str, error: type[Exception]
) -> None:
    one, two, three = dispatched(in_flight, sendings([1, 2, 3], 1))
    in_flight.end([two, three])
    kept.broken = {call: error("for a while")}
    outcomes = answered(in_flight, [one])
    outcomes.add(Outcomes(slow=[1], held=[two], unsent=[three]))
    recorder.put(outcomes)
    eventually(lambda: kept.calls.count(call) >= 2)
    kept.broken = {}
    eventually(lambda: kept.slow == [1])
    assert in_flight.wait_until_recorded(5)
    assert set(kept.recorded) == {1}
    assert kept.given_back == [(2, True), (3, False)]


@pytest.mark.parametrize("call", ["record", "follow_up", "put_back", "mark_slow"])
def test_nothing_is_let_go_before_it_is_recorded(
    recorder: Recorder, in_flight: InFlight, kept: Kept, call: str
) -> None:
    one, two = dispatched(in_flight, sendings([1, 2], 1))
    in_flight.end([two])
    kept.broken = {call: Unavailable("away")}
    outcomes = answered(in_flight, [one])
    outcomes.add(Outcomes(slow=[1], unsent=[two]))
    recorder.put(outcomes)
    eventually(lambda: kept.calls.count(call) >= 2)
    assert not in_flight.wait_until_recorded(0)
    kept.broken = {}
    assert in_flight.wait_until_recorded(5)


@pytest.mark.parametrize("call", ["put_back", "mark_slow"])
def test_what_cannot_be_given_back_keeps_no_outcome_from_being_recorded(
    recorder: Recorder, in_flight: InFlight, kept: Kept, call: str
) -> None:
    dispatches = dispatched(in_flight, sendings(range(5), 1))
    kept.broken = {call: RuntimeError("for a long time")}
    in_flight.end(dispatches[:1])
    recorder.put(Outcomes(slow=[1], unsent=dispatches[:1]))
    for dispatch in dispatches[1:]:
        recorder.put(answered(in_flight, [dispatch]))
    eventually(lambda: kept.recorded == [1, 2, 3, 4])
    assert in_flight.unrecorded == (1 if call == "put_back" else 0)
    kept.broken = {}
    assert in_flight.wait_until_recorded(5)
    eventually(lambda: kept.slow == [1])


def test_an_outcome_that_is_refused_does_not_keep_others_from_being_recorded(
    recorder: Recorder,
    in_flight: InFlight,
    kept: Kept,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept.refused = {3}
    recorder.put(answered(in_flight, dispatched(in_flight, sendings(range(6), 1))))
    assert in_flight.wait_until_recorded(5)
    assert kept.recorded == [0, 1, 2, 4, 5]
    assert [r.message for r in caplog.records] == ["delivery.not_recorded"]


def test_where_the_database_goes_away_while_one_is_refused_each_of_the_others_is_recorded(
    recorder: Recorder, in_flight: InFlight, kept: Kept
) -> None:
    kept.refused = {0}
    kept.away = 1
    recorder.put(answered(in_flight, dispatched(in_flight, sendings(range(3), 1))))
    assert in_flight.wait_until_recorded(5)
    assert set(kept.recorded) == {1, 2}


def test_retries_that_cannot_be_enqueued_stop_no_record(
    in_flight: InFlight, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(RetryBuffer):
        failures = 3

        def publish(self, *, at_once: bool = False) -> float | None:
            if not self.failures:
                return None
            self.failures -= 1
            raise ZeroDivisionError

    recorder = Recorder(in_flight, kept.ctx, Broken(RememberingPublisher()))
    for dispatch in dispatched(in_flight, *one_each(2)):
        recorder.put(answered(in_flight, [dispatch]))
    assert in_flight.wait_until_recorded(5)
    assert kept.recorded == [1, 2]
    eventually(lambda: len(caplog.records) == 3)
    assert {r.message for r in caplog.records} == {"recorder.retries_not_published"}


def test_a_record_that_takes_long_lets_others_put_theirs(in_flight: InFlight, kept: Kept) -> None:
    goes_on = threading.Event()

    class Slow(Kept):
        def follow_up(self, *args: object, **more: object) -> None:
            assert goes_on.wait(5)

    slow = Slow()
    recorder = Recorder(in_flight, slow.ctx, RetryBuffer(RememberingPublisher()))
    dispatches = dispatched(in_flight, *one_each(3))
    for dispatch in dispatches:
        recorder.put(answered(in_flight, [dispatch]))
        eventually(lambda: slow.records)
    assert not in_flight.wait_until_recorded(0.05)
    goes_on.set()
    assert in_flight.wait_until_recorded(5)
    assert slow.recorded == [1, 2, 3]


# What is reported.


class Remembering:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def report(self, report: Report) -> None:
        self.words.append(f"{report.state.value}: {report.words}")

    def drain(self, seconds: float) -> None:
        """Nothing waits."""


class Faulty(Remembering):
    """A reporter with a fault."""

    def report(self, report: Report) -> None:
        super().report(report)
        raise RuntimeError("can't start new thread")


def test_what_is_wrong_with_a_report_keeps_no_outcome_from_being_recorded_once(
    in_flight: InFlight, kept: Kept, publisher: RememberingPublisher
) -> None:
    reported = Faulty()
    recorder = Recorder(in_flight, kept.ctx, RetryBuffer(publisher), reported)
    recorder.put(answered(in_flight, watched(in_flight, range(1, 4))))
    assert in_flight.wait_until_recorded(5)
    assert kept.recorded == [1, 2, 3]
    assert kept.calls == ["record", "follow_up"]
    assert len(reported.words) == 1


def watched(in_flight: InFlight, ids: range) -> list[Dispatch]:
    """What of a watched task's claim has begun."""
    claim = replace(a_claim(sendings(ids, 1)), asked=len(ids), task=DeliveryTask("id", "node", 0))
    in_flight.add(claim)
    in_flight.start_round(0)
    return [following[1] for _ in ids if (following := in_flight.next(0, 0)) is not None]


def test_a_task_is_reported_once_and_only_when_all_of_its_claim_is_recorded(
    in_flight: InFlight, kept: Kept, publisher: RememberingPublisher
) -> None:
    reported = Remembering()
    recorder = Recorder(in_flight, kept.ctx, RetryBuffer(publisher), reported)
    first, second, third = watched(in_flight, range(1, 4))
    kept.retries = [a_retry(1, 5)]
    recorder.put(answered(in_flight, [first]))
    eventually(lambda: kept.recorded == [1], 60)
    assert reported.words == []
    kept.retries = []
    recorder.put(answered(in_flight, [second]))
    in_flight.end([third])
    recorder.put(Outcomes(unsent=[third]))
    eventually(lambda: reported.words, 60)
    assert reported.words == [
        "retried: 3 notifications: 1 to be tried again (202), 1 decided by a later claim, 1 waiting"
    ]


def test_a_task_is_reported_though_no_request_could_be_made_or_nothing_was_due(
    in_flight: InFlight, kept: Kept, publisher: RememberingPublisher
) -> None:
    reported = Remembering()
    recorder = Recorder(in_flight, kept.ctx, RetryBuffer(publisher), reported)
    recorder.put(Outcomes(faulty=watched(in_flight, range(1, 2))))
    idle = replace(a_claim(), asked=2, waiting=2, task=DeliveryTask("id", "node", 0))
    recorder.put(Outcomes(idle=[idle]))
    eventually(lambda: len(reported.words) == 2, 60)
    assert reported.words == [
        "retried: 1 notification: 1 not recorded or not sent, by an error that the log has",
        "succeeded: 2 notifications: 2 waiting",
    ]


def test_a_task_whose_follow_up_fails_is_reported_by_its_first_record(
    in_flight: InFlight, kept: Kept, publisher: RememberingPublisher
) -> None:
    reported = Remembering()
    recorder = Recorder(in_flight, kept.ctx, RetryBuffer(publisher), reported)
    kept.broken["follow_up"] = Unavailable("away")
    kept.retries = [a_retry(1, 5)]
    recorder.put(answered(in_flight, watched(in_flight, range(1, 2))))
    eventually(lambda: reported.words, 60)
    kept.broken.clear()
    assert in_flight.wait_until_recorded(5)
    assert reported.words == ["retried: 1 notification: 1 to be tried again (202)"]

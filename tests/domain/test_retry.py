from __future__ import annotations

from datetime import timedelta

import pytest
from build import NOON

from wallarm_notify.domain.outcome import (
    Answer,
    Attempt,
    Delivered,
    FailureReason,
    GaveUp,
    RetryLater,
    message_of,
    outcome_of,
    reason_of_status,
)
from wallarm_notify.domain.retry import ATTEMPTS, CYCLES, LAST_ATTEMPTS, WAITS, total, wait_after

# Spec 5, written out: seconds after attempt 1, 2, 3 …
SPEC = [1, 3, 5, 10, 10, 0, 1, 3, 5, 30, 60, 60, 180, 300, 600, 1800]


@pytest.mark.parametrize(("attempt", "seconds"), list(enumerate(SPEC, start=1)))
def test_the_wait_after_each_attempt_is_the_specs(attempt: int, seconds: int) -> None:
    assert wait_after(attempt) == timedelta(seconds=seconds)


def test_three_cycles_make_16_waits_17_attempts_and_51_minutes_8_seconds() -> None:
    assert [len(cycle) for cycle in CYCLES] == [5, 5, 6]
    assert [wait.total_seconds() for wait in WAITS] == SPEC
    assert (len(WAITS), ATTEMPTS) == (16, 17)
    assert total(WAITS) == timedelta(minutes=51, seconds=8)


@pytest.mark.parametrize("attempt", [17, 18, 1000])
def test_after_the_17th_attempt_there_is_no_other(attempt: int) -> None:
    assert wait_after(attempt) is None
    assert wait_after(attempt, retry_after=timedelta(seconds=1)) is None


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_are_counted_from_1(attempt: int) -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        wait_after(attempt)


def test_an_integrations_last_notification_has_the_first_cycle_only() -> None:
    waits = [wait_after(attempt, closing=True) for attempt in range(1, 8)]
    assert waits == [*(timedelta(seconds=s) for s in (1, 3, 5, 10, 10)), None, None]
    assert LAST_ATTEMPTS == 6


@pytest.mark.parametrize(
    ("attempt", "asked", "waited"),
    [
        pytest.param(4, 3, 10, id="shorter than the wait: the wait"),
        pytest.param(4, 10, 10, id="equal"),
        pytest.param(4, 11, 11, id="longer: what was asked for"),
        pytest.param(6, 0, 0, id="zero"),
        pytest.param(1, 1800, 1800, id="half an hour"),
        pytest.param(1, 1801, 1800, id="longer than half an hour: half an hour"),
        pytest.param(1, 10**9, 1800, id="thirty years"),
        pytest.param(16, 60, 1800, id="the longest wait stays"),
    ],
)
def test_the_longer_of_wait_and_retry_after_holds_up_to_half_an_hour(
    attempt: int, asked: int, waited: int
) -> None:
    assert wait_after(attempt, retry_after=timedelta(seconds=asked)) == timedelta(seconds=waited)


def test_scale_shortens_the_waits_of_the_cycles_and_not_what_the_answer_asked_for() -> None:
    assert wait_after(16, scale=0.01) == timedelta(seconds=18)
    assert wait_after(16, scale=0.01, retry_after=timedelta(seconds=20)) == timedelta(seconds=20)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (100, FailureReason.STATUS),
        (103, FailureReason.STATUS),
        (199, FailureReason.STATUS),
        (200, None),
        (202, None),
        (204, None),
        (299, None),
        (300, FailureReason.REDIRECT),
        (301, FailureReason.REDIRECT),
        (399, FailureReason.REDIRECT),
        (400, FailureReason.CLIENT),
        (401, FailureReason.CLIENT),
        (404, FailureReason.CLIENT),
        (408, FailureReason.CLIENT),
        (428, FailureReason.CLIENT),
        (429, FailureReason.THROTTLED),
        (430, FailureReason.CLIENT),
        (499, FailureReason.CLIENT),
        (500, FailureReason.SERVER),
        (503, FailureReason.SERVER),
        (599, FailureReason.SERVER),
        (600, FailureReason.STATUS),
        (999, FailureReason.STATUS),
        (0, FailureReason.STATUS),
    ],
)
def test_only_2xx_delivers_and_everything_else_is_sent_again(
    status: int, reason: FailureReason | None
) -> None:
    assert reason_of_status(status) is reason
    wanted = Delivered() if reason is None else RetryLater(timedelta(seconds=1))
    assert outcome_of(Answer(status, reason), number=1) == wanted


@pytest.mark.parametrize("reason", FailureReason)
def test_no_answer_is_sent_again_whatever_the_reason(reason: FailureReason) -> None:
    assert outcome_of(Answer(None, reason), number=2) == RetryLater(timedelta(seconds=3))


@pytest.mark.parametrize(
    ("number", "last", "gives_up"),
    [(16, False, False), (17, False, True), (5, True, False), (6, True, True)],
)
def test_the_last_attempt_of_the_schedule_gives_up(
    number: int, *, last: bool, gives_up: bool
) -> None:
    outcome = outcome_of(Answer(500, FailureReason.SERVER), number=number, closing=last)
    assert (outcome == GaveUp()) is gives_up


def test_the_last_attempt_can_still_deliver() -> None:
    assert outcome_of(Answer(202), number=17) == Delivered()


@pytest.mark.parametrize("seconds", [0, 15])
def test_an_answer_came_when_the_attempt_had_begun_and_taken_its_time(seconds: int) -> None:
    took = timedelta(seconds=seconds)
    assert Attempt(1, 1, 1, 1, 1, 1, NOON, took, Answer(202), 1).answered_at == NOON + took


def test_retry_after_and_scale_reach_the_wait() -> None:
    answer = Answer(429, FailureReason.THROTTLED, retry_after=timedelta(seconds=42))
    assert outcome_of(answer, number=1) == RetryLater(timedelta(seconds=42))
    plain = Answer(500, FailureReason.SERVER)
    assert outcome_of(plain, number=16, scale=0.5) == RetryLater(timedelta(minutes=15))


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        pytest.param(
            '{"message": "Event object is invalid", "errors": ["no key", "no summary"]}',
            "Event object is invalid: no key; no summary",
            id="message and errors",
        ),
        pytest.param('{"message": "Throttled", "errors": [429]}', "Throttled: 429", id="a number"),
        pytest.param('{"message": "Throttled", "errors": []}', "Throttled", id="no errors"),
        pytest.param('{"message": "Throttled"}', "Throttled", id="a message alone"),
        pytest.param('{"message": "No", "errors": "text"}', "No", id="errors that are no list"),
        pytest.param('{"message": "", "errors": ["no key"]}', ": no key", id="an empty message"),
    ],
)
def test_an_answer_says_its_message_and_its_errors(response: str, sentence: str) -> None:
    assert message_of(response) == sentence


@pytest.mark.parametrize(
    "response",
    [
        pytest.param("", id="nothing"),
        pytest.param("<h1>Bad Gateway</h1>", id="no JSON"),
        pytest.param('{"message": "cut off', id="JSON cut off"),
        pytest.param("[" * 100_000, id="nested too deep"),
        pytest.param('["message"]', id="a list"),
        pytest.param('"message"', id="a text"),
        pytest.param('{"error": "no"}', id="no message"),
        pytest.param('{"message": 7, "errors": ["no key"]}', id="a message that is no text"),
    ],
)
def test_an_answer_of_another_form_is_shown_as_it_came(response: str) -> None:
    assert message_of(response) == response

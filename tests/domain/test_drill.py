"""Drills: which answers settle whether a key works, and when the next drill is due."""

from __future__ import annotations

from datetime import timedelta

import pytest
from build import an_answer

from wallarm_notify.domain.drill import PERIODS_UNTIL_OVERDUE, SOONEST, Drilled, next_after
from wallarm_notify.domain.outcome import Answer, FailureReason

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("answer", "settled"),
    [
        (an_answer(202), True),
        (an_answer(400, response="Invalid routing key"), True),
        (an_answer(400, response='{"errors": ["invalid routing key"]}'), True),
        (an_answer(400, response="Bad Request"), False),
        (an_answer(403, response="Invalid routing key"), False),
        (an_answer(407), False),
        (an_answer(429), False),
        (an_answer(500), False),
        (an_answer(302), False),
        *(
            (Answer(None, reason), False)
            for reason in FailureReason
            if not reason.startswith("http")
        ),
    ],
    ids=str,
)
def test_a_drill_is_settled_where_its_key_is_taken_or_unknown(
    answer: Answer, settled: bool
) -> None:
    assert Drilled(1, "us", answer).settled is settled


@pytest.mark.parametrize(
    ("interval", "next_one"),
    [
        (24 * HOUR, 6 * HOUR),
        (HOUR, 15 * MINUTE),
        (40 * MINUTE, 10 * MINUTE),
        (39 * MINUTE, 10 * MINUTE),
        (10 * MINUTE, 10 * MINUTE),
        (3 * MINUTE, 3 * MINUTE),
    ],
)
def test_what_was_not_settled_is_drilled_again_soon_but_never_more_than_once_in_ten_minutes(
    interval: timedelta, next_one: timedelta
) -> None:
    assert next_after(interval, settled=False) == next_one
    assert next_after(interval, settled=True) == interval
    assert next_one >= min(SOONEST, interval)


def test_a_drill_that_settled_nothing_is_done_again_before_its_proof_is_overdue() -> None:
    tries = (PERIODS_UNTIL_OVERDUE - 1) * 24 * HOUR / next_after(24 * HOUR, settled=False)
    assert tries == 4

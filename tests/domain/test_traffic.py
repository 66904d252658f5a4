"""Traffic is counted by names of our own alone, and read again from the counters."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from wallarm_notify.domain.event import EVENT_TYPES, Rejection, Wrong
from wallarm_notify.domain.outcome import Answer, FailureReason
from wallarm_notify.domain.traffic import (
    ANSWERS,
    SWEPT,
    TOOK_BOUNDS_MS,
    UNKNOWN,
    counted_attempt,
    counted_events,
    counted_rejections,
    counted_waits,
    traffic_in,
)

KIND, OTHER = sorted(EVENT_TYPES)[:2]


def rejected(**fields: Any) -> Rejection:
    return Rejection(**{"reason": "no", "text": "{}", "body_hash": b"", "type": KIND, **fields})


def test_without_counters_everything_is_there_and_zero() -> None:
    found = traffic_in({})
    assert {*found.events} == {*found.matched} == {*EVENT_TYPES}
    assert {*found.rejected} == {(k, w) for k in (*EVENT_TYPES, UNKNOWN) for w in Wrong}
    assert found.rejected_from == {}
    assert {*found.attempts} == {*ANSWERS}
    assert not any([*found.events.values(), *found.attempts.values(), found.took.attempts])


def test_events_are_counted_by_type_and_so_is_what_matched() -> None:
    found = traffic_in(counted_events([KIND, KIND, OTHER], [KIND]))
    assert (found.events[KIND], found.events[OTHER], found.matched[KIND]) == (2, 1, 1)
    assert found.matched[OTHER] == 0


@pytest.mark.parametrize("strangers", [None, "", "x" * 500, "event:evil", "<script>"])
def test_a_type_that_is_not_known_makes_no_counter_of_its_own(strangers: str | None) -> None:
    counts = counted_rejections([rejected(type=strangers), rejected(wrong=Wrong.SIZE)])
    assert counts == {
        f"rejected:{UNKNOWN}:fields": 1,
        f"rejected:{KIND}:size": 1,
        "rejected_from:task": 2,
    }
    assert traffic_in(counts).rejected[UNKNOWN, Wrong.FIELDS] == 1


@pytest.mark.parametrize(
    ("sent_by", "sender"),
    [
        (None, "task"),
        ("gen17@host", "task"),
        ("token 3 (billing)", "token 3"),
        ("token 3 (user 4)", "token 3"),
        ("user 3 (Ana)", "user"),
        ("token 12345 (claimed)", "task"),
        ("token 0 (claimed)", "task"),
        ("token 3", "task"),
        ("a token 3 (claimed)", "task"),
    ],
)
def test_a_sender_is_a_token_or_a_user_of_the_api_or_a_task(
    sent_by: str | None, sender: str
) -> None:
    counts = counted_rejections([rejected(sent_by=sent_by)])
    assert traffic_in(counts).rejected_from == {sender: 1}


def test_waits_for_the_rate_limit_are_counted_with_their_time() -> None:
    found = traffic_in(counted_waits([timedelta(seconds=2), timedelta(milliseconds=500)]))
    assert (found.waits, found.waited) == (2, timedelta(seconds=2.5))


@pytest.mark.parametrize(
    ("reason", "status", "kind"),
    [
        (None, 202, "accepted"),
        (FailureReason.CLIENT, 400, "client"),
        (FailureReason.THROTTLED, 429, "throttled"),
        (FailureReason.SERVER, 503, "server"),
        (FailureReason.TIMEOUT, None, "network"),
        (FailureReason.STATUS, 302, "other"),
    ],
)
def test_an_attempt_is_counted_by_the_class_of_its_answer(
    reason: FailureReason | None, status: int | None, kind: str
) -> None:
    answer = Answer(status, reason)
    found = traffic_in(counted_attempt(answer, timedelta(milliseconds=70)))
    assert {name for name, number in found.attempts.items() if number} == {kind}


@pytest.mark.parametrize(
    ("milliseconds", "place"),
    [(0, 0), (50, 0), (50.4, 0), (51, 1), (15_000, 7), (15_001, 8), (-3, 0)],
)
def test_how_long_it_took_is_counted_in_the_first_bucket_that_holds_it(
    milliseconds: float, place: int
) -> None:
    answer = Answer(202)
    took = traffic_in(counted_attempt(answer, timedelta(milliseconds=milliseconds))).took
    assert took.within == tuple(int(n >= place) for n in range(len(TOOK_BOUNDS_MS)))
    assert took.attempts == 1
    assert took.total == timedelta(milliseconds=max(0, round(milliseconds)))


def test_what_sweep_published_is_read_from_its_counter() -> None:
    assert traffic_in(Counter({SWEPT: 3})).swept == 3

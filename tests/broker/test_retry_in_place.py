"""A task whose database is away tries again in place, and hands its message back once (engine 4)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import Reject

from wallarm_notify.broker.retry_in_place import (
    FIRST_WAIT,
    LONGEST_WAIT,
    PATIENCE,
    retry_in_place,
)
from wallarm_notify.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

AWAY = Unavailable("the database is away")


class Time:
    """A clock that goes on while somebody sleeps, and while ``work`` is tried, which takes ``seconds``."""

    def __init__(self, seconds: float = 0) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._seconds = seconds

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def run(self, *ends: Any) -> Any:
        """Tries what ends so, one after the other, and by the last of them again and again."""
        left = list(ends)

        def work() -> Any:
            self.now += self._seconds
            end = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(end, BaseException):
                raise end
            return end

        return retry_in_place(work, self.clock, self.sleep)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO)
    return lambda: [record.message for record in caplog.records]


def test_what_is_done_at_once_waits_for_nothing(logged: Callable[[], list[str]]) -> None:
    time = Time()
    assert time.run("stored") == "stored"
    assert (time.slept, logged()) == ([], [])


def test_a_database_that_comes_back_is_waited_for(logged: Callable[[], list[str]]) -> None:
    time = Time()
    assert time.run(AWAY, AWAY, "stored") == "stored"
    assert logged() == ["ingest.waits_for_database"] * 2


def test_each_wait_is_about_twice_the_one_before_it_and_none_over_six_seconds() -> None:
    time = Time()
    with pytest.raises(Reject):
        time.run(AWAY)
    assert time.slept[0] == FIRST_WAIT
    for before, wait in zip(time.slept, time.slept[1:], strict=False):
        expected = min(before * 2, LONGEST_WAIT)
        assert 0.8 * expected <= wait <= 1.2 * expected
    assert max(time.slept) > 3


def test_workers_part() -> None:
    slept = []
    for _ in range(2):
        time = Time()
        with pytest.raises(Reject):
            time.run(AWAY)
        slept.append(time.slept)
    assert slept[0] != slept[1]


@pytest.mark.parametrize("seconds", [0, 0.5, 7, 60])
def test_a_database_that_stays_away_costs_twenty_seconds_and_then_one_hand_back(
    seconds: float, logged: Callable[[], list[str]]
) -> None:
    time = Time(seconds)
    with pytest.raises(Reject) as caught:
        time.run(AWAY)
    rejection: Any = caught.value
    assert (rejection.requeue, rejection.reason) == (True, str(AWAY))
    # No try begins after that; one that has begun may take as long as it takes.
    assert sum(time.slept) <= PATIENCE
    assert time.now - 1000 <= PATIENCE + seconds
    assert time.now - 1000 >= min(PATIENCE - 1.2 * LONGEST_WAIT, seconds)
    assert logged().count("ingest.handed_back") == 1
    assert logged()[-1] == "ingest.handed_back"


def test_any_other_error_is_tried_again_too_and_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = Time()
    assert time.run(RuntimeError("can't start new thread"), "stored") == "stored"
    (fault, _) = caplog.records
    assert (fault.message, fault.levelname) == ("ingest.fault", "ERROR")
    assert fault.exc_info is not None
    assert str(fault.exc_info[1]) == "can't start new thread"


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_request_to_end_ends_the_retries(end: type[BaseException]) -> None:
    time = Time()
    with pytest.raises(end):
        time.run(end())
    assert time.slept == []

"""Retries are buffered for a second, so that an outage's messages do not become ever smaller."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from build import NOON, RememberingPublisher, a_notification, eventually
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.notification import Notification, State
from wallarm_notify.sender.retry_buffer import BUFFERED_FOR, SOON, RetryBuffer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.domain.batches import Message


class Clock:
    """One that stands still until it is put forward; it began at ``at``."""

    def __init__(self, at: float = 0.0) -> None:
        self._at = at

    def __call__(self) -> float:
        return self._at

    def forward(self, seconds: float) -> None:
        self._at += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def publisher() -> RememberingPublisher:
    return RememberingPublisher()


@pytest.fixture
def retries(publisher: RememberingPublisher, clock: Clock) -> RetryBuffer:
    return RetryBuffer(publisher, clock)


def due(number: int, seconds: float) -> Notification:
    """One that is to be sent again so long after noon."""
    return a_notification(
        id=number, state=State.RETRYING, attempts_made=3, due_at=NOON + timedelta(seconds=seconds)
    )


@pytest.mark.parametrize("seconds", [-1.0, 0.0, SOON.total_seconds()])
def test_what_is_due_soon_is_enqueued_at_once(
    retries: RetryBuffer, publisher: RememberingPublisher, seconds: float
) -> None:
    retries.add([due(1, seconds)], NOON)
    assert publisher.ids() == [1]
    assert retries.publish() is None


def test_what_falls_due_together_travels_together_whenever_it_was_recorded(
    retries: RetryBuffer, publisher: RememberingPublisher, clock: Clock
) -> None:
    for number in range(10):
        retries.add([due(number, 60)], NOON + timedelta(seconds=number / 100))
        clock.forward(0.01)
    assert retries.publish() == pytest.approx(0.9)
    assert publisher.taken() == []
    clock.forward(0.9)
    assert retries.publish() is None
    (message,) = publisher.taken()
    assert message.ids == tuple(range(10))
    # It has waited for a second already.
    assert message.countdown == timedelta(seconds=59)


def test_what_is_buffered_can_be_enqueued_at_once_and_only_once(
    retries: RetryBuffer, publisher: RememberingPublisher
) -> None:
    retries.add([due(1, 3)], NOON)
    assert retries.publish(at_once=True) is None
    assert retries.publish(at_once=True) is None
    assert publisher.ids() == [1]


@given(uptime=st.floats(0, 1e8))
def test_it_buffers_for_a_second_however_long_the_machine_has_run(uptime: float) -> None:
    clock, publisher = Clock(uptime), RememberingPublisher()
    retries = RetryBuffer(publisher, clock)
    retries.add([due(1, 60)], NOON)
    clock.forward(0.9)
    assert retries.publish() == pytest.approx(0.1, abs=1e-6)
    clock.forward(0.1)
    assert retries.publish() is None
    assert publisher.ids() == [1]


def test_nothing_is_enqueued_later_than_it_is_due() -> None:
    assert BUFFERED_FOR < SOON


@pytest.mark.parametrize("at_once", [False, True], ids=["after its second", "at once"])
def test_what_comes_after_has_a_second_of_its_own(
    retries: RetryBuffer, publisher: RememberingPublisher, clock: Clock, *, at_once: bool
) -> None:
    retries.add([due(1, 60)], NOON)
    clock.forward(1)
    assert retries.publish(at_once=at_once) is None
    assert [m.countdown for m in publisher.taken()] == [timedelta(seconds=59)]

    clock.forward(10)
    retries.add([due(2, 71)], NOON + timedelta(seconds=11))
    assert retries.publish() == pytest.approx(1)
    clock.forward(0.5)
    retries.add([due(3, 71)], NOON + timedelta(seconds=11.5))
    assert retries.publish() == pytest.approx(0.5)
    assert publisher.taken() == []
    clock.forward(0.5)
    assert retries.publish() is None
    (message,) = publisher.taken()
    assert (message.ids, message.countdown) == ((2, 3), timedelta(seconds=59))


def test_what_was_enqueued_at_once_starts_no_second(
    retries: RetryBuffer, publisher: RememberingPublisher, clock: Clock
) -> None:
    retries.add([due(1, 1)], NOON)
    clock.forward(10)
    retries.add([due(2, 71)], NOON + timedelta(seconds=10))
    assert retries.publish() == pytest.approx(1)
    assert publisher.ids() == [1]


def test_who_publishes_last_waits_for_what_another_thread_is_publishing() -> None:
    class Broker(RememberingPublisher):
        """One that takes its time."""

        def __init__(self) -> None:
            super().__init__()
            self.asked = threading.Event()
            self.answers = threading.Event()

        def publish(self, messages: Sequence[Message]) -> None:
            if messages:
                self.asked.set()
                assert self.answers.wait(5)
            super().publish(messages)

    broker = Broker()
    retries = RetryBuffer(broker)
    retries.add([due(1, 60)], NOON)
    found: list[list[int]] = []

    def publish() -> None:
        retries.publish(at_once=True)
        found.append(broker.ids())

    recorder = threading.Thread(target=retries.publish, kwargs={"at_once": True})
    recorder.start()
    assert broker.asked.wait(5)
    stopping = threading.Thread(target=publish)
    stopping.start()
    stopping.join(0.1)
    assert found == []
    broker.answers.set()
    eventually(lambda: found == [[1]])
    recorder.join()

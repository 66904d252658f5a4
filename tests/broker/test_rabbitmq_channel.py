"""Acknowledging several messages together never acknowledges one that is still under way."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.broker.rabbitmq_channel import REMEMBERED, CallsQoS, UnsettledTags


@given(st.lists(st.sets(st.integers(0, 12), max_size=6), max_size=8), st.integers(0, 13))
def test_what_rabbitmq_takes_for_acknowledged_is_what_was_settled(
    batches: list[set[int]], number: int
) -> None:
    tags = UnsettledTags()
    at_the_broker = set(range(number))
    for tag in range(number):
        tags.add(tag)
    settled: set[int] = set()
    for batch in batches:
        for tag, multiple in tags.settle(sorted(batch, reverse=True)):
            assert tag in at_the_broker  # RabbitMQ closes the channel at an unknown tag
            at_the_broker -= {t for t in at_the_broker if t <= tag} if multiple else {tag}
        settled |= batch
        assert at_the_broker == set(range(number)) - settled


def test_only_what_nothing_older_is_open_for_is_acknowledged_together() -> None:
    tags = UnsettledTags()
    for tag in range(1, 8):
        tags.add(tag)
    assert list(tags.settle([3, 4])) == [(3, False), (4, False)]
    assert list(tags.settle([1, 2, 6])) == [(2, True), (6, False)]
    assert list(tags.settle([5, 7, 7, 99])) == [(7, True)]
    assert list(tags.settle([5])) == []


class Channel:
    """What ``CallsQoS`` needs of a channel."""

    is_open = True

    def __init__(self) -> None:
        self.rejected: list[int] = []

    def send_ack(self, tag: int, *, multiple: bool) -> None:
        """Nothing: see the tests of ``UnsettledTags``."""

    def send_reject(self, tag: int, *, requeue: bool) -> None:
        assert requeue
        self.rejected.append(tag)


class Message:
    """A message as kombu has it."""

    def __init__(self, tag: int, name: str, *, redelivered: bool) -> None:
        self.delivery_tag = tag
        self.headers = {"id": name}
        self.delivery_info = {"redelivered": redelivered}


def a_qos() -> CallsQoS:
    channel: Any = Channel()
    return CallsQoS(channel)


def came(qos: CallsQoS, tag: int, name: str = "a", *, redelivered: bool = True) -> bool:
    qos.came(Message(tag, name, redelivered=redelivered))
    return qos.has_returned(tag)


def test_what_another_worker_had_has_come_back() -> None:
    qos = a_qos()
    assert [came(qos, 1), came(qos, 2, redelivered=False)] == [True, False]


def test_what_this_worker_handed_back_has_not_once() -> None:
    qos = a_qos()
    came(qos, 1, redelivered=False)
    qos.reject_all([1], requeue=True)
    assert not qos.has(1)
    assert not came(qos, 2)
    # It was not handed back again: another worker had it meanwhile.
    qos.ack_all([2])
    assert came(qos, 3)


def test_what_a_process_died_of_has_come_back() -> None:
    qos = a_qos()
    came(qos, 1, redelivered=False)
    qos.mark_returned([1])
    qos.reject_all([1], requeue=True)
    assert came(qos, 2)


def test_what_is_remembered_is_bounded_and_the_newest() -> None:
    qos = a_qos()
    for tag in range(REMEMBERED + 1):
        came(qos, tag, str(tag), redelivered=False)
        qos.reject_all([tag], requeue=True)
    assert came(qos, REMEMBERED + 1, "0")
    assert not came(qos, REMEMBERED + 2, "1")
    assert not came(qos, REMEMBERED + 3, str(REMEMBERED))


def test_who_waits_is_called_when_something_was_settled() -> None:
    qos, calls = a_qos(), list[int]()
    qos.settled = lambda: calls.append(1)
    came(qos, 1)
    came(qos, 2)
    qos.ack_all([1])
    qos.reject_all([2], requeue=True)
    assert calls == [1, 1]

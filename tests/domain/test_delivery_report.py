"""A delivery task is a failure, a retry or a success by what came of its notifications, in words."""

from __future__ import annotations

import pytest
from build import an_answer

from wallarm_notify.domain.delivery_report import (
    DeliveryTask,
    Fate,
    TaskState,
    fate_after,
    kind_of,
    report_of,
)
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.outcome import Answer, FailureReason

ACCEPTED, AGAIN, FAILED = (Fate.ACCEPTED, "202"), (Fate.AGAIN, "503"), (Fate.FAILED, "400")
SUCCEEDED, RETRIED = TaskState.SUCCEEDED, TaskState.RETRIED


def a_task(*fates: tuple[Fate, str]) -> DeliveryTask:
    task = DeliveryTask("an-id", "worker@host", 0.0)
    for number, (fate, kind) in enumerate(fates):
        task.note(number, fate, kind)
    return task


@pytest.mark.parametrize(
    ("fates", "state", "words"),
    [
        ([ACCEPTED], SUCCEEDED, "1 notification: 1 accepted"),
        ([ACCEPTED] * 100, SUCCEEDED, "100 notifications: 100 accepted"),
        (
            [*[ACCEPTED] * 98, AGAIN, AGAIN],
            RETRIED,
            "100 notifications: 98 accepted, 2 to be tried again (503)",
        ),
        ([FAILED], TaskState.FAILED, "1 notification: 1 failed (400)"),
        (
            [AGAIN, FAILED, ACCEPTED],
            TaskState.FAILED,
            "3 notifications: 1 accepted, 1 to be tried again (503), 1 failed (400)",
        ),
        ([(Fate.CANCELLED, "503")], SUCCEEDED, "1 notification: 1 cancelled"),
        ([(Fate.OVERTAKEN, "202")], SUCCEEDED, "1 notification: 1 decided by a later claim"),
        ([(Fate.RETURNED, "")], SUCCEEDED, "1 notification: 1 waiting"),
        (
            [(Fate.FAULT, ""), ACCEPTED],
            RETRIED,
            "2 notifications: 1 accepted, 1 not recorded or not sent, by an error that the log has",
        ),
        (
            [(Fate.AGAIN, kind) for kind in ("500", "503", "503", "timeout", "dns", "429")],
            RETRIED,
            "6 notifications: 6 to be tried again (503, 500, timeout, 2 more)",
        ),
    ],
)
def test_a_task_ends_as_the_worst_of_its_notifications_does(
    fates: list[tuple[Fate, str]], state: TaskState, words: str
) -> None:
    report = report_of(a_task(*fates), asked=len(fates))
    assert (report.state, report.words) == (state, words)


@pytest.mark.parametrize(
    ("counts", "state", "words"),
    [
        ({"asked": 2}, SUCCEEDED, "2 notifications: nothing is due"),
        ({"asked": 3, "waiting": 3}, SUCCEEDED, "3 notifications: 3 waiting"),
        ({"asked": 2, "cancelled": 2}, SUCCEEDED, "2 notifications: 2 cancelled"),
        ({"asked": 1, "lost": 1}, TaskState.FAILED, "1 notification: 1 failed"),
    ],
)
def test_what_a_claim_ended_or_left_is_reported_too(
    counts: dict[str, int], state: TaskState, words: str
) -> None:
    report = report_of(a_task(), **counts)
    assert (report.state, report.words) == (state, words)


def test_what_was_noted_of_a_notification_stands() -> None:
    task = a_task(AGAIN)
    task.note(0, Fate.OVERTAKEN)
    assert report_of(task, asked=1).state is RETRIED


@pytest.mark.parametrize(
    ("state", "fate"),
    [
        (None, Fate.OVERTAKEN),
        (State.DELIVERED, Fate.ACCEPTED),
        (State.RETRYING, Fate.AGAIN),
        (State.PENDING, Fate.AGAIN),
        (State.FAILED, Fate.FAILED),
        (State.CANCELLED, Fate.CANCELLED),
        (State.SKIPPED, Fate.CANCELLED),
    ],
)
def test_each_state_after_a_record_is_a_fate(state: State | None, fate: Fate) -> None:
    assert fate_after(state) is fate


def test_an_answer_is_named_by_its_status_or_why_there_is_none() -> None:
    assert kind_of(an_answer(429)) == "429"
    assert kind_of(Answer(None, FailureReason.CONNECT_TIMEOUT)) == "connect timeout"

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from build import NOON, a_notification
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.batches import (
    Message,
    gap_between,
    messages,
    notification_words,
    notifications_in,
)
from wallarm_notify.domain.notification import Notification, State


def due_in(seconds: float, **fields: Any) -> Notification:
    return a_notification(due_at=NOON + timedelta(seconds=seconds), **fields)


def countdowns(*notifications: Notification) -> list[float | None]:
    waits = [m.countdown for m in messages(notifications, NOON)]
    return [None if wait is None else wait.total_seconds() for wait in waits]


@pytest.mark.parametrize(
    ("due", "countdown"),
    [
        pytest.param(-3600, None, id="long due"),
        pytest.param(0, None, id="due now"),
        pytest.param(0.000001, 0.25, id="due in a microsecond"),
        pytest.param(0.25, 0.25, id="at the end of a quarter"),
        pytest.param(0.250001, 0.5, id="just after it"),
        pytest.param(30, 30, id="half a minute"),
        pytest.param(30.000001, 30.5, id="just after it: together with half a second"),
        pytest.param(30.5, 30.5, id="at the end of half a second"),
        pytest.param(59.9, 60, id="almost a minute"),
        pytest.param(60, 60, id="a minute"),
        pytest.param(1800, 60, id="half an hour: the rest follows"),
    ],
)
def test_a_message_is_sent_when_all_of_it_is_due_and_waits_a_minute_at_most(
    due: float, countdown: float | None
) -> None:
    assert countdowns(due_in(due)) == [countdown]


def test_a_wait_of_exactly_30_seconds_is_no_long_one() -> None:
    now = NOON + timedelta(seconds=0.25)
    made = messages([due_in(30.25, id=1), due_in(30.26, id=2)], now)
    assert [m.countdown for m in made] == [timedelta(seconds=30), timedelta(seconds=30.25)]


def test_what_is_due_within_one_quarter_second_travels_together() -> None:
    made = messages(
        [due_in(1.01, id=1), due_in(1.26, id=2), due_in(1.2, id=3, integration_id=9)], NOON
    )
    assert [m.ids for m in made] == [(1, 3), (2,)]


def test_what_is_due_within_half_a_second_of_a_long_wait_travels_together() -> None:
    made = messages([due_in(60.01, id=1), due_in(60.51, id=2), due_in(60.49, id=3)], NOON)
    assert [m.ids for m in made] == [(1, 3), (2,)]


def test_everything_that_is_due_travels_together() -> None:
    (made,) = messages([due_in(-n, id=n) for n in range(5)], NOON)
    assert made.ids == (0, 1, 2, 3, 4)


def test_first_attempts_and_retries_travel_apart() -> None:
    made = messages([due_in(0, id=1), due_in(0, id=2, attempts_made=1, state=State.RETRYING)], NOON)
    assert {(m.ids, m.first) for m in made} == {((1,), True), ((2,), False)}


@pytest.mark.parametrize(
    ("number", "sizes"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])]
)
def test_a_message_carries_a_hundred_ids_at_most(number: int, sizes: list[int]) -> None:
    made = messages([due_in(0, id=n) for n in range(number)], NOON)
    assert [len(m.ids) for m in made] == sizes


def test_what_one_integration_is_sent_stays_together_where_a_message_holds_it() -> None:
    made = messages([due_in(0, id=n, integration_id=1 + n % 2) for n in range(120)], NOON)
    assert [m.ids for m in made] == [tuple(range(0, 120, 2)), tuple(range(1, 120, 2))]


def test_many_integrations_share_messages_as_full_as_can_be() -> None:
    made = messages([due_in(0, id=n, integration_id=n // 3) for n in range(200)], NOON)
    assert [len(m.ids) for m in made] == [99, 99, 2]


@pytest.mark.parametrize(
    ("number", "waits"),
    [
        pytest.param(100, [None], id="one message"),
        pytest.param(101, [None, 1], id="one more"),
        pytest.param(350, [None, 1, 2, 3], id="several"),
        pytest.param(1300, [None, *range(1, 11), 10, 10], id="never so long that SWEEP looks"),
    ],
)
def test_further_messages_of_one_integration_wait_where_they_would_overtake_the_first(
    number: int, waits: list[float | None]
) -> None:
    gap = timedelta(seconds=1)
    made = messages([due_in(0, id=n) for n in range(number)], NOON, gap=gap)
    assert [m.countdown and m.countdown.total_seconds() for m in made] == waits


def test_other_integrations_wait_for_no_gap() -> None:
    group = [due_in(0, id=n) for n in range(150)]
    group += [due_in(0, id=1000 + n, integration_id=2) for n in range(60)]
    made = messages(group, NOON, gap=timedelta(seconds=1))
    assert [(len(m.ids), bool(m.countdown)) for m in made] == [
        (100, False),
        (50, True),
        (60, False),
    ]


@pytest.mark.parametrize(
    ("limit", "gap"),
    [(0, 0), (1, 25), (100, 25), (600, 10), (6_000, 1), (6_001, 0)],
)
def test_the_gap_is_the_time_in_which_a_whole_message_begins(limit: int, gap: float) -> None:
    assert gap_between(limit).total_seconds() == gap


def test_size_one_sends_each_alone() -> None:
    made = messages([due_in(0, id=n) for n in range(3)], NOON, size=1)
    assert [m.ids for m in made] == [(0,), (1,), (2,)]


@pytest.mark.parametrize(
    ("notifications", "words"),
    [
        pytest.param(
            [due_in(0)], "notification 1 for integration 1, attempt 1 of 17", id="a first attempt"
        ),
        pytest.param(
            [due_in(0, attempts_made=1), due_in(0, id=2, integration_id=3, attempts_made=4)],
            "notifications 1, 2 for integrations 1, 3, attempts 2 to 5 of 17",
            id="retries",
        ),
        pytest.param(
            [due_in(0, id=n, integration_id=n) for n in range(5)],
            "notifications 0, 1, 2, 3, 4 for integrations 0, 1, 2, 3, 4, attempt 1 of 17",
            id="as many as are named",
        ),
        pytest.param(
            [due_in(0, id=n, integration_id=n) for n in range(7)],
            "notifications 0, 1, 2, 3, 4 and 2 more for integrations 0, 1, 2, 3, 4 and 2 more, "
            "attempt 1 of 17",
            id="many",
        ),
    ],
)
def test_a_message_says_what_it_is_in_words(notifications: list[Notification], words: str) -> None:
    (made,) = messages(notifications, NOON)
    assert made.words == words


@given(
    st.lists(
        st.builds(
            lambda i, micros, made: due_in(micros / 1e6, id=i, attempts_made=made),
            st.integers(1, 10**6),
            st.integers(-(10**6), 4 * 10**9),
            st.integers(0, 16),
        ),
        max_size=40,
        unique_by=lambda n: n.id,
    )
)
def test_every_notification_travels_once_and_never_before_it_is_due(
    notifications: list[Notification],
) -> None:
    due = {n.id: n.due_at for n in notifications}
    made: list[Message] = messages(notifications, NOON)
    assert sorted(i for m in made for i in m.ids) == sorted(due)
    for message in made:
        countdown = message.countdown or timedelta()
        assert timedelta() <= countdown <= timedelta(seconds=60)
        for i in message.ids:
            late = NOON + countdown - max(due[i], NOON)
            assert late >= timedelta() or countdown == timedelta(seconds=60)
            is_long = due[i] - NOON > timedelta(seconds=30)
            assert late < timedelta(seconds=0.5 if is_long else 0.25)


@pytest.mark.parametrize("number", [1, 2, 5, 6, 100])
def test_the_notifications_that_words_name_are_read_from_them(number: int) -> None:
    group = [replace(a_notification(), id=n) for n in range(8, 8 + number)]
    words = notification_words(group)
    assert notifications_in(words) == [n.id for n in group][:5]
    assert (
        notifications_in(f"'1 event; {words} under way, attempt 1 of 17; {words}'")
        == [n.id for n in group][:5]
    )


@pytest.mark.parametrize(
    "text", ["", "None", "notification", "2 notifications: 2 accepted", "12, 13"]
)
def test_of_other_words_no_notification_is_read(text: str) -> None:
    assert notifications_in(text) == []

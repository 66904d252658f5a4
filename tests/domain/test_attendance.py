"""Which queues are logged as taken from by nobody, when, and how often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wallarm_notify.domain.attendance import Attendance, Change, Look, Notice, attendance_after
from wallarm_notify.domain.readiness import Node, QueueLength

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUEUES = ("events", "retries")
EVERY = 15
HOUR = 3600

Logged = tuple[int, Change, str, int]
"""The second at which something was logged, what, of which queue, and for how many seconds nobody took from it."""


class Watching:
    """A process that looks every 15 s, at seconds after noon; ``seen`` has each queue's last heartbeat."""

    def __init__(self, **seen: int) -> None:
        self.seen = seen
        self.waiting: dict[str, int] = {}
        self.known = Attendance()
        self.logged: list[Logged] = []
        self.notices: list[Notice] = []

    def look(self, second: int) -> None:
        nodes = [
            Node(f"{queue}@host", (queue,), NOON - timedelta(days=1), at(seen))
            for queue, seen in self.seen.items()
        ]
        lengths = [QueueLength(q, n, None, at(second)) for q, n in self.waiting.items()]
        look = Look(at(second), nodes, lengths)
        self.known, notices = attendance_after(self.known, look, QUEUES)
        self.notices += notices
        self.logged += [(second, n.change, n.queue, round(n.time.total_seconds())) for n in notices]

    def watch(self, first: int, last: int, *, living: tuple[str, ...] = ("events",)) -> Watching:
        """Look from one second to another, while nodes of ``living`` note their heartbeats."""
        for second in range(first, last + 1, EVERY):
            self.seen |= dict.fromkeys(living, second)
            self.look(second)
        return self


def at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


def test_where_every_queue_is_taken_from_nothing_is_logged() -> None:
    assert Watching().watch(0, 3 * HOUR, living=QUEUES).logged == []


def test_a_queue_is_logged_once_when_nobody_took_from_it_for_five_minutes() -> None:
    watching = Watching().watch(0, 600, living=QUEUES)
    watching.waiting = {"retries": 12}
    watching.watch(615, 885)
    assert watching.logged == []
    watching.watch(900, 600 + HOUR)
    assert watching.logged == [(900, Change.UNATTENDED, "retries", 300)]
    assert watching.notices[0].messages == 12


def test_it_is_logged_again_each_hour_and_once_more_when_somebody_takes_from_it() -> None:
    watching = Watching().watch(0, 600, living=QUEUES).watch(615, 900 + 2 * HOUR + 600)
    watching.watch(900 + 2 * HOUR + 615, 900 + 3 * HOUR, living=QUEUES)
    assert watching.logged == [
        (900, Change.UNATTENDED, "retries", 300),
        (900 + HOUR, Change.STILL_UNATTENDED, "retries", 300 + HOUR),
        (900 + 2 * HOUR, Change.STILL_UNATTENDED, "retries", 300 + 2 * HOUR),
        (900 + 2 * HOUR + 615, Change.ATTENDED, "retries", 915 + 2 * HOUR),
    ]


def test_an_absence_that_was_not_logged_of_ends_without_a_word() -> None:
    watching = Watching().watch(0, 600, living=QUEUES).watch(615, 885)
    assert watching.watch(900, HOUR, living=QUEUES).logged == []


def test_an_absence_begins_anew_after_somebody_came_back() -> None:
    watching = Watching().watch(0, 600, living=QUEUES).watch(615, 885)
    watching.watch(900, 900, living=QUEUES).watch(915, 1185)
    assert watching.logged == []
    assert watching.watch(1200, 1200).logged == [(1200, Change.UNATTENDED, "retries", 300)]


def test_whoever_starts_says_nothing_for_five_minutes_of_what_was_gone_before() -> None:
    watching = Watching(retries=-7200).watch(0, 285)
    assert watching.logged == []
    assert watching.watch(300, 300).logged == [(300, Change.UNATTENDED, "retries", 300)]


def test_after_a_time_without_looks_absences_begin_anew() -> None:
    watching = Watching().watch(0, 600, living=QUEUES)
    # The database was away for ten minutes: nobody could note heartbeats, whoever ran.
    assert watching.watch(1200, 1485, living=()).logged == []
    assert {logged[0] for logged in watching.watch(1500, 1500, living=()).logged} == {1500}


def test_a_time_without_looks_ends_nothing_that_was_logged() -> None:
    watching = Watching().watch(0, 600, living=QUEUES).watch(615, 900)
    watching.watch(1800, 3000)
    assert len(watching.logged) == 1
    watching.watch(3015, 3015, living=QUEUES)
    assert watching.logged[1:] == [(3015, Change.ATTENDED, "retries", 2415)]


def test_a_clock_that_is_set_back_or_forward_makes_nothing_old() -> None:
    for jump in (-3000, 3000):
        watching = Watching().watch(0, 600, living=QUEUES).watch(600 + jump, 885 + jump)
        assert watching.logged == [], jump


def test_a_queue_that_nobody_ever_took_from_is_logged_only_while_messages_wait_there() -> None:
    watching = Watching().watch(0, HOUR)
    assert watching.logged == []
    watching.waiting = {"retries": 1}
    watching.watch(HOUR + 15, HOUR + 150)
    watching.waiting = {"retries": 0}
    watching.watch(HOUR + 165, HOUR + 180)
    watching.waiting = {"retries": 1}
    assert watching.watch(HOUR + 195, HOUR + 480).logged == []
    logged = watching.watch(HOUR + 495, HOUR + 600).logged
    assert logged == [(HOUR + 495, Change.UNATTENDED, "retries", 300)]


def test_what_was_logged_stays_known_when_its_node_is_forgotten() -> None:
    watching = Watching().watch(0, 600, living=QUEUES).watch(615, 900)
    del watching.seen["retries"]
    watching.watch(915, 1200)
    assert len(watching.logged) == 1
    assert watching.watch(1215, 1215, living=QUEUES).logged[1][1] is Change.ATTENDED


def test_where_nobody_works_each_queue_is_logged() -> None:
    watching = Watching(events=0, retries=0).watch(0, 300, living=())
    assert [(logged[0], logged[2]) for logged in watching.logged] == [
        (300, "events"),
        (300, "retries"),
    ]


@pytest.mark.parametrize("others", [1, 5])
def test_one_of_several_nodes_is_enough(others: int) -> None:
    watching = Watching(retries=0)
    for second in range(0, HOUR, EVERY):
        watching.seen["events"] = second
        nodes = [Node("retries@gone", ("retries",), at(0), at(0))]
        nodes += [Node(f"n{n}@host", QUEUES, at(0), at(second)) for n in range(others)]
        watching.known, notices = attendance_after(
            watching.known, Look(at(second), nodes, []), QUEUES
        )
        assert notices == []

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wallarm_notify.domain.readiness import (
    Node,
    QueueLength,
    Standing,
    Word,
    readiness_of,
    without_database,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUEUES = ("events", "retries")
EVERY = timedelta(seconds=5)


def ago(**how_long: float) -> datetime:
    return NOW - timedelta(**how_long)


def a_node(*queues: str, seen_at: datetime = NOW) -> Node:
    return Node("first@host", queues, ago(hours=1), seen_at)


WELL = Standing(NOW, ran_at=ago(seconds=5), nodes=[a_node(*QUEUES)], due_at=None)


def test_where_every_part_is_well_it_is_ready() -> None:
    found = readiness_of(WELL, Word.OK, QUEUES, EVERY)
    assert found.is_ready
    assert found.unattended == ()


@pytest.mark.parametrize(
    ("seen", "word"),
    [(0, Word.OK), (60, Word.OK), (60.001, Word.MISSING), (3600, Word.MISSING), (-30, Word.OK)],
)
def test_a_node_that_was_not_seen_for_a_minute_takes_from_no_queue(seen: float, word: Word) -> None:
    nodes = [a_node(*QUEUES, seen_at=ago(seconds=seen))]
    found = readiness_of(replace(WELL, nodes=nodes), Word.OK, QUEUES, EVERY)
    assert found.workers is word
    assert found.is_ready is (word is Word.OK)


def test_the_queues_that_nobody_takes_from_are_named() -> None:
    nodes = [a_node("events"), a_node("retries", seen_at=ago(minutes=2))]
    found = readiness_of(replace(WELL, nodes=nodes), Word.OK, QUEUES, EVERY)
    assert (found.workers, found.unattended) == (Word.MISSING, ("retries",))


def test_several_nodes_share_the_queues() -> None:
    nodes = [a_node("events"), a_node("retries")]
    assert readiness_of(replace(WELL, nodes=nodes), Word.OK, QUEUES, EVERY).is_ready


@pytest.mark.parametrize(
    ("ran", "every", "word"),
    [
        (None, 5, Word.SILENT),
        (60, 5, Word.OK),
        (60.001, 5, Word.SILENT),
        (300, 60, Word.OK),
        (300.001, 60, Word.SILENT),
    ],
)
def test_beat_is_silent_after_a_minute_or_five_runs_that_did_not_come(
    ran: float | None, every: float, word: Word
) -> None:
    standing = replace(WELL, ran_at=None if ran is None else ago(seconds=ran))
    found = readiness_of(standing, Word.OK, QUEUES, timedelta(seconds=every))
    assert found.beat is word


@pytest.mark.parametrize(
    ("due", "word"), [(None, Word.OK), (1, Word.OK), (300, Word.OK), (300.001, Word.LATE)]
)
def test_what_is_overdue_for_over_five_minutes_is_late(due: float | None, word: Word) -> None:
    standing = replace(WELL, due_at=None if due is None else ago(seconds=due))
    assert readiness_of(standing, Word.OK, QUEUES, EVERY).oldest_due is word


def test_without_the_broker_it_is_not_ready() -> None:
    found = readiness_of(WELL, Word.UNREACHABLE, QUEUES, EVERY)
    assert (found.is_ready, found.broker) == (False, Word.UNREACHABLE)


def test_without_the_database_nothing_else_is_known() -> None:
    found = without_database(Word.UNREACHABLE, Word.UNKNOWN)
    assert not found.is_ready
    assert {found.broker, found.beat, found.workers, found.oldest_due} == {Word.UNKNOWN}


def a_queue(waiting: float | None, messages: int = 3, measured: float = 5) -> QueueLength:
    """A queue that was not empty for ``waiting`` seconds when it was measured so many seconds ago."""
    measured_at = ago(seconds=measured)
    since = None if waiting is None else measured_at - timedelta(seconds=waiting)
    return QueueLength("events", messages, since, measured_at)


@pytest.mark.parametrize(
    ("queues", "word"),
    [
        ([], Word.UNKNOWN),
        ([a_queue(None, messages=0)], Word.OK),
        ([a_queue(300)], Word.OK),
        ([a_queue(300.001)], Word.LATE),
        ([a_queue(None, messages=0), a_queue(4000)], Word.LATE),
        ([a_queue(None, messages=0, measured=61)], Word.UNKNOWN),
        ([a_queue(4000, measured=61)], Word.UNKNOWN),
        # One that is not shown any more, beside one that is.
        ([a_queue(4000, measured=61), a_queue(None, messages=0)], Word.OK),
    ],
)
def test_a_queue_that_was_not_empty_for_five_minutes_is_late(
    queues: list[QueueLength], word: Word
) -> None:
    found = readiness_of(replace(WELL, queues=queues), Word.OK, QUEUES, EVERY)
    assert found.queues is word
    assert found.is_ready is (word is not Word.LATE)


def test_the_queues_that_are_late_are_named() -> None:
    queues = [replace(a_queue(400), queue="celery"), a_queue(10)]
    found = readiness_of(replace(WELL, queues=queues), Word.OK, QUEUES, EVERY)
    assert found.backlogged == ("celery",)

"""Heartbeats, and what readiness reads of the database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from build import an_event

from wallarm_notify.domain.readiness import Word
from wallarm_notify.services.readiness import (
    is_attended,
    measure_queues,
    note_heartbeat,
    show_readiness,
)
from wallarm_notify.services.sweep import sweep

if TYPE_CHECKING:
    from build import Bench

QUEUES = ("events", "retries")


def age(bench: Bench, seconds: float, node: str = "first@host") -> None:
    bench.sql(
        """UPDATE heartbeats SET seen_at = seen_at - :by, began_at = began_at - :by
           WHERE node = :node""",
        by=timedelta(seconds=seconds),
        node=node,
    )


def test_a_node_is_noted_once_with_its_queues(bench: Bench) -> None:
    for _ in range(3):
        note_heartbeat(bench.ctx, "first@host", {"events", "celery"})
    note_heartbeat(bench.ctx, "retries@host", {"retries"})
    rows = bench.sql("SELECT node, queues FROM heartbeats ORDER BY node")
    assert [(r["node"], r["queues"]) for r in rows] == [
        ("first@host", ["celery", "events"]),
        ("retries@host", ["retries"]),
    ]


def test_many_processes_of_a_node_write_one_row_every_few_seconds(bench: Bench) -> None:
    note_heartbeat(bench.ctx, "first@host", QUEUES)
    written = "SELECT xmin::text FROM heartbeats"
    first = bench.value(written)
    for _ in range(5):
        note_heartbeat(bench.ctx, "first@host", QUEUES)
    assert bench.value(written) == first
    age(bench, 8)
    aged = bench.value(written)
    note_heartbeat(bench.ctx, "first@host", QUEUES)
    assert bench.value(written) != aged


def test_a_node_that_was_gone_has_begun_anew(bench: Bench) -> None:
    note_heartbeat(bench.ctx, "first@host", QUEUES)
    age(bench, 30)
    note_heartbeat(bench.ctx, "first@host", QUEUES)
    since = "SELECT now() - began_at < interval '10 s' FROM heartbeats"
    assert bench.value(since) is False
    age(bench, 61)
    note_heartbeat(bench.ctx, "first@host", QUEUES)
    assert bench.value(since) is True


def test_a_node_that_takes_from_other_queues_is_written_at_once(bench: Bench) -> None:
    note_heartbeat(bench.ctx, "first@host", {"events"})
    note_heartbeat(bench.ctx, "first@host", {"events", "retries"})
    assert bench.value("SELECT queues FROM heartbeats") == ["events", "retries"]


def test_a_node_that_was_not_seen_for_a_day_is_forgotten(bench: Bench) -> None:
    note_heartbeat(bench.ctx, "old@host", QUEUES)
    age(bench, 86_401, "old@host")
    note_heartbeat(bench.ctx, "first@host", QUEUES)
    assert bench.value("SELECT array_agg(node) FROM heartbeats") == ["first@host"]


def test_workers_beat_and_what_is_overdue_make_it_ready(bench: Bench) -> None:
    found = show_readiness(bench.ctx, QUEUES)
    assert (found.database, found.migrations, found.broker) == (Word.OK, Word.OK, Word.OK)
    assert (found.beat, found.workers) == (Word.SILENT, Word.MISSING)
    assert found.unattended == QUEUES
    note_heartbeat(bench.ctx, "first@host", QUEUES)
    sweep(bench.ctx)
    assert show_readiness(bench.ctx, QUEUES).is_ready


def test_alerts_are_attended_only_where_workers_beat_and_what_is_due_are_well(bench: Bench) -> None:
    assert not is_attended(bench.ctx, QUEUES)
    note_heartbeat(bench.ctx, "first@host", QUEUES)
    assert not is_attended(bench.ctx, QUEUES), "workers may live that do not reach the broker"
    sweep(bench.ctx)
    assert is_attended(bench.ctx, QUEUES)
    bench.integration()
    bench.ingest(an_event())
    bench.sql("UPDATE notifications SET recheck_at = now() - interval '6 minutes'")
    assert not is_attended(bench.ctx, QUEUES)
    bench.sql("UPDATE notifications SET recheck_at = now()")
    bench.sql("UPDATE alembic_version SET version_num = '0001'")
    assert not is_attended(bench.ctx, QUEUES)


def test_what_is_overdue_is_late_and_what_waits_for_a_slow_integration_is_not(bench: Bench) -> None:
    number = bench.integration()
    bench.ingest(an_event())
    assert show_readiness(bench.ctx, QUEUES).oldest_due is Word.OK
    bench.sql("UPDATE notifications SET recheck_at = now() - interval '6 minutes'")
    assert show_readiness(bench.ctx, QUEUES).oldest_due is Word.LATE
    bench.mark_slow([number])
    assert show_readiness(bench.ctx, QUEUES).oldest_due is Word.OK


def test_of_a_database_with_another_schema_nothing_else_is_known(bench: Bench) -> None:
    version = bench.value("SELECT version_num FROM alembic_version")
    bench.sql("UPDATE alembic_version SET version_num = '0001'")
    try:
        found = show_readiness(bench.ctx, QUEUES)
    finally:
        bench.sql("UPDATE alembic_version SET version_num = :version", version=version)
    assert (found.database, found.migrations, found.beat) == (
        Word.OK,
        Word.OTHER_SCHEMA,
        Word.UNKNOWN,
    )


# Lengths of queues.


def measured(bench: Bench, **lengths: int) -> dict[str, tuple[int, float]]:
    """Return the length of each queue that is known after these were measured, and the age that none exceeds."""
    bench.publisher.waiting = lengths
    measure_queues(bench.ctx)
    known = bench.ctx.store.transact(lambda tx: tx.queue_lengths())
    return {one.queue: (one.messages, round(one.waiting.total_seconds())) for one in known}


def let_pass(bench: Bench, seconds: float) -> None:
    bench.sql(
        """UPDATE queue_lengths SET measured_at = measured_at - :by,
               waiting_since = waiting_since - :by""",
        by=timedelta(seconds=seconds),
    )


def test_what_waits_came_after_the_queue_was_last_seen_empty(bench: Bench) -> None:
    assert measured(bench, events=0, retries=5) == {"events": (0, 0), "retries": (5, 0)}
    let_pass(bench, 10)
    assert measured(bench, events=2, retries=5) == {"events": (2, 10), "retries": (5, 10)}
    let_pass(bench, 10)
    assert measured(bench, events=1, retries=0) == {"events": (1, 20), "retries": (0, 0)}
    let_pass(bench, 10)
    assert measured(bench, events=0, retries=4) == {"events": (0, 0), "retries": (4, 10)}


def test_a_clock_that_was_set_back_makes_no_message_younger_than_now(bench: Bench) -> None:
    measured(bench, events=1)
    let_pass(bench, -600)
    assert measured(bench, events=1) == {"events": (1, 0)}


def test_where_the_broker_does_not_answer_it_stays_known_what_was_before(bench: Bench) -> None:
    measured(bench, events=3)
    assert measured(bench) == {"events": (3, 0)}


def test_each_sweep_measures_the_queues_and_a_backlog_is_not_ready(bench: Bench) -> None:
    note_heartbeat(bench.ctx, "first@host", QUEUES)
    bench.publisher.waiting = {"events": 7}
    sweep(bench.ctx)
    assert show_readiness(bench.ctx, QUEUES).queues is Word.OK
    let_pass(bench, 301)
    measured(bench, events=9)
    found = show_readiness(bench.ctx, QUEUES)
    assert (found.queues, found.backlogged, found.is_ready) == (Word.LATE, ("events",), False)

"""What whoever runs logs of queues that nobody takes from, by what the database has."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.services import attendance
from wallarm_notify.services.attendance import Watch, watch_until
from wallarm_notify.services.readiness import measure_queues, note_heartbeat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from build import Bench

QUEUES = ("events", "retries")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "wallarm_notify.services.attendance"):
        yield caplog


def lines(log: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    fields: list[dict[str, Any]] = [vars(record) for record in log.records]
    return [(one["levelname"], one["message"], one.get("queue", "")) for one in fields]


def let_pass(bench: Bench, watch: Watch, minutes: float) -> None:
    """Make all that is known so much older: heartbeats, and what the watch has seen."""
    by = timedelta(minutes=minutes)
    bench.sql("UPDATE heartbeats SET seen_at = seen_at - :by, began_at = began_at - :by", by=by)
    known = watch._known
    assert known.watched_since is not None
    watch._known = replace(
        known,
        watched_since=known.watched_since - by,
        absences={
            queue: replace(
                one, since=one.since - by, logged_at=one.logged_at and one.logged_at - by
            )
            for queue, one in known.absences.items()
        },
    )


def test_it_is_an_error_with_what_to_do_then_a_reminder_and_then_it_is_over(
    bench: Bench, log: pytest.LogCaptureFixture
) -> None:
    watch = Watch(bench.ctx, QUEUES)
    bench.publisher.waiting = {"events": 0, "retries": 12}
    measure_queues(bench.ctx)
    note_heartbeat(bench.ctx, "retries@host", {"retries"})
    note_heartbeat(bench.ctx, "first@host", {"events"})
    watch.look()
    let_pass(bench, watch, 6)
    note_heartbeat(bench.ctx, "first@host", {"events"})
    for _ in range(3):
        watch.look()
    assert lines(log) == [("ERROR", "queue.unattended", "retries")]
    fields = vars(log.records[0])
    assert (fields["messages"], fields["seconds"] // 60) == (12, 6)
    assert fields["todo"] == "start a worker: celery -A tasks worker -Q retries"
    let_pass(bench, watch, 60)
    note_heartbeat(bench.ctx, "first@host", {"events"})
    watch.look()
    note_heartbeat(bench.ctx, "retries@other", {"retries"})
    for _ in range(3):
        watch.look()
    assert lines(log)[1:] == [
        ("ERROR", "queue.still_unattended", "retries"),
        ("INFO", "queue.attended", "retries"),
    ]


def test_where_nothing_was_ever_started_nothing_is_logged(
    bench: Bench, log: pytest.LogCaptureFixture
) -> None:
    watch = Watch(bench.ctx, QUEUES)
    watch.look()
    let_pass(bench, watch, 60)
    watch.look()
    assert lines(log) == []


def test_whatever_keeps_it_from_looking_the_next_look_is_made(
    bench: Bench, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendance, "HEARTBEAT", timedelta(0))
    ended, looks = threading.Event(), iter((Unavailable("away"), RuntimeError("a fault")))

    class Away:
        def transact(self, _: Any) -> Any:
            error = next(looks, None)
            if error is None:
                ended.set()
                error = Unavailable("away")
            raise error

    watch_until(ended, replace(bench.ctx, store=Away()), QUEUES)  # type: ignore[arg-type]  # it only fails
    assert lines(log) == [("ERROR", "attendance.failed", "")]


def test_a_look_reads_two_small_tables_in_one_transaction(bench: Bench) -> None:
    watch, before = Watch(bench.ctx, QUEUES), bench.ctx.store
    transactions = []

    class Counting:
        def transact(self, work: Any) -> Any:
            transactions.append(work)
            return before.transact(work)

    watch._ctx = replace(bench.ctx, store=Counting())  # type: ignore[arg-type]  # it counts
    watch.look()
    assert len(transactions) == 1

"""A diagnosis of a real database: its server, what is stored, and a part that cannot be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.test_ingest import statements
from wallarm_notify.domain.diagnosis import LATELY, Finding, Grade
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.health import FailureClass
from wallarm_notify.domain.readiness import Word
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.services.diagnose import diagnose, diagnose_stored
from wallarm_notify.services.readiness import note_heartbeat
from wallarm_notify.services.sweep import sweep
from wallarm_notify.task_names import QUEUES

if TYPE_CHECKING:
    from build import Bench


def test_a_part_that_fails_hides_nothing_of_the_others(bench: Bench) -> None:
    well = Finding("mine", Grade.GOOD, "Well.")

    def full() -> list[Finding]:
        raise OSError(28, "No space left on device")

    def broken() -> list[Finding]:
        raise RuntimeError("a secret text")

    found = diagnose(bench.ctx, QUEUES, [lambda: [well], full, broken], keys=True).findings
    assert well in found
    assert {f.part for f in found} >= {"database", "secret keys", "beat", "queues", "disk"}
    assert [f.sentence for f in found if f.part == "doctor"] == [
        "A part could not be looked at: No space left on device [errno 28].",
        "A part could not be looked at: RuntimeError.",
    ]


def test_the_connections_of_the_whole_server_are_counted(bench: Bench) -> None:
    server = bench.ctx.store.transact(lambda tx: tx.server())
    assert 1 <= server.connections <= server.most
    assert (server.pooled, server.encoding) == (False, "UTF8")


def test_what_is_stored_is_diagnosed_for_operators_alone(bench: Bench) -> None:
    with pytest.raises(NotFound):
        diagnose_stored(bench.ctx, only([1]), QUEUES, Word.OK)
    note_heartbeat(bench.ctx, "first@host", QUEUES)
    sweep(bench.ctx)
    assert diagnose_stored(bench.ctx, EVERY_CLIENT, QUEUES, Word.OK).bad == 0
    assert diagnose_stored(bench.ctx, EVERY_CLIENT, QUEUES, Word.UNREACHABLE).bad == 1


def minute(bench: Bench, integration_id: int, attempts: int, failed: int, **fields: int) -> None:
    values = {"ago": 1, "generation": 0, **fields}
    bench.sql(
        """INSERT INTO health_minutes (integration_id, generation, minute, attempts, failed, network, server, throttled,
               client, other)
           VALUES (:id, :generation, date_trunc('minute', now()) - :ago * interval '1 minute', :attempts, :failed,
               0, :failed, 0, 0, 0)""",
        id=integration_id,
        attempts=attempts,
        failed=failed,
        **values,
    )


def test_failing_are_enabled_integrations_that_failed_more_often_than_not_within_the_hour(
    bench: Bench,
) -> None:
    worst, bad, half, well, off, anew, before = (bench.integration() for _ in range(7))
    minute(bench, bad, 3, 2)
    minute(bench, worst, 9, 9)
    minute(bench, worst, 3, 0, ago=30)
    minute(bench, half, 10, 5)
    minute(bench, well, 5, 0)
    minute(bench, off, 9, 9)
    bench.disable_integration(off)
    minute(bench, anew, 9, 9, generation=1)
    minute(bench, before, 9, 9, ago=61)
    found = bench.ctx.store.transact(lambda tx: tx.trouble(LATELY)).failing
    assert [(one.id, one.attempts, one.failed, one.mostly) for one in found] == [
        (worst, 12, 9, FailureClass.SERVER),
        (bad, 3, 2, FailureClass.SERVER),
    ]


def test_failing_integrations_are_found_by_the_minutes_with_failures_alone(bench: Bench) -> None:
    with statements(bench) as sent:
        bench.ctx.store.transact(lambda tx: tx.trouble(LATELY))
    (asked,) = [s for s in sent if "FROM health_minutes" in s]
    with bench.engine.connect() as connection:
        # As many as a planner takes into account: with a handful of rows each index is as good as the other.
        connection.exec_driver_sql(
            """INSERT INTO health_minutes
                   (integration_id, generation, minute, attempts, failed, network, server, throttled, client, other)
               SELECT i, 0, date_trunc('minute', now()) - m * interval '1 minute', 2, 0, 0, 0, 0, 0, 0
               FROM generate_series(1, 300) i CROSS JOIN generate_series(0, 100) m"""
        )
        connection.exec_driver_sql("ANALYZE health_minutes")
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {asked}").scalars())
    assert "Seq Scan on health_minutes" not in plan
    assert "ix_health_minutes_minute" not in plan
    assert "ix_health_minutes_failed" in plan

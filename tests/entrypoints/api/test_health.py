"""Whether the process is alive, and whether alerts are delivered."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from entrypoints.api.owned import owned
from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.lateness import counted_lateness
from wallarm_notify.services.readiness import note_heartbeat
from wallarm_notify.services.sweep import sweep
from wallarm_notify.task_names import QUEUES

if TYPE_CHECKING:
    import pytest

    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine


def test_it_is_alive_without_a_token(api: HttpApi) -> None:
    assert api.ok("GET", "/healthz", role=None) == {"alive": True}


def test_without_workers_and_beat_it_is_not_ready_and_says_which_part_is_missing(
    api: HttpApi,
) -> None:
    answer = api.ask("GET", "/readyz", role=None)
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "database": "ok",
        "migrations": "ok",
        "broker": "ok",
        "beat": "silent",
        "workers": "missing",
        "oldest_due": "ok",
        "queues": "unknown",
        "unattended_queues": list(QUEUES),
        "late_queues": [],
        "beat_ran_at": None,
        "oldest_due_at": None,
    }


def test_with_a_worker_for_each_queue_and_beat_it_is_ready(api: HttpApi, line: CommandLine) -> None:
    ctx = line.wiring.context
    note_heartbeat(ctx, "first@host", QUEUES[:2])
    note_heartbeat(ctx, "rest@host", QUEUES[2:])
    sweep(ctx)
    found = api.ok("GET", "/readyz", role=None)
    assert found["ready"]
    assert found["unattended_queues"] == []


def test_the_way_to_a_database_that_is_away_is_not_shown_to_who_asks(
    api: HttpApi, line: CommandLine, caplog: pytest.LogCaptureFixture
) -> None:
    api.token()
    line.sql("ALTER TABLE notifications RENAME TO hidden")
    try:
        problem = api.problem(503, "GET", "/notify/v1/notifications")
    finally:
        line.sql("ALTER TABLE hidden RENAME TO notifications")
    assert problem["detail"] == "This cannot be done now; try again in a moment."
    assert "wallarm-notify db upgrade" in caplog.text


def test_metrics_are_the_operators(api: HttpApi, line: CommandLine) -> None:
    owned(line, 1)
    answer = api.ask(
        "GET",
        "/metrics",
        role=None,
        headers={"Authorization": f"Bearer {api.token(Role.OPERATOR)}"},
    )
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'wallarm_notify_integrations{state="enabled"} 1.0' in answer.text
    api.problem(403, "GET", "/metrics")
    api.problem(401, "GET", "/metrics", role=None)


def test_an_operator_sees_nodes_queues_lateness_and_outages(
    api: HttpApi, line: CommandLine
) -> None:
    owned(line, 1)
    note_heartbeat(line.wiring.context, "first@host", QUEUES[:2])
    store = line.wiring.store
    store.transact(lambda tx: tx.note_queue_lengths({"events": 7}))
    store.transact(lambda tx: tx.count(counted_lateness(2, timedelta(seconds=2))))
    store.transact(lambda tx: tx.see_outage("eu", timedelta(minutes=5)))
    found = api.ok("GET", "/notify/v1/health", role=Role.OPERATOR)
    assert not found["readiness"]["ready"]
    (node,) = found["nodes"]
    assert (node["node"], node["queues"], node["alive"]) == (
        "first@host",
        sorted(QUEUES[:2]),
        True,
    )
    (queue,) = found["queues"]
    assert (queue["queue"], queue["messages"]) == ("events", 7)
    assert [one["cycle"] for one in found["lateness"]] == [0, 1, 2, 3]
    retries = found["lateness"][1]
    assert (retries["attempts"], retries["seconds"]) == (1, 2.0)
    assert [one["attempts"] for one in retries["within"]] == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert found["outages"] == ["eu"]
    assert found["recent"]["seconds"] == 600


def test_the_attempts_of_the_last_minutes_are_added_up_over_all_integrations(
    api: HttpApi, line: CommandLine
) -> None:
    before = api.ok("GET", "/notify/v1/health", role=Role.OPERATOR)["recent"]
    line.sql(
        """INSERT INTO health_minutes (integration_id, generation, minute, attempts, failed, network, server,
               throttled, client, other)
           SELECT n, 0, date_trunc('minute', now() - n * interval '3 minutes'), 10, 4, 4, 0, 0, 0, 0
           FROM generate_series(0, 5) AS n"""
    )
    after = api.ok("GET", "/notify/v1/health", role=Role.OPERATOR)["recent"]
    assert after["attempts"] - before["attempts"] == 40
    assert after["failed"] - before["failed"] == 16

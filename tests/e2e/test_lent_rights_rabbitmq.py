"""On RabbitMQ, too, a message does no more than the queue it came from is for."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from celery import Celery
from chaos.rabbitmq import RabbitMQ

from e2e.system import System, a_key, an_event, eventually
from wallarm_notify.sandbox.client import SandboxClient

if TYPE_CHECKING:
    from pathlib import Path

    from wallarm_notify.sandbox.server import Sandbox

pytestmark = pytest.mark.servers


def test_foreign_tasks_links_etas_and_compression_do_nothing(
    database_url: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        RabbitMQ() as server,
        closing(
            System(database_url, server.url, sandbox.url, SandboxClient(sandbox.url), tmp_path)
        ) as system,
    ):
        for name, value in system.environment.items():
            monkeypatch.setenv(name, value)
        system.integration(a_key())
        worker = system.start_worker()
        with Celery(broker=server.url) as producer:
            link = producer.signature(
                "notifications.deliver", kwargs={"ids": [1]}, queue="elsewhere"
            )
            producer.send_task("celery.starmap", args=["events.ingest", []], queue="events")
            producer.send_task("notifications.deliver", kwargs={"ids": [1]}, queue="events")
            producer.send_task("events.ingest", kwargs={"events": []}, queue="notifications")
            producer.send_task("upkeep.prune", queue="celery")
            producer.send_task(
                "events.ingest", kwargs={"events": []}, compression="bzip2", queue="events"
            )
            for extra in ({"link": link}, {"countdown": 3600}, {}):
                producer.send_task(
                    "events.ingest", kwargs={"events": [an_event()]}, queue="events", **extra
                )
        system.wait_for_states(20, delivered=3)
        eventually(
            lambda: system.wiring.store.transact(lambda tx: tx.undecodable_count()) == 5,
            10,
            "five messages are kept",
        )
        assert worker.popen.poll() is None
        assert "elsewhere" not in server.control("list_queues", "name")
        assert system.ledger().findings == []

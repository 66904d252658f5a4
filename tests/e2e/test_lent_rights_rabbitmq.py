"""On RabbitMQ too, a message can do no more than the queue is for that it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build import a_key, an_event_object, eventually
from celery import Celery

from wallarm_notify.devstack.rabbitmq import RabbitMQ
from wallarm_notify.domain.scope import EVERY_CLIENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System


pytestmark = pytest.mark.servers


def test_foreign_tasks_links_etas_and_compression_do_nothing(
    make_system: Callable[..., System],
) -> None:
    with RabbitMQ() as server:
        system = make_system(broker_url=server.url)
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
                    "events.ingest", kwargs={"events": [an_event_object()]}, queue="events", **extra
                )
        system.wait_for_states(60, delivered=3)
        eventually(
            lambda: (
                system.wiring.store.transact(lambda tx: tx.undecodable_count(EVERY_CLIENT)) == 5
            ),
            60,
            "five messages are kept",
        )
        assert worker.popen.poll() is None
        assert "elsewhere" not in server.control("list_queues", "name")
        assert system.ledger().findings == []

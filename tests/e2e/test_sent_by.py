"""A rejected event shows which process sent it, also where calls travelled together."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from build import an_event_object, eventually
from celery import Celery

from wallarm_notify.producer import Producer
from wallarm_notify.store.engine import make_engine

if TYPE_CHECKING:
    from e2e.system import System


def senders(system: System, *names: str) -> dict[str, str | None]:
    """Who sent each event of ``names``, by its title, taken in or rejected."""
    rejected = json.loads(system.run_command("events", "rejected", "--json"))["items"]
    with make_engine(system.settings.database()).connect() as connection:
        rows = connection.exec_driver_sql("SELECT body, sent_by FROM events").all()
    found = {json.loads(r["text"])["title"]: r["sent_by"] for r in rejected}
    found |= {json.loads(body)["title"]: sent_by for body, sent_by in rows}
    return {name: found[name] for name in names}


def test_each_event_keeps_who_sent_it(system: System) -> None:
    def wrong(title: str) -> dict[str, Any]:
        return an_event_object(title=title, risk="fatal")

    with Producer(system.broker_url) as producer:
        producer.emit(an_event_object(title="ours"))
    with Celery(broker=system.broker_url) as client:
        for title, headers in (("a", {"origin": "gen1@a"}), ("b", {"origin": "\x1b[31m"})):
            client.send_task(
                "events.ingest",
                kwargs={"events": [wrong(title)]},
                queue="events",
                headers=headers,
            )
    system.start_worker(concurrency=1)
    eventually(lambda: system.ledger().received == 3, 60, "all events")
    with Celery(broker=system.broker_url) as client:
        client.send_task("events.ingest", kwargs={"events": [wrong("alone")]}, queue="events")
    eventually(lambda: system.ledger().received == 4, 60, "the event that came alone")
    found = senders(system, "ours", "a", "b", "alone")
    assert (found["a"], found["b"]) == ("gen1@a", None)
    for title in ("ours", "alone"):
        assert str(found[title]).startswith(f"gen{os.getpid()}@")
    assert "Sent by" in system.run_command("events", "rejected", "1")

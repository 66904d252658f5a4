"""The connection that a worker takes messages from: its transport is ours, and nobody else's in the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from wallarm_notify.store.encryption import generate

# Celery's settings freeze at their first use in a process, so they are read in one of their own.
TAKE_AND_SEND = """
import json
from types import SimpleNamespace

from tasks import app
from wallarm_notify.broker.consumer import KeepingConsumer

def notified_of(connection):
    channel = connection.default_channel
    return {
        "channel": type(channel).__module__,
        "batched": sorted(getattr(channel, "batched_queues", ())),
        "visible after": channel.visibility_timeout,
        "url": connection.as_uri(),
    }

pool = SimpleNamespace(is_green=False, num_processes=1)
controller = SimpleNamespace(use_eventloop=False)
with KeepingConsumer(print, app=app, pool=pool, controller=controller).connect() as taking:
    told = {"taking": notified_of(taking)}
    with app.connection_for_write() as writing, app.connection_for_read() as reading:
        with app.pool.acquire() as pooled:
            told |= {"writing": notified_of(writing), "reading": notified_of(reading), "pooled": notified_of(pooled)}
print(json.dumps(told))
"""


def reported_by_worker(broker: str) -> dict[str, Any]:
    environment = {
        **os.environ,
        "WALLARM_NOTIFY_DATABASE_URL": "postgresql://127.0.0.1:1/nothing",
        "WALLARM_NOTIFY_BROKER_URL": broker,
        "WALLARM_NOTIFY_SECRET_KEYS": generate(),
    }
    done = subprocess.run(
        [sys.executable, "-c", TAKE_AND_SEND],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reported: dict[str, Any] = json.loads(done.stdout)
    return reported


def test_a_worker_takes_by_our_transport_and_all_else_goes_by_kombus(broker: str) -> None:
    reported = reported_by_worker(broker)
    taking = reported.pop("taking")
    assert taking["channel"] == "wallarm_notify.broker.redis_transport"
    assert taking["batched"] == ["celery", "events"]
    others = {**taking, "channel": "kombu.transport.redis", "batched": []}
    assert reported == dict.fromkeys(("writing", "reading", "pooled"), others)
    assert taking["visible after"] == 120


def test_a_worker_takes_by_our_transport_from_the_second_of_two_brokers(broker: str) -> None:
    reported = reported_by_worker(f"redis://127.0.0.1:1/0;{broker}")
    assert reported["taking"]["channel"] == "wallarm_notify.broker.redis_transport"
    assert reported["taking"]["batched"] == ["celery", "events"]
    assert reported["taking"]["url"] == reported["writing"]["url"]

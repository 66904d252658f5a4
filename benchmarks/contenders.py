"""Who is compared: each takes a stage and a number of events, and says how many it did a second.

All begin with the first call of the producer, and end with the sink's last request, or with the last
task where nothing is posted.
"""

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen
from uuid import uuid4

import requests
from celery import Celery
from redis import Redis

from benchmarks import plain
from benchmarks.stage import CORES, Stage, Void, until
from wallarm_notify.services.ledger import draw_up
from wallarm_notify.task_names import EVENTS_QUEUE, INGEST

BATCH: Final = 100
WITHIN: Final = 300.0
"""Seconds that a contender may take."""

ALERTMANAGER: Final = Path("/usr/bin/prometheus-alertmanager")

OURS: Final = "events,celery,notifications,upkeep"


def loop(stage: Stage, events: int) -> float:
    """(a) ``requests.Session.post`` in a loop, on one core."""
    bodies = [
        plain.body_of(stage.keys[n % len(stage.keys)].reveal(), _title()) for n in range(events)
    ]
    began = time.time()
    with requests.Session() as session:
        session.trust_env = False
        for body in bodies:
            session.post(f"{stage.sink.url}/v2/enqueue", json=body, timeout=15)
    return _rate(stage, events, began)


def nothing(stage: Stage, events: int) -> float:
    """(b) Celery tasks that do nothing, one by one."""
    worker = stage.start_worker("plain", "benchmarks.plain", plain.QUEUE)
    with Celery(broker=stage.broker_url) as producer, producer.producer_or_acquire() as one:
        began = time.time()
        for _ in range(events):
            producer.send_task("plain.nothing", queue=plain.QUEUE, producer=one)
    with Redis.from_url(stage.broker_url) as redis:
        done = lambda: None if redis.llen(plain.QUEUE) or redis.hlen("unacked") else time.time()  # noqa: E731
        ended = until(done, WITHIN, "the last task")
    stage.end(worker)
    stage.last_sink_share = 0.0
    return events / (ended - began)


def post(stage: Stage, events: int) -> float:
    """(c) A plain Celery task an event, which only posts."""
    worker = stage.start_worker("plain", "benchmarks.plain", plain.QUEUE)
    with Celery(broker=stage.broker_url) as producer, producer.producer_or_acquire() as one:
        began = time.time()
        for n in range(events):
            key = stage.keys[n % len(stage.keys)].reveal()
            producer.send_task("plain.post", args=[key, _title()], queue=plain.QUEUE, producer=one)
    rate = _rate(stage, events, began)
    stage.end(worker)
    return rate


def alertmanager(stage: Stage, events: int) -> float:
    """(d) Prometheus Alertmanager, in memory: a receiver for each key, batches of 100 alerts."""
    process, url = _start_alertmanager(stage)
    batches = list(_batches([_alert(stage, n) for n in range(events)]))
    began = time.time()
    with requests.Session() as session:
        session.trust_env = False
        for batch in batches:
            session.post(f"{url}/api/v2/alerts", json=batch, timeout=15).raise_for_status()
    rate = _rate(stage, events, began)
    stage.end(process)
    return rate


def batched(stage: Stage, events: int) -> float:
    """(e) This pipeline, events in batches of 100."""
    return _ours(stage, events, BATCH)


def single(stage: Stage, events: int) -> float:
    """(f) This pipeline, one event a message."""
    return _ours(stage, events, 1)


CONTENDERS: Final[dict[str, Callable[[Stage, int], float]]] = {
    "a": loop,
    "b": nothing,
    "c": post,
    "d": alertmanager,
    "e": batched,
    "f": single,
}


def _ours(stage: Stage, events: int, size: int) -> float:
    before = draw_up(stage.wiring.store)
    workers = [
        stage.start_worker("first", "tasks", OURS),
        stage.start_worker("retries", "tasks", "retries"),
        stage.start("beat", ["-m", "celery", "-A", "tasks", "beat", "-l", "INFO"]),
    ]
    batches = list(_batches([_event(stage, n) for n in range(events)], size))
    with Celery(broker=stage.broker_url) as producer, producer.producer_or_acquire() as one:
        began = time.time()
        for batch in batches:
            producer.send_task(INGEST, kwargs={"events": batch}, queue=EVENTS_QUEUE, producer=one)
    rate = _rate(stage, events, began)
    until(lambda: _all_ended(stage) or None, 30, "the last record")
    stage.end(*workers)
    ledger = draw_up(stage.wiring.store)
    if ledger.findings or ledger.received - before.received != events:
        raise Void(f"the ledger does not balance: {ledger.received} received, {ledger.findings}")
    return rate


def _all_ended(stage: Stage) -> bool:
    states = draw_up(stage.wiring.store).notifications
    return not any(states[s] for s in states if s in ("pending", "retrying"))


def _rate(stage: Stage, events: int, began: float) -> float:
    seen = stage.sink.wait_for(events, WITHIN)
    if seen["requests"] != events:
        raise Void(f"{seen['requests']} requests for {events} events")
    took = float(seen["last"]) - began
    stage.last_sink_share = float(seen["cpu"]) / took / CORES
    stage.sink.forget()
    return events / took


def _title() -> str:
    return f"Vulnerable version of nginx, sent {time.time():.6f}"


def _event(stage: Stage, n: int) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "client_id": n % len(stage.keys) + 1,
        "type": "security_issue.detected",
        "occurred_at": "2026-03-01T12:00:00+00:00",
        "issue_id": str(n),
        "title": _title(),
        "risk": "high",
    }


def _alert(stage: Stage, n: int) -> dict[str, Any]:
    labels = {"alertname": str(uuid4()), "integration": str(n % len(stage.keys) + 1)}
    return {"labels": labels, "annotations": {"summary": _title()}}


def _batches(items: list[dict[str, Any]], size: int = BATCH) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _start_alertmanager(stage: Stage) -> tuple[subprocess.Popen[bytes], str]:
    receivers = [
        {
            "name": f"integration {n}",
            "pagerduty_configs": [
                {
                    "routing_key": key.reveal(),
                    "url": f"{stage.sink.url}/v2/enqueue",
                    "send_resolved": False,
                }
            ],
        }
        for n, key in enumerate(stage.keys, 1)
    ]
    routes = [
        {"receiver": f"integration {n}", "matchers": [f'integration="{n}"']}
        for n in range(1, len(stage.keys) + 1)
    ]
    config = {
        "route": {
            "receiver": "integration 1",
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "4h",
            "routes": routes,
        },
        "receivers": receivers,
    }
    file = stage.folder / "alertmanager.json"
    file.write_text(json.dumps(config))
    port = _free_port()
    process = stage.start_program(
        "alertmanager",
        [
            str(ALERTMANAGER),
            f"--config.file={file}",
            f"--storage.path={stage.folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=error",
        ],
    )
    url = f"http://127.0.0.1:{port}"
    until(lambda: _is_ready(url) or None, 30, "Alertmanager to be ready")
    return process, url


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_ready(url: str) -> bool:
    try:
        with urlopen(Request(f"{url}/-/ready"), timeout=2) as answer:  # noqa: S310 - ours
            return bool(answer.status == requests.codes.ok)
    except OSError:
        return False

"""Who is compared: each takes a stage and a number of events, and says how many it did a second.

All begin with the first call of the producer, and end with the sink's last request, or with the last
task where nothing is posted.
"""

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen
from uuid import uuid4

import requests
from redis import Redis

from benchmarks import plain
from benchmarks.ours import at_work, event
from benchmarks.sink import title
from benchmarks.stage import CORES, Stage, Void, until
from wallarm_notify.task_names import EVENTS_QUEUE, INGEST

BATCH: Final = 100
WITHIN: Final = 300.0
"""Seconds that a contender may take."""

NOTHING_ELSE: Final = nullcontext()

ALERTMANAGER: Final = Path("/usr/bin/prometheus-alertmanager")


def loop(stage: Stage, events: int) -> float:
    """(a) ``requests.Session.post`` in a loop, on one core."""
    bodies = [
        plain.body_of(stage.keys[n % len(stage.keys)].reveal(), title()) for n in range(events)
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
    with stage.producer() as send:
        began = time.time()
        for _ in range(events):
            send("plain.nothing", queue=plain.QUEUE)
    with Redis.from_url(stage.broker_url) as redis:
        done = lambda: None if redis.llen(plain.QUEUE) or redis.hlen("unacked") else time.time()  # noqa: E731
        ended = until(done, WITHIN, "the last task")
    stage.end(worker)
    stage.last_sink_share = 0.0
    return events / (ended - began)


def post(stage: Stage, events: int) -> float:
    """(c) A plain Celery task an event, which only posts."""
    worker = stage.start_worker("plain", "benchmarks.plain", plain.QUEUE)
    with stage.producer() as send:
        began = time.time()
        for n in range(events):
            key = stage.keys[n % len(stage.keys)].reveal()
            send("plain.post", args=[key, title()], queue=plain.QUEUE)
    rate = _rate(stage, events, began)
    stage.end(worker)
    return rate


def alertmanager(stage: Stage, events: int) -> float:
    """(d) Prometheus Alertmanager, in memory: a receiver for each key, batches of 100 alerts."""
    process, url = _start_alertmanager(stage)
    batches = list(slices([_alert(stage, n) for n in range(events)]))
    began = time.time()
    with requests.Session() as session:
        session.trust_env = False
        for batch in batches:
            session.post(f"{url}/api/v2/alerts", json=batch, timeout=15).raise_for_status()
    rate = _rate(stage, events, began)
    stage.end(process)
    return rate


def batched(
    stage: Stage, events: int, beside: AbstractContextManager[object] = NOTHING_ELSE
) -> float:
    """(e) This pipeline, events in batches of 100."""
    return _ours(stage, events, BATCH, beside)


def single(stage: Stage, events: int) -> float:
    """(f) This pipeline, one event a message."""
    return _ours(stage, events, 1, NOTHING_ELSE)


CONTENDERS: Final[dict[str, Callable[[Stage, int], float]]] = {
    "a": loop,
    "b": nothing,
    "c": post,
    "d": alertmanager,
    "e": batched,
    "f": single,
}


def _ours(stage: Stage, events: int, size: int, beside: AbstractContextManager[object]) -> float:
    """``beside`` goes on from when the workers are ready until the sink has everything."""
    with at_work(stage, events):
        clients = len(stage.keys)
        made = list(slices([event(n, n % clients + 1) for n in range(events)], size))
        with beside, stage.producer() as send:
            began = time.time()
            for batch in made:
                send(INGEST, kwargs={"events": batch}, queue=EVENTS_QUEUE)
            return _rate(stage, events, began)


def _rate(stage: Stage, events: int, began: float) -> float:
    seen = stage.sink.wait_for(events, WITHIN)
    if seen["requests"] != events:
        raise Void(f"{seen['requests']} requests for {events} events")
    took = float(seen["last"]) - began
    stage.last_sink_share = float(seen["cpu"]) / took / CORES
    stage.sink.forget()
    return events / took


def _alert(stage: Stage, n: int) -> dict[str, Any]:
    labels = {"alertname": str(uuid4()), "integration": str(n % len(stage.keys) + 1)}
    return {"labels": labels, "annotations": {"summary": title()}}


def slices(items: list[dict[str, Any]], size: int = BATCH) -> Iterator[list[dict[str, Any]]]:
    """``items``, so many at a time."""
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

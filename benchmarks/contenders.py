"""The contenders: each takes a stack and a number of events, and returns events a second.

All begin with the first call of the producer, and end with the sink's last request, or with the last
task where nothing is posted.
"""

import json
import socket
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
from benchmarks.stack import CORES, BenchmarkStack, Void
from wallarm_notify.devstack.processes import Process, wait_until
from wallarm_notify.task_names import EVENTS_QUEUE, INGEST

BATCH: Final = 100
WITHIN: Final = 300.0
"""Seconds that a contender may take at most."""

NOTHING_ELSE: Final = nullcontext()

ALERTMANAGER: Final = Path("/usr/bin/prometheus-alertmanager")


def loop(stack: BenchmarkStack, events: int) -> float:
    """Return the rate of (a): ``requests.Session.post`` in a loop. Raise Void."""
    bodies = [
        plain.body_of(stack.keys[n % len(stack.keys)].reveal(), title()) for n in range(events)
    ]
    began = time.time()
    with requests.Session() as session:
        session.trust_env = False
        for body in bodies:
            session.post(f"{stack.sink.url}/v2/enqueue", json=body, timeout=15)
    return _rate(stack, events, began)


def nothing(stack: BenchmarkStack, events: int) -> float:
    """Return the rate of (b): Celery tasks that do nothing."""
    worker = plain_worker(stack)
    with stack.producer() as send:
        began = time.time()
        for _ in range(events):
            send("plain.nothing", queue=plain.QUEUE)
    with Redis.from_url(stack.broker_url) as redis:

        def when_done() -> float | None:
            return None if redis.llen(plain.QUEUE) or redis.hlen("unacked") else time.time()

        ended = wait_until(when_done, WITHIN, "the last task")
    worker.stop()
    stack.last_sink_share = 0.0
    return events / (ended - began)


def post(stack: BenchmarkStack, events: int) -> float:
    """Return the rate of (c): a plain Celery task an event. Raise Void."""
    worker = plain_worker(stack)
    with stack.producer() as send:
        began = time.time()
        for n in range(events):
            key = stack.keys[n % len(stack.keys)].reveal()
            send("plain.post", args=[key, title()], queue=plain.QUEUE)
    rate = _rate(stack, events, began)
    worker.stop()
    return rate


def plain_worker(stack: BenchmarkStack) -> Process:
    """Start a worker of the plain tasks and return it."""
    app = "benchmarks.plain"
    return stack.start_worker("-Q", plain.QUEUE, name="plain", app=app, concurrency=CORES)


def alertmanager(stack: BenchmarkStack, events: int) -> float:
    """Return the rate of (d): Prometheus Alertmanager. Raise Void."""
    process, url = _start_alertmanager(stack)
    batches = list(slices([_alert(stack, n) for n in range(events)]))
    began = time.time()
    with requests.Session() as session:
        session.trust_env = False
        for batch in batches:
            session.post(f"{url}/api/v2/alerts", json=batch, timeout=15).raise_for_status()
    rate = _rate(stack, events, began)
    process.stop()
    return rate


def batched(
    stack: BenchmarkStack, events: int, beside: AbstractContextManager[object] = NOTHING_ELSE
) -> float:
    """Return the rate of (e): this pipeline, events in batches. Raise Void.

    ``beside`` is entered when the workers are ready, and left when the sink has everything.
    """
    return _ours(stack, events, BATCH, beside)


def single(stack: BenchmarkStack, events: int) -> float:
    """Return the rate of (f): this pipeline, one event a message. Raise Void."""
    return _ours(stack, events, 1, NOTHING_ELSE)


CONTENDERS: Final[dict[str, Callable[[BenchmarkStack, int], float]]] = {
    "a": loop,
    "b": nothing,
    "c": post,
    "d": alertmanager,
    "e": batched,
    "f": single,
}
WORDS: Final = {
    "a": "``requests.Session.post`` in a loop, on one core",
    "b": "Celery tasks that do nothing, one by one",
    "c": "A plain Celery task an event, which only posts",
    "d": "Prometheus Alertmanager, in memory: a receiver for each key, batches of 100 alerts",
    "e": "This pipeline, events in batches of 100",
    "f": "This pipeline, one event a message",
}
"""What each contender is called in tables."""


def _ours(
    stack: BenchmarkStack, events: int, size: int, beside: AbstractContextManager[object]
) -> float:
    """Return the rate of this pipeline with ``size`` events a message."""
    with at_work(stack, events):
        clients = len(stack.keys)
        made = list(slices([event(n, n % clients + 1) for n in range(events)], size))
        with beside, stack.producer() as send:
            began = time.time()
            for batch in made:
                send(INGEST, kwargs={"events": batch}, queue=EVENTS_QUEUE)
            return _rate(stack, events, began)


def _rate(stack: BenchmarkStack, events: int, began: float) -> float:
    seen = stack.sink.wait_for(events, WITHIN)
    if seen["requests"] != events:
        raise Void(f"{seen['requests']} requests for {events} events")
    took = float(seen["last"]) - began
    stack.last_sink_share = float(seen["cpu"]) / took / CORES
    stack.sink.forget()
    return events / took


def _alert(stack: BenchmarkStack, n: int) -> dict[str, Any]:
    labels = {"alertname": str(uuid4()), "integration": str(n % len(stack.keys) + 1)}
    return {"labels": labels, "annotations": {"summary": title()}}


def slices(items: list[dict[str, Any]], size: int = BATCH) -> Iterator[list[dict[str, Any]]]:
    """Yield ``items``, ``size`` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _start_alertmanager(stack: BenchmarkStack) -> tuple[Process, str]:
    receivers = [
        {
            "name": f"integration {n}",
            "pagerduty_configs": [
                {
                    "routing_key": key.reveal(),
                    "url": f"{stack.sink.url}/v2/enqueue",
                    "send_resolved": False,
                }
            ],
        }
        for n, key in enumerate(stack.keys, 1)
    ]
    routes = [
        {"receiver": f"integration {n}", "matchers": [f'integration="{n}"']}
        for n in range(1, len(stack.keys) + 1)
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
    file = stack.folder / "alertmanager.json"
    file.write_text(json.dumps(config))
    port = _free_port()
    process = stack.start(
        "alertmanager",
        [
            str(ALERTMANAGER),
            f"--config.file={file}",
            f"--storage.path={stack.folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=error",
        ],
    )
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: _is_ready(url), 30, "Alertmanager ready")
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

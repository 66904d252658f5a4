"""The same promises on RabbitMQ: a short pass of the matrix."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from chaos.rabbitmq import RabbitMQ
from chaos.scene import INGESTED_WITHIN, LATER_WITHIN, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaos.report import Report

pytestmark = [pytest.mark.rabbitmq, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMQ]:
    with RabbitMQ() as server:
        yield server


@pytest.fixture
def scene(make_scene: Callable[..., Scene], rabbitmq: RabbitMQ) -> Scene:
    """Over queues that are empty: what another scene left is none of this one's."""
    rabbitmq.control("stop_app")
    rabbitmq.control("force_reset")
    rabbitmq.control("start_app")
    made = make_scene(rabbitmq.url)
    made.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 25}])
    return made


@pytest.mark.parametrize(
    ("step", "action"),
    [
        ("ingest.before_commit", "kill_child"),
        ("ingest.begun", "kill_worker"),
        ("ingest.committed", "kill_worker"),
        ("claim.committed", "kill_worker"),
        ("record.committed", "kill_worker"),
    ],
)
def test_a_worker_is_killed(scene: Scene, report: Report, step: str, action: str) -> None:
    worker = scene.start_armed((step, action))
    scene.start_beat()
    scene.emit()
    scene.wait_for_point(step)
    if action == "kill_worker":
        worker.popen.wait(10)
        scene.system.start_worker()
    seconds = scene.wait_for_all(INGESTED_WITHIN)
    findings = scene.judge()
    fault = f"RabbitMQ: `kill -9` of a {action.removeprefix('kill_')}"
    report.add(fault, step, "handed out again at once", seconds, findings)
    assert findings == []


@pytest.mark.parametrize("step", ["ingest.begun", "ingest.committed", "record.committed"])
def test_the_broker_is_killed_and_comes_back(
    scene: Scene, rabbitmq: RabbitMQ, report: Report, step: str
) -> None:
    scene.start_armed((step, "pause"))
    scene.start_beat()
    scene.emit()
    scene.wait_for_point(step)
    rabbitmq.kill()
    scene.go_on()
    rabbitmq.start()
    seconds = scene.wait_for_all(INGESTED_WITHIN)
    findings = scene.judge()
    report.add("RabbitMQ killed and restarted", step, "back with its data", seconds, findings)
    assert findings == []


def test_the_broker_is_short_of_memory_and_blocks_who_publishes(
    scene: Scene, rabbitmq: RabbitMQ, report: Report
) -> None:
    scene.start_armed(("record.committed", "pause"))
    scene.start_beat()
    scene.emit()
    scene.wait_for_point("record.committed")
    rabbitmq.control("set_vm_memory_high_watermark", "absolute", "1")
    scene.go_on()
    time.sleep(3)
    rabbitmq.control("set_vm_memory_high_watermark", "0.4")
    seconds = scene.wait_for_all(LATER_WITHIN)
    findings = scene.judge()
    report.add(
        "RabbitMQ out of memory", "record.committed", "blocked who published", seconds, findings
    )
    assert findings == []

"""A Redis without memory: what it handed out is noted down as soon as it has some."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from e2e.system import eventually

from chaos.scene import INGESTED_WITHIN, Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.report import Report


@pytest.mark.sample
@pytest.mark.timeout(300)
def test_a_worker_that_dies_after_a_shortage_of_memory_takes_no_message_along(
    make_scene: Callable[..., Scene], report: Report
) -> None:
    scene = make_scene()
    worker = scene.start_armed(("ingest.begun", "pause"), times=2)
    os.kill(worker.popen.pid, signal.SIGSTOP)
    scene.emit()
    with scene.system.ask_broker() as broker:
        broker.config_set("maxmemory-policy", "noeviction")
        broker.config_set("maxmemory", "1")
        os.kill(worker.popen.pid, signal.SIGCONT)
        worker.wait_for("broker.out_of_memory")
        scene.wait_for_point("ingest.begun")
        assert broker.hlen("unacked") == 0
        broker.config_set("maxmemory", "0")
        eventually(lambda: broker.hlen("unacked") >= 1, 10, "it was noted down who has what")
    worker.kill()
    scene.system.start_worker()
    scene.start_beat()
    seconds = scene.wait_for_all(INGESTED_WITHIN)
    findings = scene.judge()
    report.add(
        "broker out of memory, then `kill -9` of the worker",
        "ingest.begun",
        "another worker took over",
        seconds,
        findings,
    )
    assert findings == []

"""The logs of a real worker and beat, where they are asked for as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from build import a_key, an_event_object, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System
    from wallarm_notify.devstack.processes import Process


def messages(process: Process) -> set[str]:
    """The messages of what a process has logged; all but Celery's banner is JSON."""
    objects = [json.loads(line) for line in process.text().splitlines() if line.startswith("{")]
    assert all({"time", "severity", "message", "node"} <= {*one} for one in objects)
    assert " INFO " not in process.text()
    return {one["message"] for one in objects}


def test_worker_and_beat_write_json(make_system: Callable[..., System]) -> None:
    system = make_system(log_format="json")
    system.integration(a_key())
    worker, beat = system.start_worker(concurrency=1), system.start_beat()
    system.emit(an_event_object())
    system.wait_for_states(60, delivered=1)
    eventually(lambda: "delivery.recorded" in messages(worker), 60, "the delivery was logged")
    eventually(lambda: bool(messages(beat)), 60, "beat logged something")

"""What Redis has handed out is nobody's for no moment: whoever is killed right then takes nothing along."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from build import eventually

from chaos.outside import broker_killed
from chaos.scene import INGESTED_WITHIN, Scene
from wallarm_notify.broker.redis_transport import NotingChannel

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.outside import World
    from chaos.report import Report
    from wallarm_notify.devstack.processes import Process

pytestmark = [pytest.mark.sample, pytest.mark.timeout(300)]


@pytest.mark.parametrize("fault", ["`kill -9` of a worker", "broker killed and restarted"])
def test_a_message_on_its_way_from_redis_to_a_worker_is_not_lost(
    make_scene: Callable[..., Scene], world: World, report: Report, fault: str
) -> None:
    scene = make_scene()
    worker = scene.system.start_worker()
    os.kill(worker.popen.pid, signal.SIGSTOP)
    scene.emit()
    eventually(lambda: put_on_its_way(scene, world, worker), 20, "messages were on their way")
    began = time.monotonic()
    if fault == "broker killed and restarted":
        broker_killed(scene, world)
        os.kill(worker.popen.pid, signal.SIGCONT)
        happened = "the worker connected again"
    else:
        worker.kill()
        scene.system.start_worker()
        happened = "another worker took over"
    scene.start_beat()
    step = "a message is on its way to the worker"
    scene.end_well(report, fault, step, happened, within=INGESTED_WITHIN, since=began)


def put_on_its_way(scene: Scene, world: World, worker: Process) -> bool:
    """Lets a stopped worker ask for messages while Redis sleeps, and Redis answer while it sleeps."""
    os.kill(world.broker.pid, signal.SIGSTOP)
    os.kill(worker.popen.pid, signal.SIGCONT)
    time.sleep(0.2)
    os.kill(worker.popen.pid, signal.SIGSTOP)
    os.kill(world.broker.pid, signal.SIGCONT)
    with scene.system.ask_broker() as redis:
        return int(redis.hlen(NotingChannel.unacked_key)) > 0


def test_a_redis_without_memory_knows_who_has_what_it_handed_out(
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
        scene.wait_for_point("ingest.begun")
        worker.kill()
        began = time.monotonic()
        # Redis takes them back out of their note, too, which another worker has it do.
        scene.system.start_worker()
        everything = scene.expected.events
        eventually(lambda: scene.system.ledger().received >= everything, INGESTED_WITHIN, "all in")
        broker.config_set("maxmemory", "0")
    scene.start_beat()
    scene.end_well(
        report,
        "broker out of memory, then `kill -9` of the worker",
        "ingest.begun",
        "another worker took over, still without memory",
        within=INGESTED_WITHIN,
        since=began,
    )

"""What Redis hands out always has an owner: whoever is killed at that moment loses nothing."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from build import eventually

from chaos.outside import broker_killed
from chaos.scenario import INGESTED_WITHIN, Scenario
from wallarm_notify.broker.redis_transport import NotingChannel

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.outside import Servers
    from chaos.report import Report
    from wallarm_notify.devstack.processes import Process

pytestmark = [pytest.mark.sample, pytest.mark.timeout(300)]


@pytest.mark.parametrize("fault", ["`kill -9` of a worker", "broker killed and restarted"])
def test_a_message_on_its_way_from_redis_to_a_worker_is_not_lost(
    make_scenario: Callable[..., Scenario], servers: Servers, report: Report, fault: str
) -> None:
    scenario = make_scenario()
    worker = scenario.system.start_worker()
    os.kill(worker.popen.pid, signal.SIGSTOP)
    scenario.emit()
    eventually(lambda: put_on_its_way(scenario, servers, worker), 60, "messages were on their way")
    began = time.monotonic()
    if fault == "broker killed and restarted":
        broker_killed(scenario, servers)
        os.kill(worker.popen.pid, signal.SIGCONT)
        happened = "the worker connected again"
    else:
        worker.kill()
        scenario.system.start_worker()
        happened = "another worker took over"
    scenario.start_beat()
    step = "a message is on its way to the worker"
    scenario.end_well(report, fault, step, happened, within=INGESTED_WITHIN, since=began)


def put_on_its_way(scenario: Scenario, servers: Servers, worker: Process) -> bool:
    """Let a worker ask for messages while Redis is stopped, and Redis answer while the worker is stopped."""
    os.kill(servers.broker.pid, signal.SIGSTOP)
    os.kill(worker.popen.pid, signal.SIGCONT)
    time.sleep(0.2)
    os.kill(worker.popen.pid, signal.SIGSTOP)
    os.kill(servers.broker.pid, signal.SIGCONT)
    with scenario.system.ask_broker() as redis:
        return int(redis.hlen(NotingChannel.unacked_key)) > 0


def test_a_redis_without_memory_knows_the_owner_of_each_message_it_handed_out(
    make_scenario: Callable[..., Scenario], report: Report
) -> None:
    scenario = make_scenario()
    worker = scenario.start_armed(("ingest.begun", "pause"), times=2)
    os.kill(worker.popen.pid, signal.SIGSTOP)
    scenario.emit()
    with scenario.system.ask_broker() as broker:
        broker.config_set("maxmemory-policy", "noeviction")
        broker.config_set("maxmemory", "1")
        os.kill(worker.popen.pid, signal.SIGCONT)
        scenario.wait_for_point("ingest.begun")
        worker.kill()
        began = time.monotonic()
        # Redis takes them back out of their note, too, which another worker has it do.
        scenario.system.start_worker()
        everything = scenario.expected.events
        eventually(
            lambda: scenario.system.ledger().received >= everything, INGESTED_WITHIN, "all in"
        )
        broker.config_set("maxmemory", "0")
    scenario.start_beat()
    scenario.end_well(
        report,
        "broker out of memory, then `kill -9` of the worker",
        "ingest.begun",
        "another worker took over, still without memory",
        within=INGESTED_WITHIN,
        since=began,
    )

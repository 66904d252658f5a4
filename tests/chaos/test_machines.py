"""An installation on six machines, of which some are cut off and come back, or are far away (spec 7)."""

from __future__ import annotations

import itertools
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from build import an_event_object, eventually
from e2e.system import ROOT

from chaos.machines import BrokerOnMachine, Machine, Network, PostgresOnMachine, RabbitMQOnMachine
from chaos.scenario import CLIENTS, INGESTED_WITHIN, Scenario
from chaos.test_matrix import INGESTS, bound, fail_at_first
from chaos.test_rabbitmq import empty
from wallarm_notify.devstack.server import BROKER_URL, DATABASE_URL
from wallarm_notify.producer import NotSent, Producer
from wallarm_notify.sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaos.report import Report
    from wallarm_notify.devstack.processes import Process

pytestmark = [pytest.mark.machines, pytest.mark.timeout(500)]

AWAY: Final = 30.0
"""Seconds that a server's machine is away: more than connections may take to notice it."""

PAGERDUTY_AWAY: Final = 10.0
"""So that the schedule, shortened a hundred times, does not end meanwhile."""

DELAY: Final = 0.1
"""Seconds each way of a line with 200 ms of delay."""

CUT: Final = 0.05
"""The part of the open connections that such a line cuts each second."""


ROUNDS: Final = 8
"""Calls of events, one each second, that two workers share."""

PAGERDUTY_URL: Final = "WALLARM_NOTIFY_PAGERDUTY_US_URL"
"""Of the region that every integration of the scenario is in."""

NAMES: Final = {"database": "the database", "broker": "the broker", "pagerduty": "PagerDuty"}


@dataclass(frozen=True)
class Machines:
    """The machines of an installation; each worker's has a beat too."""

    network: Network
    producer: Machine
    broker: Machine
    database: Machine
    pagerduty: Machine
    workers: tuple[Machine, Machine]


@pytest.fixture(scope="session")
def machines() -> Iterator[Machines]:
    with Network() as network:
        producer, broker, database, pagerduty, first, second = (network.add() for _ in range(6))
        yield Machines(network, producer, broker, database, pagerduty, (first, second))


@pytest.fixture(scope="session")
def postgres(machines: Machines) -> Iterator[PostgresOnMachine]:
    with PostgresOnMachine(machines.database) as server:
        yield server


@pytest.fixture(scope="session")
def valkey(machines: Machines) -> Iterator[BrokerOnMachine]:
    with BrokerOnMachine(machines.broker) as server:
        yield server


@pytest.fixture
def sandbox(machines: Machines) -> Iterator[Sandbox]:
    running = Sandbox(machines.pagerduty.address)
    with machines.pagerduty.entered():
        running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def rabbitmq(machines: Machines) -> Iterator[RabbitMQOnMachine]:
    with RabbitMQOnMachine(machines.broker) as server:
        yield server


@pytest.fixture
def make_on_machines(
    make_scenario: Callable[..., Scenario], machines: Machines, postgres: PostgresOnMachine
) -> Iterator[Callable[..., Scenario]]:
    """What makes a scenario whose processes reach the database by TCP; some first requests are refused."""

    def make(**settings: str) -> Scenario:
        made = make_scenario(pagerduty_plain_http_hosts=machines.pagerduty.address, **settings)
        name = sa.make_url(made.system.environment[DATABASE_URL]).database
        made.system.environment[DATABASE_URL] = postgres.url_by_tcp(str(name))
        fail_at_first(made)
        return made

    yield make
    machines.network.mend()


@pytest.fixture
def scenario(make_on_machines: Callable[..., Scenario]) -> Scenario:
    """A scenario with Valkey as its broker."""
    return make_on_machines()


def start_host(
    scenario: Scenario, machine: Machine, *points: tuple[str, str], queues: str | None = None
) -> None:
    """Start a worker and a beat on a machine, with crash points armed in the worker."""
    with machine.entered():
        scenario.start_armed(*points, queues=queues)
        scenario.start_beat()


def emit(scenario: Scenario, machines: Machines) -> None:
    """Emit events from the producer's machine."""
    with machines.producer.entered(), Producer(scenario.system.broker_url) as producer:
        scenario.emit(send=producer.emit)


def emit_more(scenario: Scenario, machines: Machines) -> None:
    """Emit events of all clients that came after the others."""
    events = [an_event_object(CLIENTS[n % len(CLIENTS)]) for n in range(30)]
    for event in events:
        scenario.expected.pages(event)
    scenario.expected.received(len(events))
    with machines.producer.entered(), Producer(scenario.system.broker_url) as producer:
        producer.emit(*events)


@pytest.mark.parametrize(
    "step",
    [
        "ingest.before_commit",
        "claim.committed",
        "send.begun",
        "send.answered",
        "record.before_commit",
    ],
)
def test_a_workers_machine_is_cut_off_and_comes_back(
    scenario: Scenario, machines: Machines, report: Report, step: str
) -> None:
    first, second = machines.workers
    start_host(scenario, first, (step, "pause"))
    emit(scenario, machines)
    scenario.wait_for_point(step)
    first.cut_off()
    since = time.monotonic()
    scenario.go_on()
    start_host(scenario, second)
    fault = "a worker's machine cut off"
    happened = "another one was started, and went on"
    scenario.end_well(report, fault, step, happened, within=bound(step), since=since)
    first.bring_back()
    second.cut_off()
    emit_more(scenario, machines)
    fault = "a worker's machine back, and the other one cut off"
    scenario.end_well(report, fault, step, "it worked again", within=INGESTED_WITHIN)


@pytest.mark.parametrize(
    "step", ["ingest.before_commit", "claim.committed", "record.before_commit", "record.committed"]
)
def test_a_workers_machine_comes_back_with_another_address(
    scenario: Scenario, machines: Machines, report: Report, step: str
) -> None:
    """Nothing answers on its connections any more, so that it has to notice by itself that they are dead."""
    first, _ = machines.workers
    start_host(scenario, first, (step, "pause"))
    emit(scenario, machines)
    scenario.wait_for_point(step)
    first.cut_off()
    first.move()
    first.bring_back()
    scenario.go_on()
    emit_more(scenario, machines)
    fault = "a worker's machine back with another address"
    happened = "its connections were dead, and nobody told it"
    scenario.end_well(report, fault, step, happened, within=bound(step))


@pytest.mark.parametrize(
    ("server", "step"),
    [
        ("database", "ingest.before_commit"),
        ("database", "record.before_commit"),
        ("broker", "ingest.committed"),
        ("broker", "record.committed"),
        ("pagerduty", "send.begun"),
    ],
)
def test_a_servers_machine_is_cut_off_and_comes_back(
    scenario: Scenario, machines: Machines, report: Report, server: str, step: str
) -> None:
    first, second = machines.workers
    start_host(scenario, first, (step, "pause"))
    emit(scenario, machines)
    scenario.wait_for_point(step)
    start_host(scenario, second)
    emit_more(scenario, machines)
    machine: Machine = getattr(machines, server)
    machine.cut_off()
    scenario.go_on()
    if server != "broker":
        emit_more(scenario, machines)
    away = PAGERDUTY_AWAY if server == "pagerduty" else AWAY
    time.sleep(away)
    machine.bring_back()
    emit_more(scenario, machines)
    happened = f"away for {away:.0f} s, both workers went on"
    fault = f"the machine of {NAMES[server]} cut off"
    scenario.end_well(report, fault, step, happened, within=bound(step))


@pytest.mark.parametrize("step", ["ingest.before_commit", "record.before_commit"])
def test_a_workers_machine_of_rabbitmq_is_cut_off(
    make_on_machines: Callable[..., Scenario],
    rabbitmq: RabbitMQOnMachine,
    machines: Machines,
    report: Report,
    step: str,
) -> None:
    """What it has is handed out again when RabbitMQ misses its heartbeats."""
    empty(rabbitmq)
    scenario = make_on_machines(broker_url=rabbitmq.url)
    first, second = machines.workers
    start_host(scenario, first, (step, "pause"))
    emit(scenario, machines)
    scenario.wait_for_point(step)
    first.cut_off()
    since = time.monotonic()
    scenario.go_on()
    start_host(scenario, second)
    fault = "RabbitMQ: a worker's machine cut off"
    happened = "another one was started, and went on"
    scenario.end_well(report, fault, step, happened, within=INGESTED_WITHIN, since=since)


def test_a_producers_machine_is_cut_off_and_comes_back(
    scenario: Scenario, machines: Machines, report: Report
) -> None:
    for machine in machines.workers:
        start_host(scenario, machine)
    events = [an_event_object(CLIENTS[n % len(CLIENTS)]) for n in range(30)]
    with machines.producer.entered(), Producer(scenario.system.broker_url) as producer:
        scenario.emit(send=producer.emit)
        machines.producer.cut_off()
        began = time.monotonic()
        with pytest.raises(NotSent) as caught:
            producer.emit(*events)
        waited = time.monotonic() - began
        machines.producer.bring_back()
        assert producer.emit(*caught.value.events)
    assert waited < 10  # what a producer promises
    for event in events:
        scenario.expected.pages(event)
    scenario.expected.received(len(events))
    happened = f"it was told within {waited:.0f} s, and emitted the same events again"
    scenario.end_well(report, "a producer's machine cut off", "ingest.begun", happened)


def test_a_workers_machine_is_far_away_by_a_bad_line(
    scenario: Scenario, machines: Machines, report: Report
) -> None:
    near, far = machines.workers
    links = start_far_host(scenario, far)
    # So that all alerts go by the bad line.
    start_host(scenario, near, queues=f"{INGESTS},upkeep")
    emit(scenario, machines)
    rounds = itertools.count(1)

    def enough_was_cut() -> bool:
        emit_more(scenario, machines)
        time.sleep(1)
        return next(rounds) >= ROUNDS and all(map(cuts_of, links))

    eventually(enough_was_cut, 150, "a connection of each line was cut")
    happened = f"{sum(map(cuts_of, links))} connections were cut"
    fault = "200 ms to the worker that sends, 5 % of its connections cut each second"
    scenario.end_well(report, fault, "every step", happened, within=INGESTED_WITHIN)


def start_far_host(scenario: Scenario, machine: Machine) -> list[Process]:
    """Start a worker and a beat on a machine that reaches each server by a bad line; return the lines."""
    system = scenario.system
    through = {}
    links = []
    with machine.entered():
        for number, variable in enumerate((BROKER_URL, DATABASE_URL, PAGERDUTY_URL), 5001):
            url = urlsplit(system.environment[variable])
            words = [str(number), str(url.hostname), str(url.port), str(DELAY), str(CUT)]
            link = system.start(
                f"link{number}",
                [sys.executable, "-m", "chaos.slow_link", *words],
                PYTHONPATH=str(ROOT / "tests"),
            )
            link.wait_for("listening")
            links.append(link)
            login, _, _ = url.netloc.rpartition("@")
            here = f"{login}@" if login else ""
            through[variable] = url._replace(netloc=f"{here}127.0.0.1:{number}").geturl()
        system.start_worker(**through)
        system.start_beat(**through).wait_for("Sending due task")
    return links


def cuts_of(link: Process) -> int:
    """Return how many connections a line has cut."""
    return link.text().splitlines().count("cut")

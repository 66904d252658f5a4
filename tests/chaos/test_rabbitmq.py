"""The guarantees on RabbitMQ: a short run of the matrix."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
from build import an_event_object, eventually

from chaos.scenario import INGESTED_WITHIN, Scenario
from wallarm_notify.devstack.rabbitmq import RabbitMQ
from wallarm_notify.producer import Producer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaos.report import Report

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

AGAIN: Final = "handed out again at once"


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMQ]:
    with RabbitMQ() as server:
        yield server


@pytest.fixture
def scenario(make_scenario: Callable[..., Scenario], rabbitmq: RabbitMQ) -> Scenario:
    """A scenario on empty queues."""
    empty(rabbitmq)
    made = make_scenario(broker_url=rabbitmq.url)
    made.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 25}])
    return made


@pytest.mark.parametrize(
    ("step", "action"),
    [
        ("ingest.before_commit", "kill_child"),
        ("ingest.begun", "kill_worker"),
        ("ingest.committed", "kill_worker"),
        ("dispatcher.handed", "kill_worker"),
        ("record.committed", "kill_worker"),
    ],
)
def test_a_worker_is_killed(scenario: Scenario, report: Report, step: str, action: str) -> None:
    worker = scenario.start_armed((step, action))
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point(step)
    if action == "kill_worker":
        worker.popen.wait(60)
        scenario.system.start_worker()
    fault = f"RabbitMQ: `kill -9` of a {action.removeprefix('kill_')}"
    scenario.end_well(report, fault, step, AGAIN, within=INGESTED_WITHIN)


@pytest.mark.parametrize("step", ["ingest.begun", "ingest.before_commit"])
def test_a_worker_of_quorum_queues_is_killed(
    make_scenario: Callable[..., Scenario], rabbitmq: RabbitMQ, report: Report, step: str
) -> None:
    scenario = with_quorum_queues(make_scenario, rabbitmq)
    worker = scenario.start_armed((step, "kill_worker"))
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point(step)
    worker.popen.wait(60)
    scenario.system.start_worker()
    scenario.end_well(
        report,
        "RabbitMQ, quorum queues: `kill -9` of a worker",
        step,
        AGAIN,
        within=INGESTED_WITHIN,
    )


@pytest.mark.parametrize("step", ["ingest.begun", "ingest.committed"])
def test_the_broker_of_quorum_queues_is_killed_and_comes_back(
    make_scenario: Callable[..., Scenario], rabbitmq: RabbitMQ, report: Report, step: str
) -> None:
    scenario = with_quorum_queues(make_scenario, rabbitmq)
    scenario.start_armed((step, "pause"))
    scenario.start_beat()
    types = rabbitmq.control("list_queues", "--quiet", "name", "type").splitlines()
    assert {"events\tquorum", "celery\tquorum", "retries\tclassic"} <= set(types)
    emit_by_client(scenario, rabbitmq)
    scenario.emit()
    scenario.wait_for_point(step)
    rabbitmq.kill()
    scenario.go_on()
    rabbitmq.start()
    scenario.end_well(
        report, "RabbitMQ, quorum queues: killed and restarted", step, AGAIN, within=INGESTED_WITHIN
    )


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_the_second_batch_ends_first_and_then_the_worker_is_killed(
    make_scenario: Callable[..., Scenario], rabbitmq: RabbitMQ, report: Report, queue_type: str
) -> None:
    empty(rabbitmq)
    scenario = make_scenario(broker_url=rabbitmq.url, events_queue_type=queue_type)
    worker = scenario.start_armed(("ingest.begun", "pause"))
    with Producer(rabbitmq.url, batch_size=1) as producer:
        emit_singly(scenario, producer, 1)
        scenario.wait_for_point("ingest.begun")
        already = scenario.system.ledger().received
        emit_singly(scenario, producer, 100)
    eventually(
        lambda: scenario.system.ledger().received == already + 100, 60, "the others were stored"
    )
    # Their acknowledgements must not have meant the one before them.
    eventually(lambda: unacknowledged(rabbitmq) <= 1, 60, "the others were acknowledged")
    worker.kill()
    scenario.system.start_worker()
    scenario.start_beat()
    scenario.end_well(
        report,
        f"RabbitMQ, {queue_type}: `kill -9` of a worker whose second batch ended first",
        "ingest.begun",
        AGAIN,
        within=INGESTED_WITHIN,
    )


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_batch_takes_longer_than_rabbitmq_waits_for_an_acknowledgement(
    make_scenario: Callable[..., Scenario], rabbitmq: RabbitMQ, report: Report, queue_type: str
) -> None:
    empty(rabbitmq)
    scenario = make_scenario(broker_url=rabbitmq.url, events_queue_type=queue_type)
    rabbitmq.control("eval", "application:set_env(rabbit, channel_tick_interval, 500).")
    rabbitmq.control("eval", "application:set_env(rabbit, consumer_timeout, 3000).")
    worker = scenario.start_armed(("ingest.begun", "pause"))
    scenario.start_beat()
    with Producer(rabbitmq.url) as producer:
        emit_singly(scenario, producer, 1)
    scenario.wait_for_point("ingest.begun")
    eventually(lambda: "delivery acknowledgement" in worker.text(), 60, "RabbitMQ closed a channel")
    scenario.go_on()
    with Producer(rabbitmq.url, batch_size=1) as producer:
        emit_singly(scenario, producer, 20)
    scenario.end_well(
        report,
        f"RabbitMQ, {queue_type}: a batch exceeds consumer_timeout",
        "ingest.begun",
        AGAIN,
        within=INGESTED_WITHIN,
    )
    assert worker.popen.poll() is None
    rabbitmq.control("eval", "application:set_env(rabbit, consumer_timeout, 1800000).")


@pytest.mark.parametrize("step", ["ingest.begun", "ingest.committed", "record.committed"])
def test_the_broker_is_killed_and_comes_back(
    scenario: Scenario, rabbitmq: RabbitMQ, report: Report, step: str
) -> None:
    scenario.start_armed((step, "pause"))
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point(step)
    rabbitmq.kill()
    scenario.go_on()
    rabbitmq.start()
    scenario.end_well(
        report, "RabbitMQ killed and restarted", step, "back with its data", within=INGESTED_WITHIN
    )


def test_the_broker_is_short_of_memory_and_blocks_publishers(
    scenario: Scenario, rabbitmq: RabbitMQ, report: Report
) -> None:
    scenario.start_armed(("record.committed", "pause"))
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point("record.committed")
    rabbitmq.control("set_vm_memory_high_watermark", "absolute", "1")
    scenario.go_on()
    time.sleep(3)
    rabbitmq.control("set_vm_memory_high_watermark", "0.4")
    scenario.end_well(report, "RabbitMQ out of memory", "record.committed", "blocked who published")


def unacknowledged(rabbitmq: RabbitMQ) -> int:
    """Return how many events are with workers."""
    answer = rabbitmq.control("list_queues", "--quiet", "name", "messages_unacknowledged")
    return int(dict(line.split("\t") for line in answer.splitlines())["events"])


def emit_singly(scenario: Scenario, producer: Producer, number: int) -> None:
    """Emit events of a client, each in a message of its own."""
    events = [an_event_object(1) for _ in range(number)]
    for event in events:
        scenario.expected.pages(event)
    scenario.expected.received(number)
    producer.emit_many(events)


def emit_by_client(scenario: Scenario, rabbitmq: RabbitMQ) -> None:
    event = an_event_object(1)
    scenario.expected.pages(event)
    scenario.expected.received(1)
    with Producer(rabbitmq.url, queue_type="quorum") as producer:
        producer.emit(event)


def with_quorum_queues(make_scenario: Callable[..., Scenario], rabbitmq: RabbitMQ) -> Scenario:
    empty(rabbitmq)
    scenario = make_scenario(broker_url=rabbitmq.url, events_queue_type="quorum")
    scenario.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 25}])
    return scenario


def empty(rabbitmq: RabbitMQ) -> None:
    """Delete what another scenario left in the queues."""
    rabbitmq.control("stop_app")
    rabbitmq.control("force_reset")
    rabbitmq.control("start_app")

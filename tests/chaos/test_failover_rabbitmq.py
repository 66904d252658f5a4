"""A node of a RabbitMQ cluster is killed: with quorum queues the others go on, with classic ones its queues wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
from build import an_event_object
from kombu import Connection
from rabbitmq_cluster import Cluster

from chaos.scenario import INGESTED_WITHIN
from chaos.steps import every_step
from chaos.test_matrix import bound, fail_at_first
from wallarm_notify.ingest_queue import ingest_queue
from wallarm_notify.producer import NotSent, Producer
from wallarm_notify.task_names import EVENTS_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rabbitmq_cluster import ClusterNode

    from chaos.report import Report
    from chaos.scenario import Scenario

pytestmark = [pytest.mark.failover, pytest.mark.timeout(400)]

FIRST, SECOND, THIRD = range(3)
"""Nodes in the order in which a worker tries them: it is connected to the first."""

LEADING: Final = "RabbitMQ cluster: the worker's node killed, which led `events`"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as running:
        yield running


@pytest.fixture
def vhost(cluster: Cluster) -> str:
    """The name of an empty vhost, with all nodes up."""
    cluster.restore()
    name = f"v{uuid4().hex}"
    cluster.make_vhost(name)
    return name


@pytest.mark.parametrize("step", every_step(in_ci="ingest.committed"))
def test_the_node_is_killed_that_a_worker_is_connected_to(
    make_scenario: Callable[..., Scenario], cluster: Cluster, vhost: str, report: Report, step: str
) -> None:
    scenario = at_step(make_scenario, cluster, vhost, step, leader=FIRST)
    cluster.nodes[FIRST].kill()
    began = time.monotonic()
    scenario.go_on()
    emit_by_client(scenario, cluster, vhost)
    happened = "the others went on; it stayed away"
    scenario.end_well(report, LEADING, step, happened, within=bound(step), since=began)
    assert cluster.home_of(EVENTS_QUEUE, vhost, cluster.nodes[THIRD]) is not cluster.nodes[FIRST]


@pytest.mark.parametrize("step", ["ingest.begun", "record.committed"])
@pytest.mark.parametrize(
    ("fault", "leader", "killed"),
    [
        ("RabbitMQ cluster: the worker's node killed", SECOND, FIRST),
        ("RabbitMQ cluster: the node killed that led `events`", SECOND, SECOND),
    ],
)
def test_one_node_is_killed_of_two_that_a_worker_needs(
    make_scenario: Callable[..., Scenario],
    cluster: Cluster,
    vhost: str,
    report: Report,
    *,
    fault: str,
    leader: int,
    killed: int,
    step: str,
) -> None:
    scenario = at_step(make_scenario, cluster, vhost, step, leader=leader)
    cluster.nodes[killed].kill()
    began = time.monotonic()
    scenario.go_on()
    emit_by_client(scenario, cluster, vhost)
    happened = "the others went on; it stayed away"
    scenario.end_well(report, fault, step, happened, within=bound(step), since=began)


def test_classic_queues_wait_until_their_node_is_back(
    make_scenario: Callable[..., Scenario], cluster: Cluster, vhost: str, report: Report
) -> None:
    """Meanwhile nothing is taken from a producer, and worker and beat try again without end."""
    scenario = make_scenario(broker_url=cluster.url(vhost))
    fail_at_first(scenario)
    worker = scenario.start_armed(("ingest.begun", "pause"))
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point("ingest.begun")
    cluster.nodes[FIRST].kill()
    scenario.go_on()
    with Producer(cluster.url(vhost)) as producer:
        with pytest.raises(NotSent) as error:
            producer.emit(an_event_object(1))
        assert "home node" in str(error.value)
        worker.wait_for("home node")
        assert scenario.system.ended() == []
        cluster.nodes[FIRST].start()
        # What was refused is sent again by whoever has it.
        for event in error.value.events:
            scenario.expected.pages(event)
            scenario.expected.received(1)
            producer.emit(event)
    scenario.end_well(
        report,
        "RabbitMQ cluster, classic queues: their node killed and restarted",
        "ingest.begun",
        "nothing was taken or handed out meanwhile; back with its data",
        within=INGESTED_WITHIN,
    )


def at_step(
    make_scenario: Callable[..., Scenario], cluster: Cluster, vhost: str, step: str, *, leader: int
) -> Scenario:
    """Return a scenario whose worker is at ``step``, connected to the first node; ``leader`` leads ``events``."""
    declare_events(cluster, vhost, cluster.nodes[leader])
    scenario = make_scenario(broker_url=cluster.url(vhost), events_queue_type="quorum")
    fail_at_first(scenario)
    worker = scenario.start_armed((step, "pause"))
    assert f"@{cluster.nodes[FIRST].address}/" in worker.text()
    scenario.start_beat()
    scenario.emit()
    scenario.wait_for_point(step)
    assert cluster.home_of(EVENTS_QUEUE, vhost, cluster.nodes[THIRD]) is cluster.nodes[leader]
    return scenario


def declare_events(cluster: Cluster, vhost: str, node: ClusterNode) -> None:
    """Make the queue of events at ``node``, which leads it then."""
    with Connection(cluster.url(vhost, node)) as connection:
        ingest_queue(EVENTS_QUEUE, "quorum").bind(connection.default_channel).declare()


def emit_by_client(scenario: Scenario, cluster: Cluster, vhost: str) -> None:
    """Emit one more event by a producer that tries the nodes in their order."""
    event = an_event_object(1)
    scenario.expected.pages(event)
    scenario.expected.received(1)
    with Producer(cluster.url(vhost), queue_type="quorum") as producer:
        producer.emit(event)

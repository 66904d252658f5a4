"""The rights that docs/how-to/least-privilege.md gives on RabbitMQ are enough for each process, and no more."""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING, Any

import amqp
import pytest
from build import an_event_object, eventually
from celery import Celery
from documents import block
from kombu import Connection, Queue
from privileges import DOCUMENT, as_user

from e2e.api_process import Api, check_work_of_api
from e2e.flower import Flower
from wallarm_notify.devstack.rabbitmq import RabbitMQ
from wallarm_notify.producer import Producer
from wallarm_notify.task_names import QUEUES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.system import System

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[str]:
    """The URL of the documented vhost."""
    with RabbitMQ() as server:
        for command in block(DOCUMENT, "rabbitmqctl").splitlines():
            server.control(*shlex.split(command)[1:])
        yield server.url.removesuffix("//") + "/notify"


def test_an_event_goes_its_whole_way_with_no_more_than_is_documented(
    rabbitmq: str, make_system: Callable[..., System]
) -> None:
    url = as_user(rabbitmq, "worker")
    system = make_system(broker_url=url, retry_time_scale=0.002, sweep_seconds=1)
    system.integration()
    system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 1}])
    flower = Flower(system, WALLARM_NOTIFY_BROKER_URL=as_user(rabbitmq, "monitor"))
    # The queue is not there yet: producers need not wait for workers.
    with Producer(as_user(rabbitmq, "producer")) as producer:
        producer.emit(an_event_object())
    flower.wait_until_up()
    # As most would start it: with mingle and gossip, which talk to other workers.
    worker = system.start_worker("-E")
    system.start_beat()
    system.wait_for_states(60, delivered=1)
    worker.wait_for("Task upkeep.sweep")
    flower.wait_until_it_sees_workers()
    eventually(partial(flower.done, "notifications.deliver"), 60, "the retry in Flower")
    for process in (worker, flower.process):
        assert "ACCESS_REFUSED" not in process.text()


def test_another_client_of_celery_may_enqueue_events_as_producer(rabbitmq: str) -> None:
    with Celery(broker=as_user(rabbitmq, "producer"), set_as_current=False) as client:
        client.conf.broker_transport_options = {"confirm_publish": True}
        queue: Any = Queue("events")  # the published types know names alone
        client.send_task("events.ingest", kwargs={"events": []}, queue=queue)
    with Connection(as_user(rabbitmq, "worker")) as worker:
        taken = worker.SimpleQueue("events").get(timeout=60)
    assert taken.headers["task"] == "events.ingest"


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_the_api_does_its_work_with_a_user_that_reads_no_message(
    rabbitmq: str, make_system: Callable[..., System], queue_type: str
) -> None:
    url = as_user(rabbitmq, "worker")
    delete_queues(url)  # the API may come first
    settings = {"broker_url": url, "events_queue_type": queue_type}
    system = make_system(retry_time_scale=0.002, sweep_seconds=1, **settings)
    api = Api(system, WALLARM_NOTIFY_BROKER_URL=as_user(rabbitmq, "api"))
    try:
        check_work_of_api(system, api)
        assert "ACCESS_REFUSED" not in api.process.text()
    finally:
        system.close()
        delete_queues(url)  # of another type than the next test's


def delete_queues(url: str) -> None:
    with Connection(url) as worker:
        channel: Any = worker.default_channel
        for queue in QUEUES:
            channel.queue_delete(queue)


REFUSED: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "producer": [
        ("reads", "basic_get", {"queue": "events"}),
        ("empties", "queue_purge", {"queue": "events"}),
        ("declares", "queue_declare", {"queue": "notifications", "durable": True}),
        ("deletes", "queue_delete", {"queue": "notifications"}),
        ("binds", "queue_bind", {"queue": "events", "exchange": "celery"}),
        ("makes an exchange", "exchange_declare", {"exchange": "mine", "type": "direct"}),
    ],
    "api": [
        ("reads", "basic_get", {"queue": "events"}),
        ("empties", "queue_purge", {"queue": "notifications"}),
        ("declares", "queue_declare", {"queue": "celery", "durable": True}),
        ("deletes", "queue_delete", {"queue": "celery"}),
        ("binds", "queue_bind", {"queue": "events", "exchange": "celery"}),
        ("makes an exchange", "exchange_declare", {"exchange": "mine", "type": "direct"}),
    ],
    "monitor": [
        ("reads", "basic_get", {"queue": "events"}),
        ("empties", "queue_purge", {"queue": "events"}),
        ("deletes", "queue_delete", {"queue": "events"}),
        ("declares", "queue_declare", {"queue": "mine"}),
        ("binds", "queue_bind", {"queue": "celeryev.x", "exchange": "celery"}),
    ],
}


@pytest.mark.parametrize(
    ("user", "method", "arguments"),
    [
        pytest.param(user, method, arguments, id=f"{user} {what}")
        for user, attempts in REFUSED.items()
        for what, method, arguments in attempts
    ],
)
def test_a_user_of_rabbitmq_may_do_nothing_else(
    rabbitmq: str, user: str, method: str, arguments: dict[str, Any]
) -> None:
    with Connection(as_user(rabbitmq, "worker")) as worker:
        channel: Any = worker.default_channel
        for name in ("events", "notifications", "celeryev.x"):
            channel.queue_declare(queue=name, durable=True, auto_delete=False)
        channel.exchange_declare(exchange="celery", type="direct", durable=True, auto_delete=False)
    with (
        Connection(as_user(rabbitmq, user)) as connection,
        pytest.raises(amqp.AccessRefused),
    ):
        getattr(connection.default_channel, method)(**arguments)


@pytest.mark.parametrize("exchange", ["", "celery.pidbox", "celery"])
def test_monitor_publishes_to_the_control_mailbox_alone(rabbitmq: str, exchange: str) -> None:
    with Connection(as_user(rabbitmq, "worker")) as worker:
        channel: Any = worker.default_channel
        channel.exchange_declare(exchange="celery.pidbox", type="fanout", auto_delete=False)
        channel.exchange_declare(exchange="celery", type="direct", durable=True, auto_delete=False)
    options = {"confirm_publish": True}
    with Connection(as_user(rabbitmq, "monitor"), transport_options=options) as monitor:
        producer = monitor.Producer(auto_declare=False)
        if exchange == "celery.pidbox":
            producer.publish({}, exchange=exchange)
        else:
            with pytest.raises(amqp.AccessRefused):
                producer.publish({}, exchange=exchange, routing_key="events")


def test_only_its_users_reach_the_vhost(rabbitmq: str) -> None:
    with pytest.raises(amqp.NotAllowed), Connection(rabbitmq) as guest:
        guest.connect()

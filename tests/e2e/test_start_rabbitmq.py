"""The checks of RabbitMQ at the start: one that cannot be used stops it, an alarm does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from build import an_event_object, eventually
from kombu import Connection

from e2e.test_start_broker import BOTH, refusal, running
from wallarm_notify.devstack.processes import product_command, run
from wallarm_notify.devstack.rabbitmq import RabbitMQ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.system import System

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMQ]:
    with RabbitMQ() as server:
        yield server


def vhost_of(server: RabbitMQ, permissions: tuple[str, str, str], *options: str) -> str:
    """Return the URL of a new vhost for a new user with these permissions."""
    name = uuid4().hex
    server.control("add_vhost", name, *options)
    server.control("add_user", name, "secret")
    server.control("set_permissions", "--vhost", name, name, *permissions)
    where = server.url.rpartition("@")[2].rstrip("/")
    return f"amqp://{name}:secret@{where}/{name}"


ALL = (".*", ".*", ".*")


@pytest.mark.parametrize("program", ["worker", "beat"])
def test_a_program_of_a_user_with_all_rights_starts_without_a_warning(
    system: System, rabbitmq: RabbitMQ, program: str
) -> None:
    with running(system, program, vhost_of(rabbitmq, ALL)) as process:
        pass
    assert " broker." not in process.text()


@pytest.mark.parametrize(
    ("program", "permissions", "named"),
    [
        ("worker -c 1", ("^$", ".*", ".*"), ["configure the exchange celery,", "the queue events,"]),
        ("worker -c 1", (".*", ".*", "^celery"), ["read the queue events,", "read the queue upkeep"]),
        ("worker -c 1 -Q upkeep", (".*", "^upkeep$|^celery", ".*"), ["write to the exchange amq.default"]),
        ("beat", (".*", "^upkeep$", ".*"), ["write to the exchange amq.default"]),
        ("beat", ("^events$", ".*", ".*"), ["configure the queue upkeep"]),
    ],
)  # fmt: skip
def test_permissions_that_are_missing_are_named(
    system: System,
    rabbitmq: RabbitMQ,
    program: str,
    permissions: tuple[str, str, str],
    named: list[str],
) -> None:
    line = refusal(system, program, vhost_of(rabbitmq, permissions))
    assert all(words in line for words in named), line
    assert "docs/how-to/least-privilege.md" in line


@pytest.mark.parametrize(
    ("queue_type", "words"), [("classic", "on one node"), ("quorum", "on most of its nodes")]
)
def test_doctor_says_on_how_many_nodes_events_wait(
    make_system: Callable[..., System], rabbitmq: RabbitMQ, queue_type: str, words: str
) -> None:
    system = make_system(broker_url=vhost_of(rabbitmq, ALL), events_queue_type=queue_type)
    done = run(product_command("doctor", "--json"), system.environ())
    (found,) = (one for one in json.loads(done.stdout)["findings"] if one["part"] == "broker")
    assert (found["grade"], words in found["sentence"]) == ("good", True), found


@BOTH
def test_a_queue_of_another_form_is_named(system: System, rabbitmq: RabbitMQ, program: str) -> None:
    url = vhost_of(rabbitmq, ALL)
    with Connection(url) as connection:
        channel: Any = connection.default_channel
        for name in ("events", "upkeep"):
            channel.queue_declare(queue=name, durable=True, auto_delete=False,
                                  arguments={"x-max-length": 5})  # fmt: skip
    line = refusal(system, program, url)
    assert "x-max-length" in line
    assert "differs from ours" in line


def test_where_new_queues_are_quorum_queues_those_of_deliveries_are_classic_and_retries_go_on(
    make_system: Callable[..., System], rabbitmq: RabbitMQ
) -> None:
    url = vhost_of(rabbitmq, ALL, "--default-queue-type", "quorum")
    system = make_system(broker_url=url, events_queue_type="quorum", retry_time_scale=0.01)
    system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 3}])
    system.integration()
    worker, beat = system.start_worker(), system.start_beat()
    beat.wait_for("Sending due task")
    system.emit(an_event_object(1))
    system.wait_for_states(60, delivered=1)
    for process in (worker, beat):
        assert " broker." not in process.text()
    kinds = rabbitmq.control("-q", "list_queues", "--vhost", url.rpartition("/")[2], "name", "type")
    assert (
        dict(line.split() for line in kinds.splitlines()[1:]).items()
        >= {
            "celery": "quorum",
            "events": "quorum",
            "notifications": "classic",
            "retries": "classic",
            "upkeep": "classic",
        }.items()
    )


def test_a_queue_of_deliveries_of_another_type_is_named(system: System, rabbitmq: RabbitMQ) -> None:
    url = vhost_of(rabbitmq, ALL)
    with Connection(url) as connection:
        channel: Any = connection.default_channel
        channel.queue_declare(queue="notifications", durable=True, auto_delete=False,
                              arguments={"x-queue-type": "quorum"})  # fmt: skip
    line = refusal(system, "worker -c 1", url)
    assert "notifications" in line
    assert "differs from ours" in line


def test_a_durable_queue_of_deliveries_is_used_and_named_where_transient_ones_are_asked_for(
    make_system: Callable[..., System], rabbitmq: RabbitMQ
) -> None:
    url = vhost_of(rabbitmq, ALL)
    with Connection(url) as connection:
        channel: Any = connection.default_channel
        channel.queue_declare(queue="notifications", durable=True, auto_delete=False)
    system = make_system(broker_url=url, events_queue_type="quorum")
    worker = system.start_worker(concurrency=1)
    (line,) = (one for one in worker.text().splitlines() if "broker.other_queue_type" in one)
    assert "'durable' for queue 'notifications'" in line
    listed = rabbitmq.control(
        "list_queues", "--quiet", "-p", url.rpartition("/")[2], "name", "durable"
    )
    assert {"notifications\ttrue", "retries\tfalse", "upkeep\tfalse"} <= set(listed.splitlines())
    assert worker.stop() == 0


def test_a_quorum_queue_of_deliveries_is_refused_where_transient_ones_are_asked_for(
    make_system: Callable[..., System], rabbitmq: RabbitMQ
) -> None:
    url = vhost_of(rabbitmq, ALL)
    with Connection(url) as connection:
        channel: Any = connection.default_channel
        channel.queue_declare(queue="notifications", durable=True, auto_delete=False,
                              arguments={"x-queue-type": "quorum"})  # fmt: skip
    system = make_system(broker_url=url, events_queue_type="quorum")
    line = refusal(system, "worker -c 1", url)
    assert "notifications" in line
    assert "differs from ours" in line


def test_messages_that_wait_are_not_touched_by_the_check(
    system: System, rabbitmq: RabbitMQ
) -> None:
    url = vhost_of(
        rabbitmq, (".*", "^(events|upkeep|celery.*|.*pidbox|notifications|retries)$", ".*")
    )
    with Connection(url) as connection:
        channel: Any = connection.default_channel
        channel.queue_declare(queue="events", durable=True, auto_delete=False)
    with Connection(rabbitmq.url.removesuffix("//") + "/" + url.rpartition("/")[2]) as connection:
        rabbitmq.control("set_permissions", "--vhost", url.rpartition("/")[2], "guest", *ALL)
        connection.SimpleQueue("events").put({"x": 1})
    assert "amq.default" in refusal(system, "worker -c 1", url)
    with Connection(rabbitmq.url.removesuffix("//") + "/" + url.rpartition("/")[2]) as connection:
        taken = connection.SimpleQueue("events").get(timeout=60)
        assert not taken.delivery_info["redelivered"]
        taken.ack()


def test_an_alarm_is_warned_of_and_refuses_nothing(system: System, rabbitmq: RabbitMQ) -> None:
    url = vhost_of(rabbitmq, ALL)
    rabbitmq.control("set_vm_memory_high_watermark", "0.00000001")
    try:
        eventually(
            lambda: "memory" in rabbitmq.control("eval", "rabbit_alarm:get_alarms()."),
            60,
            "an alarm",
        )
        worker = system.begin_worker(concurrency=1, WALLARM_NOTIFY_BROKER_URL=url)
        worker.wait_for("broker.takes_nothing")
    finally:
        rabbitmq.control("set_vm_memory_high_watermark", "0.4")
    worker.wait_for(" ready.")
    assert worker.stop() == 0

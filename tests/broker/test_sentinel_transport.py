"""Taking and publishing through Sentinels: whoever is the master is spoken to, whoever was is left."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from build import an_event_object, eventually
from celery import Celery
from redis import RedisError
from sentinels import MASTER_NAME, PASSWORD, SENTINEL_PASSWORD, Sentinels

from wallarm_notify.broker.redis_transport import NotingChannel, WorkerConnection
from wallarm_notify.producer import NotSent, Producer
from wallarm_notify.redis_options import RedisSetup
from wallarm_notify.redis_publishing import WAIT_MILLISECONDS, PublishingConnection
from wallarm_notify.task_names import DELIVER, INGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu import Connection

SETUP = RedisSetup(MASTER_NAME, sentinel_password=SENTINEL_PASSWORD)
OPTIONS = {
    "master_name": MASTER_NAME,
    "sentinel_kwargs": {"password": SENTINEL_PASSWORD},
    "socket_timeout": 5,
    "visibility_timeout": 2,
    "unacked_restore_throttle": 1,
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    lag = {"min-replicas-max-lag": "4"}
    with Sentinels(tmp_path_factory.mktemp("servers"), settings=lag) as running:
        yield running


@pytest.fixture
def master(servers: Sentinels) -> int:
    """The port of the master, which is empty and has both its replicas."""
    port = eventually(servers.master, 60, "a master")
    eventually(lambda: replicas_of(servers, port) == 2, 60, "its replicas")
    servers.client(port).flushall()
    return port


def replicas_of(servers: Sentinels, port: int) -> int:
    """Return how many replicas a master hears of; -1 where it does not answer."""
    with suppress(RedisError):
        info: Any = servers.client(port).info("replication")
        return int(info.get("min_slaves_good_slaves", 0))
    return -1


def connected(kind: type[Connection], servers: Sentinels, **options: Any) -> Connection:
    return kind(servers.url, transport_options={**OPTIONS, **options})


def got(queue: Any, within: int = 60) -> Any:
    """Return the next message; a connection that is lost meanwhile is made again, as Celery does."""

    def look() -> Any:
        with suppress(queue.Empty):
            return queue.get(timeout=0.5)
        return None

    return eventually(look, within, "a message")


def test_a_worker_takes_from_the_master_and_acknowledges_there(
    servers: Sentinels, master: int
) -> None:
    with connected(WorkerConnection, servers) as connection:
        queue = connection.SimpleQueue("events")
        queue.put("a message")
        message = got(queue)
        assert message.payload == "a message"
        client = servers.client(master)
        assert client.hlen(NotingChannel.unacked_key) == 1
        message.ack()
        assert client.hlen(NotingChannel.unacked_key) == 0


def test_what_a_dead_worker_held_comes_back_from_the_master(
    servers: Sentinels, master: int
) -> None:
    with connected(WorkerConnection, servers) as dead:
        queue = dead.SimpleQueue("events")
        queue.put("a message")
        got(queue)
        dead.collect()
    with connected(WorkerConnection, servers) as other:
        assert got(other.SimpleQueue("events")).payload == "a message"


def test_a_worker_that_waits_at_a_former_master_finds_the_new_one(
    servers: Sentinels, master: int
) -> None:
    """Nothing fails there: its lists are empty, and finding nothing writes nothing."""
    with connected(WorkerConnection, servers) as connection:
        queue = connection.SimpleQueue("retries")
        with pytest.raises(queue.Empty):
            queue.get(timeout=0.1)
        channel: Any = queue.channel
        waiting = channel.client.connection
        (former, *_) = (port for port in servers.ports if port != master)
        waiting.disconnect()
        waiting.connect_to(("127.0.0.1", former))
        assert waiting.port == former
        connected_to = {former}

        def moved() -> bool:
            with suppress(queue.Empty):
                queue.get(timeout=0.2)
            connected_to.add(waiting.port)
            return bool(waiting.port == master)

        eventually(moved, 60, "the master again")
        assert connected_to == {former, master}
        with connected(PublishingConnection, servers) as other:
            other.SimpleQueue("retries").put("a message")
        assert got(queue).payload == "a message"


def test_a_demoted_master_is_left_by_whoever_writes(servers: Sentinels, master: int) -> None:
    with (
        connected(WorkerConnection, servers) as connection,
        Producer(servers.url, redis=SETUP) as producer,
    ):
        queue = connection.SimpleQueue("events")
        producer.emit(an_event_object())
        got(queue).ack()
        servers.fail_over()
        present = servers.await_other_master(master)

        def sent() -> bool:
            with suppress(NotSent):
                return bool(producer.emit(an_event_object()))
            return False

        eventually(sent, 60, "an event")
        assert servers.client(present).llen("events") == 1

        again = connection.SimpleQueue("events")
        message = got(again)
        assert message.headers["task"] == INGEST
        message.ack()
        eventually(lambda: servers.is_replica(master), 60, "a replica")


def test_a_master_without_replicas_takes_no_event_and_says_so(
    servers: Sentinels, master: int
) -> None:
    others = [port for port in servers.ports if port != master]
    with Producer(servers.url, redis=SETUP) as producer:
        producer.emit(an_event_object())
        with servers.paused(*others):
            eventually(lambda: replicas_of(servers, master) == 0, 60, "too few replicas")
            with pytest.raises(NotSent, match="it has too few replicas") as error:
                producer.emit(an_event_object())
        assert SENTINEL_PASSWORD not in str(error.value)
        assert PASSWORD not in str(error.value)
        eventually(lambda: replicas_of(servers, master) == 2, 60, "its replicas")
        assert producer.emit(an_event_object())


def test_an_event_that_too_few_replicas_have_is_not_sent_and_once_in_its_queue(
    servers: Sentinels, master: int
) -> None:
    setup = RedisSetup(MASTER_NAME, sentinel_password=SENTINEL_PASSWORD, wait_replicas=2)
    (one, _) = (port for port in servers.ports if port != master)
    with Producer(servers.url, redis=setup) as producer:
        assert producer.emit(an_event_object())
        with servers.paused(one), pytest.raises(NotSent, match="1 of 2 replicas had") as error:
            producer.emit(an_event_object())
        assert len(error.value.events) == 1
    assert WAIT_MILLISECONDS == 3000
    assert servers.client(master).llen("events") == 2


def test_the_app_of_another_service_finds_the_master_by_its_own_options(
    servers: Sentinels, master: int
) -> None:
    with Celery(broker=servers.url, set_as_current=False) as app:
        app.conf.broker_transport_options = {**OPTIONS, "global_keyprefix": "eu:"}
        with Producer(app, redis=RedisSetup(wait_replicas=2)) as producer:
            producer.emit(an_event_object())
        # As any client does that has no Producer.
        app.send_task(INGEST, kwargs={"events": [an_event_object()]}, queue="events")
    assert servers.client(master).llen("eu:events") == 2


def test_only_events_wait_for_replicas(servers: Sentinels, master: int) -> None:
    with connected(PublishingConnection, servers, wait_replicas=100) as connection:
        connection.Producer().publish({}, routing_key="notifications", headers={"task": DELIVER})
    assert servers.client(master).llen("notifications") == 1


@pytest.mark.parametrize(
    ("setup", "words"),
    [
        (RedisSetup("another", sentinel_password=SENTINEL_PASSWORD), "knows a master «another»"),
        (RedisSetup(MASTER_NAME, sentinel_password="wrong"), "invalid username-password pair"),
        (RedisSetup(MASTER_NAME), "already authenticated"),
    ],
)
def test_an_error_has_the_reason_why_no_master_was_found(
    servers: Sentinels, setup: RedisSetup, words: str
) -> None:
    with Producer(servers.url, redis=setup) as producer, pytest.raises(NotSent) as error:
        producer.emit(an_event_object())
    assert words in str(error.value)
    assert PASSWORD not in str(error.value)


def test_sentinels_that_are_away_are_passed_over_without_delay(
    servers: Sentinels, master: int
) -> None:
    del master
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"sentinel://:{PASSWORD}@127.0.0.1:{nobody.getsockname()[1]}/0"
        with Producer(f"{away};{away};{servers.url}", redis=SETUP) as producer:
            # Within a producer's time for one message, though it tries only for seconds.
            assert producer.emit(an_event_object())

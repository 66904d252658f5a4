"""A transport of our own for one connection: all else of it stays kombu's, and so do others' connections."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from build import eventually
from celery import Celery
from celery.events.event import get_exchange
from celery.utils.quorum_queues import detect_quorum_queues
from kombu import Connection, Queue
from kombu.transport import redis as transport
from redis import Redis

from wallarm_notify.broker.app import app
from wallarm_notify.broker.redis_check import CheckConnection
from wallarm_notify.broker.redis_transport import (
    NAME,
    NotingChannel,
    TrackingPoller,
    Transport,
    WorkerConnection,
)
from wallarm_notify.devstack.valkey import EmbeddedBroker
from wallarm_notify.producer import Producer
from wallarm_notify.redis_connection import RedisConnection, is_behind_sentinel, is_redis

if TYPE_CHECKING:
    from e2e.system import System

NOBODY = "redis://127.0.0.1:1/0"
BOTH = pytest.mark.parametrize("kind", [WorkerConnection, CheckConnection])


def transport_of(connection: Connection) -> Any:
    return connection.transport


@BOTH
@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://", {}),
        ("redis://host/3", {}),
        ("redis://user:secret@host:1234/3", {}),
        ("redis://host/0?credential_provider=x.Y", {}),
        ("rediss://:secret@host/0", {"ssl": {"ssl_cert_reqs": "none"}}),
        ("redis+socket:///run/redis.sock", {}),
        ("redis+socket://:secret@/run/redis.sock?virtual_host=2", {}),
        ("redis://one/0;redis://:secret@two/0", {}),
        ("rediss://one/0;rediss://two/0", {"ssl": {"ssl_cert_reqs": "none"}}),
        ("sentinel://one/0", {}),
        ("sentinel://:secret@one:26379/3;sentinel://:secret@two/3", {}),
    ],
)
def test_of_each_url_of_a_redis_all_but_the_transport_is_as_with_kombu(
    kind: type[RedisConnection], url: str, options: dict[str, Any]
) -> None:
    kombus = Connection(url, transport_options={"visibility_timeout": 7}, heartbeat=3, **options)
    is_behind = url.startswith("sentinel:")
    kombus_class = transport.SentinelTransport if is_behind else transport.Transport
    ours = kind.in_place_of(kombus)
    assert is_behind_sentinel(ours) == is_behind
    for connection in (ours, ours.clone()):
        assert connection.info() == kombus.info()
        assert [connection.as_uri(), connection.as_uri(include_password=True)] == [
            kombus.as_uri(),
            kombus.as_uri(include_password=True),
        ]
        assert type(connection) is kind
        assert type(transport_of(connection)) is type(transport_of(ours)) is not kombus_class
    assert type(transport_of(kombus)) is kombus_class


@pytest.mark.parametrize("url", ["amqp://host//", "amqps://host//", "pyamqp://", "memory://"])
def test_a_connection_to_another_broker_stays_what_it_is(url: str) -> None:
    kombus = Connection(url)
    assert WorkerConnection.in_place_of(kombus, batched_queues=["events"]) is kombus
    assert not is_redis(kombus)
    assert type(transport_of(WorkerConnection(url))) is type(transport_of(kombus))


@BOTH
def test_each_of_several_urls_is_spoken_to_by_our_transport(
    broker: str, kind: type[RedisConnection]
) -> None:
    kombus = Connection(f"{NOBODY};{broker}", transport_options={"max_retries": 1})
    with kind.in_place_of(kombus) as connection:
        first = transport_of(connection)
        connection.ensure_connection(max_retries=2, interval_start=0)
        assert connection.as_uri() == Connection(broker).as_uri()
        assert type(transport_of(connection)) is type(first)
        assert transport_of(connection) is not first
        assert type(connection.channel()) is first.Channel


def test_the_options_of_one_connection_are_its_own(broker: str) -> None:
    kombus = Connection(broker, transport_options={"visibility_timeout": 7})
    with WorkerConnection.in_place_of(kombus, batched_queues=["events"]) as connection:
        channel: Any = connection.channel()
        assert (channel.visibility_timeout, channel.batched_queues) == (7, ["events"])
        assert channel.qos.visibility_timeout == 7
    assert kombus.transport_options == {"visibility_timeout": 7}
    with WorkerConnection(broker) as other:
        unlike: Any = other.channel()
        assert not unlike.batched_queues


def test_whoever_else_is_in_the_process_speaks_to_a_redis_by_kombus_own_means(
    broker: str, redis: Redis
) -> None:
    with WorkerConnection(broker) as ours, Connection(broker) as theirs:
        for connection in (ours, theirs):
            queue = connection.SimpleQueue(f"of {type(connection).__name__}")
            queue.put("a message")
            message = queue.get(timeout=5)
            assert type(message.channel) is (
                NotingChannel if connection is ours else transport.Channel
            )
        assert (redis.hlen(NotingChannel.unacked_key), redis.hlen("unacked")) == (1, 1)
        assert type(transport_of(ours).cycle) is TrackingPoller
        assert type(transport_of(theirs).cycle) is transport.MultiChannelPoller
    assert transport.Transport.Channel is transport.Channel
    assert not issubclass(transport.Channel, NotingChannel)


def test_the_transport_can_be_named_as_kombus_own_are(broker: str) -> None:
    with Connection(broker, transport=NAME) as connection:
        assert isinstance(connection.channel(), NotingChannel)
    with Celery(broker=broker, set_as_current=False) as app:
        app.conf.broker_transport = NAME
        assert type(transport_of(app.connection_for_read())) is Transport


def test_to_celery_it_is_a_redis_like_any_other(broker: str) -> None:
    """What Celery asks of a transport: see ``driver_type`` and ``implements`` in its sources."""
    kombus, ours = (transport_of(kind(broker)) for kind in (Connection, WorkerConnection))
    for name in (
        *("driver_type", "driver_name", "default_port", "polling_interval", "brpop_timeout"),
        *("connection_errors", "channel_errors", "implements", "supports_batch_publish"),
        *("can_parse_url", "default_connection_params"),
    ):
        assert getattr(ours, name) == getattr(kombus, name)
    assert ours.driver_version() == kombus.driver_version()
    with WorkerConnection(broker) as connection:
        assert get_exchange(connection).type == "fanout"
        assert connection.supports_exchange_type("fanout")
        assert not connection.supports_heartbeats
        assert (
            connection.recoverable_connection_errors
            == Connection(broker).recoverable_connection_errors
        )
    app = Celery(set_as_current=False)
    app.conf.task_queues = [Queue("events", queue_arguments={"x-queue-type": "quorum"})]
    assert detect_quorum_queues(app, ours.driver_type) == (False, "")


@pytest.mark.parametrize("database", ["", "/0", "/5"])
def test_the_database_is_the_one_that_the_url_names(broker: str, database: str) -> None:
    url = urlsplit(broker)._replace(path=database).geturl()
    with WorkerConnection(url) as connection:
        channel: Any = connection.channel()
        kwargs = channel.client.connection_pool.connection_kwargs
        assert kwargs["db"] == int(database.strip("/") or 0)


def test_a_redis_behind_a_unix_socket_is_taken_from() -> None:
    with (
        EmbeddedBroker() as server,
        Redis.from_url(f"{server.url.removesuffix('0')}2", decode_responses=True) as client,
    ):
        path = client.config_get("unixsocket")["unixsocket"]
        url = f"redis+socket://:{urlsplit(server.url).password}@{path}?virtual_host=2"
        with WorkerConnection(url) as connection:
            queue = connection.SimpleQueue("events")
            queue.put("a message")
            message = queue.get(timeout=5)
            assert client.hlen(NotingChannel.unacked_key) == 1
            message.ack()
            assert client.hlen(NotingChannel.unacked_key) == 0


@BOTH
def test_the_password_of_sentinels_is_not_shown_and_stays_with_the_connection(
    kind: type[RedisConnection],
) -> None:
    kwargs = {"username": "notify", "password": "hunter2"}
    options = {"master_name": "notify", "sentinel_kwargs": kwargs}
    ours = kind.in_place_of(Connection("sentinel://one/0", transport_options=options))
    for connection in (ours, ours.clone(), WorkerConnection.in_place_of(ours, more=1)):
        assert "hunter2" not in f"{connection.info()}{connection!r}{connection.as_uri()}"
        shown = connection.info()["transport_options"]["sentinel_kwargs"]
        assert shown == {"username": "notify", "password": "**"}
        kept: Any = connection.transport_options
        assert kept["sentinel_kwargs"] == kwargs


def test_two_prefixes_on_one_redis_do_not_see_each_other(broker: str, redis: Redis) -> None:
    with (
        WorkerConnection(broker, transport_options={"global_keyprefix": "ours:"}) as ours,
        WorkerConnection(broker, transport_options={"global_keyprefix": "theirs:"}) as theirs,
    ):
        mine, yours = ours.SimpleQueue("events"), theirs.SimpleQueue("events")
        mine.put("a message")
        with pytest.raises(yours.Empty):
            yours.get(timeout=0.3)
        message = mine.get(timeout=5)
        assert message.payload == "a message"
        assert redis.hlen(f"ours:{NotingChannel.unacked_key}") == 1
        # What it has goes back to where it was, and comes once more.
        message.requeue()
        again: Any = mine.get(timeout=5)
        again.channel.qos.mark_returned([again.delivery_tag])
        names = {key.decode() for key in redis.scan_iter()}
        assert names
        assert {name for name in names if not name.startswith(("ours:", "theirs:"))} == set()
        again.ack()
        assert redis.hlen(f"ours:{NotingChannel.unacked_key}") == 0
        assert redis.zcard(f"ours:{NotingChannel.unacked_index_key}") == 0


def test_a_transport_that_is_closed_leaves_no_connection(broker: str, redis: Redis) -> None:
    def clients() -> set[str]:
        return {client["id"] for client in redis.client_list()}

    before = clients()
    connection = WorkerConnection(broker)
    connection.channel()
    queue = connection.SimpleQueue("events")
    with pytest.raises(queue.Empty):
        queue.get(timeout=0.1)
    opened = clients() - before
    assert opened
    connection.close()
    # Redis hears of it a moment later.
    eventually(lambda: not opened & clients())


def test_whoever_refuses_to_be_spoken_to_is_named_as_kombu_names_it() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{nobody.getsockname()[1]}/0"
        errors = []
        for kind in (Connection, WorkerConnection):
            connection = kind(url)
            with pytest.raises(connection.connection_errors) as caught:
                connection.connect()
            errors.append(str(caught.value))
        assert errors[0] == errors[1]


NOTICED = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 20_000}


def test_workers_notice_within_20_s_that_the_machine_of_a_redis_vanished(system: System) -> None:
    with WorkerConnection.in_place_of(app.connection_for_read()) as connection:
        assert noticed_by(connection) == NOTICED


def test_producers_notice_within_20_s_that_the_machine_of_a_redis_vanished(broker: str) -> None:
    with Producer(broker) as producer:
        assert noticed_by(producer._connection()) == NOTICED


def noticed_by(connection: Connection) -> dict[str, int]:
    """Return what the socket of a connection has of what it is noticed by that the other side is gone."""
    channel: Any = connection.default_channel
    client = channel.client.connection_pool.get_connection()
    try:
        assert client._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        return {
            name: client._sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in NOTICED
        }
    finally:
        client.disconnect()

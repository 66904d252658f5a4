"""Publishing to a Redis with replicas, without Sentinel; and what a producer's setup is refused for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from build import an_event_object, eventually
from kombu import Connection
from kombu.transport import redis as transport
from redis import Redis

from wallarm_notify.devstack.valkey import EmbeddedBroker
from wallarm_notify.domain.errors import Refused
from wallarm_notify.producer import NotSent, Producer
from wallarm_notify.redis_options import RedisSetup
from wallarm_notify.redis_publishing import PublishingConnection, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def with_replica() -> Iterator[str]:
    """Yield the URL of a Redis that has one replica."""
    with EmbeddedBroker() as primary, EmbeddedBroker() as replica:
        where = urlsplit(primary.url)
        with Redis.from_url(replica.url) as client:
            client.config_set("masterauth", where.password or "")
            client.replicaof(str(where.hostname), str(where.port))
        with Redis.from_url(primary.url, decode_responses=True) as client:
            asked: Any = client

            def is_online() -> bool:
                info = asked.info("replication")
                return bool(info["connected_slaves"] and info["slave0"]["state"] == "online")

            eventually(is_online, 60, "the replica")
        yield primary.url


def test_an_event_is_sent_when_as_many_replicas_have_it_as_are_waited_for() -> None:
    with with_replica() as url:
        with Producer(url, redis=RedisSetup(wait_replicas=1)) as producer:
            assert producer.emit(an_event_object())
        with Producer(url, redis=RedisSetup(wait_replicas=2)) as producer:
            event = an_event_object()
            with pytest.raises(NotSent, match="1 of 2 replicas had the message after 3 s") as error:
                producer.emit(event)
        assert (error.value.sent, list(error.value.events)) == ((), [event])
        with Redis.from_url(url) as client:
            # It may arrive all the same, once.
            assert client.llen("events") == 2


def test_without_waiting_a_redis_is_spoken_to_by_kombus_own_means(broker: str) -> None:
    for options, kind in (({}, transport.Transport), ({"wait_replicas": 1}, Transport)):
        kombus = Connection(broker, transport_options=options)
        connection = PublishingConnection.in_place_of(kombus)
        assert type(connection) is PublishingConnection
        for one in (connection, connection.clone()):
            made: Any = one.transport
            assert type(made) is kind


@pytest.mark.parametrize(
    ("url", "setup", "words"),
    [
        ("sentinel://one/0", RedisSetup(), "its master_name is not set"),
        ("amqp://host//", RedisSetup(wait_replicas=1), "which only a Redis has"),
        ("amqp://host//", RedisSetup(key_prefix="eu:"), "which only a Redis has"),
        (
            "redis://host/0",
            RedisSetup("notify"),
            "master_name is set, which is for sentinel:// alone",
        ),
        (
            "redis://host/0",
            RedisSetup(sentinel_password="hunter2"),
            "which is for sentinel:// alone",
        ),
        ("redis://host/0", RedisSetup(key_prefix="a*"), "is no prefix of keys"),
        ("redis://host/0", RedisSetup(wait_replicas=-1), "must not be negative"),
    ],
)
def test_a_setup_that_does_not_fit_its_broker_is_refused(
    url: str, setup: RedisSetup, words: str
) -> None:
    with pytest.raises(Refused, match=words.replace("*", r"\*")) as error:
        Producer(url, redis=setup)
    assert "hunter2" not in str(error.value)

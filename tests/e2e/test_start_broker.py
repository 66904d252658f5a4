"""A broker that loses what it confirmed, or cannot be worked with, stops the start with one sentence."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import redis
from build import eventually
from celery import Celery
from privileges import WORKER, as_user, documented_broker, order, refusals

from e2e.test_start import start
from wallarm_notify.broker.app import app
from wallarm_notify.broker.broker_check import check_broker
from wallarm_notify.devstack.valkey import EmbeddedBroker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.system import System
    from wallarm_notify.devstack.processes import Process

pytestmark = pytest.mark.faults

BROKER_URL = "WALLARM_NOTIFY_BROKER_URL"
MAY_EVICT = "WALLARM_NOTIFY_BROKER_MAY_EVICT"
ALLKEYS = ("allkeys-lru", "allkeys-lfu", "allkeys-random")
VOLATILE = ("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl")
BOTH = pytest.mark.parametrize("program", ["worker -c 1", "beat"])


def refusal(system: System, program: str, url: str) -> str:
    """Return the one line with which ``program`` refuses to start on ``url``; it does not try again for long."""
    status, output = start(program, {**system.environment, BROKER_URL: url})
    assert status == 1, output
    (line,) = (one for one in output.splitlines() if one.startswith("wallarm-notify: "))
    assert "Traceback" not in output
    assert (urlsplit(url).password or "no password") not in output
    return line


@contextmanager
def running(system: System, program: str, url: str, **environment: str) -> Iterator[Process]:
    """Yield ``program``, started on ``url``, once it has written its warnings."""
    if program == "beat":
        process = system.start_beat(**{BROKER_URL: url}, **environment)
        process.wait_for("beat: Starting...")
    else:
        process = system.start_worker(concurrency=1, **{BROKER_URL: url}, **environment)
        process.wait_for(" ready.")
    yield process
    assert process.stop() == 0


@pytest.mark.parametrize(
    ("program", "policy"), [("worker -c 1", ALLKEYS[0]), *(("beat", policy) for policy in ALLKEYS)]
)
def test_a_redis_that_evicts_is_refused(system: System, program: str, policy: str) -> None:
    with EmbeddedBroker(settings={"maxmemory-policy": policy}) as server:
        line = refusal(system, program, server.url)
    assert policy in line
    assert "noeviction" in line
    assert f"{MAY_EVICT}=true" in line


@pytest.mark.parametrize("policy", VOLATILE)
def test_a_redis_that_evicts_only_what_expires_is_taken(system: System, policy: str) -> None:
    with (
        EmbeddedBroker(settings={"maxmemory-policy": policy}) as server,
        running(system, "beat", server.url) as beat,
    ):
        pass
    assert "broker.may_evict" not in beat.text()


@BOTH
def test_a_redis_that_evicts_is_warned_of_where_that_is_accepted(
    system: System, program: str
) -> None:
    with (
        EmbeddedBroker(settings={"maxmemory-policy": "allkeys-lru"}) as server,
        running(system, program.split(maxsplit=1)[0], server.url, **{MAY_EVICT: "true"}) as process,
    ):
        eventually(lambda: "broker.may_evict" in process.text(), 60, "the warning")
    assert process.text().count("broker.may_evict") == 1
    assert "broker.not_durable" not in process.text()


def test_a_redis_that_evicts_is_warned_of_again_until_it_does_not(
    system: System, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wallarm_notify.broker.start_check import warn_each_hour  # noqa: PLC0415 - reads the settings of the test

    def warnings() -> int:
        return sum(record.message == "broker.may_evict" for record in caplog.records)

    def rests() -> bool:
        before = warnings()
        return not stopped.wait(0.5) and warnings() == before

    stopped = threading.Event()
    with EmbeddedBroker(settings={"maxmemory-policy": "allkeys-lru"}) as server:
        monkeypatch.setattr(app.conf, "broker_url", server.url)
        thread = threading.Thread(target=warn_each_hour, args=(stopped, 0.05))
        with caplog.at_level(logging.WARNING):
            thread.start()
            try:
                eventually(lambda: warnings() >= 2, 60, "two warnings")
                with redis.Redis.from_url(server.url) as client:
                    client.config_set("maxmemory-policy", "noeviction")
                eventually(rests, 60, "an end of the warnings")
            finally:
                stopped.set()
                thread.join(20)


def as_cluster() -> dict[str, str]:
    """Return the settings of a cluster's node.

    The port for other nodes is given, as it would be 10,000 above the node's own, which may be taken.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return {"cluster-enabled": "yes", "cluster-port": str(probe.getsockname()[1])}


@BOTH
def test_a_node_of_a_cluster_is_refused(system: System, program: str) -> None:
    with EmbeddedBroker(settings=as_cluster()) as server:
        assert "Redis Cluster" in refusal(system, program, server.url)


@BOTH
def test_a_replica_is_refused(system: System, program: str) -> None:
    with EmbeddedBroker() as primary, replica_of(primary) as server:
        assert "is a replica" in refusal(system, program, server.url)


@contextmanager
def replica_of(primary: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    where = urlsplit(primary.url)
    with EmbeddedBroker() as server:
        with redis.Redis.from_url(server.url) as client:
            client.config_set("masterauth", where.password or "")
            client.execute_command("REPLICAOF", where.hostname or "", where.port or 0)
        yield server


def test_a_cluster_and_a_replica_are_recognized_by_their_answers_where_info_is_forbidden(
    system: System,
) -> None:
    no_info = WORKER.replace(" +info", "")
    with EmbeddedBroker(settings=as_cluster()) as server:
        order(server, no_info)
        assert "Redis Cluster" in refusal(system, "worker -c 1", as_user(server.url, "worker"))
    with EmbeddedBroker() as primary, replica_of(primary) as server:
        order(server, no_info)
        assert "is a replica" in refusal(system, "worker -c 1", as_user(server.url, "worker"))


@pytest.fixture(scope="module")
def documented() -> Iterator[EmbeddedBroker]:
    with documented_broker() as server:
        yield server


@pytest.mark.parametrize("program", ["worker", "beat"])
def test_the_documented_acl_is_enough_for_the_check(
    system: System, documented: EmbeddedBroker, program: str
) -> None:
    with running(system, program, as_user(documented.url, "worker")) as process:
        pass
    assert " broker." not in process.text()
    assert refusals(documented.url) == []


@pytest.mark.parametrize(
    ("program", "change", "named"),
    [
        ("worker -c 1", "-zadd", ["to run ZADD;"]),
        ("worker -c 1", "-lpush -rpop -hset", ["to run HSET, LPUSH, RPOP;"]),
        ("worker -c 1", "-eval", ["to run EVAL;"]),
        ("worker -c 1", "-ping", ["to run PING;"]),
        ("worker -c 1", "-multi", ["to run MULTI;"]),
        ("worker -c 1", "-psubscribe -publish", ["to run PSUBSCRIBE, PUBLISH;"]),
        ("worker -c 1", "resetchannels", ["to use the channels /0.celery.pidbox, /0.celeryev/"]),
        (
            "worker -c 1",
            "resetkeys ~events ~events??[369] ~_kombu.binding* ~*.celery.pidbox*",
            [
                "celery, celery??[369], notifications",
                "upkeep??[369], wallarm_notify.returned, wallarm_notify.unacked, ",
            ],
        ),
        ("worker -c 1 -Q upkeep", "resetkeys ~upkeep*", ["to use the keys _kombu.binding.celery,"]),
        ("beat", "-lpush", ["to run LPUSH;"]),
        ("beat", "resetkeys ~events ~_kombu.binding*", ["to use the keys upkeep, upkeep??[369];"]),
        ("beat", "nocommands", ["to run EXEC, MULTI, PING;"]),
    ],
)
def test_what_an_acl_lacks_is_named(
    system: System, program: str, change: str, named: list[str]
) -> None:
    with EmbeddedBroker() as server:
        order(server, WORKER)
        order(server, f"ACL SETUSER worker {change}")
        url = as_user(server.url, "worker")
        line = refusal(system, program, url)
        assert all(words in line for words in named), line
        assert "user worker" in line
        assert "docs/how-to/least-privilege.md" in line
        with redis.Redis.from_url(server.url) as administrator:
            assert administrator.dbsize() == 0, "the attempts did nothing"


def test_of_several_brokers_the_one_that_answers_is_looked_at(system: System) -> None:
    with EmbeddedBroker(settings={"maxmemory-policy": ALLKEYS[0]}) as server:
        line = refusal(system, "beat", f"redis://127.0.0.1:1/0;{server.url}")
        assert ALLKEYS[0] in line
        assert f"127.0.0.1:{urlsplit(server.url).port} evicts" in line


def test_of_several_brokers_the_last_is_found_behind_one_that_hangs_and_one_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hangs, EmbeddedBroker() as server:
        urls = (
            f"redis://127.0.0.1:{hangs.getsockname()[1]}/0",
            "redis://127.0.0.1:1/0",
            server.url,
        )
        # Longer than it is waited for a single one that hangs.
        impatient = {"socket_timeout": 5.5}
        celery = Celery(broker=";".join(urls), broker_transport_options=impatient)
        check_broker(celery)


def test_beat_needs_only_the_rights_that_it_uses(system: System) -> None:
    with EmbeddedBroker() as server:
        order(
            server,
            "ACL SETUSER worker reset on >WORKER_PASSWORD ~upkeep ~upkeep??[369] ~_kombu.binding.celery "
            "~_kombu.binding_permanent.celery +ping +multi +exec +llen +lpush +sadd +client|setinfo +info",
        )
        with (
            running(system, "beat", as_user(server.url, "worker")) as beat,
            redis.Redis.from_url(server.url) as administrator,
        ):
            eventually(lambda: administrator.llen("upkeep"), 60, "an upkeep task")
    assert " ERROR " not in beat.text()


@pytest.mark.parametrize("program", ["worker", "beat"])
def test_a_setting_that_cannot_be_read_is_a_warning_and_no_refusal(
    system: System, program: str
) -> None:
    with EmbeddedBroker() as server:
        order(server, WORKER.replace(" +info", ""))
        with running(system, program, as_user(server.url, "worker")) as process:
            eventually(lambda: "broker.not_known" in process.text(), 60, "the warning")
    assert process.text().count("INFO is not permitted") == 1


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, []),
        ({"appendonly": "no", "save": "3600 1"}, []),
        ({"appendonly": "no"}, ["broker.not_durable"]),
        ({"maxmemory": "0"}, ["broker.without_limit"]),
        ({"maxmemory": "0", "maxmemory-policy": "allkeys-lru"}, ["broker.without_limit"]),
        ({"appendonly": "no", "maxmemory": "0"}, ["broker.not_durable", "broker.without_limit"]),
    ],
)
def test_a_redis_that_forgets_or_has_no_limit_is_warned_of_once(
    system: System, settings: dict[str, str], warned: list[str]
) -> None:
    with EmbeddedBroker(settings=settings) as server, running(system, "beat", server.url) as beat:
        eventually(lambda: all(event in beat.text() for event in warned), 60, str(warned))
    output = [word for word in beat.text().split() if word.startswith("broker.")]
    assert output == warned

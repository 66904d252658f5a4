"""The rights that docs/how-to/least-privilege.md gives a process are enough for its work, and no more."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from build import an_event_object, eventually
from celery import Celery
from conftest import connected
from documents import ROOT
from kombu.exceptions import OperationalError
from privileges import (
    STATEMENTS,
    as_role,
    as_user,
    documented_broker,
    documented_postgres,
    refusals,
)
from redis import Redis
from redis.exceptions import NoPermissionError

from e2e.flower import Flower
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.producer import Producer
from wallarm_notify.store import migrations
from wallarm_notify.task_names import OUR_QUEUES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.system import System
    from wallarm_notify.devstack.postgres import EmbeddedPostgres
    from wallarm_notify.devstack.valkey import EmbeddedBroker


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with documented_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def valkey() -> Iterator[EmbeddedBroker]:
    with documented_broker() as server:
        yield server


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> str:
    """The URL for the documented role."""
    return as_role(postgres.url, "notify")


@pytest.fixture
def broker(valkey: EmbeddedBroker) -> str:
    """The URL of the empty broker for the documented user; in the end nothing was refused to anybody."""
    with Redis.from_url(valkey.url) as administrator:
        administrator.flushall()
        administrator.acl_log_reset()
    return as_user(valkey.url, "worker")


def test_an_event_goes_its_whole_way_with_no_more_than_is_documented(
    system: System, valkey: EmbeddedBroker
) -> None:
    system.integration()
    system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 1}])
    flower = Flower(
        system,
        WALLARM_NOTIFY_BROKER_URL=as_user(valkey.url, "monitor"),
        WALLARM_NOTIFY_DATABASE_URL="",
        WALLARM_NOTIFY_SECRET_KEYS="",
    )
    flower.wait_until_up()
    # As most would start it: with mingle and gossip, which talk to other workers.
    worker = system.start_worker("-E")
    beat = system.start_beat(WALLARM_NOTIFY_DATABASE_URL="", WALLARM_NOTIFY_SECRET_KEYS="")
    with Producer(as_user(valkey.url, "producer")) as producer:
        producer.emit(an_event_object())
    system.wait_for_states(60, delivered=1)
    worker.wait_for("Task upkeep.sweep")
    flower.wait_until_it_sees_workers()
    eventually(partial(flower.done, "notifications.deliver"), 60, "the retry in Flower")
    lengths = flower.ask("/api/queues/length")
    assert lengths is not None
    assert {"name": "events", "messages": 0} in lengths.json()["active_queues"]
    for path in (f"/worker/{worker.name}@devstack", "/broker", "/api/workers?refresh=1"):
        shown = flower.ask(path)
        assert shown is not None
        assert shown.status_code == 200
        assert "_PASSWORD" not in shown.text
    assert (worker.stop(), beat.stop()) == (0, 0)
    assert refusals(valkey.url) == []


def test_any_client_of_celery_may_enqueue_events_as_producer(
    system: System, valkey: EmbeddedBroker
) -> None:
    with Celery(broker=as_user(valkey.url, "producer"), set_as_current=False) as client:
        client.send_task("events.ingest", kwargs={"events": [an_event_object()]}, queue="events")
    assert system.queue_length("events") == 1
    assert refusals(valkey.url) == []


NOT_THE_APIS = [
    *(f"{command} {queue}" for queue in OUR_QUEUES for command in ("LPOP", "RPOP", "DEL")),
    "LRANGE events 0 -1",
    "LRANGE notifications 0 -1",
    "LPUSH celery x",
    "LPUSH worker@host.celery.pidbox x",
    "SMEMBERS _kombu.binding.events",
    "PUBLISH /0.celery.pidbox x",
    "PSUBSCRIBE /0.celery.pidbox",
    "HGETALL wallarm_notify.unacked",
    "EVAL 0 0",
    "SELECT 1",
]
NOT_A_PRODUCERS = [
    "LRANGE events 0 -1",
    "LPOP events",
    "RPOP events",
    "DEL events",
    "LPUSH notifications x",
    "LPUSH retries x",
    "LPUSH upkeep x",
    "LPUSH worker@host.celery.pidbox x",
    "SADD _kombu.binding.celery.pidbox x",
    "SMEMBERS _kombu.binding.events",
    "PUBLISH /0.celery.pidbox x",
    "PUBLISH /0.celeryev/worker.online x",
    "PSUBSCRIBE /0.celery.pidbox",
    "HGETALL wallarm_notify.unacked",
    "EVAL 0 0",
    "SELECT 1",
]
NOT_A_MONITORS = [
    "LRANGE events 0 -1",
    "LINDEX events 0",
    "BRPOP events 1",
    "DEL events",
    "LPUSH events x",
    "LPUSH notifications x",
    "HGETALL wallarm_notify.unacked",
    "EVAL 0 0",
    "SELECT 1",
]
NOT_A_WORKERS = ["GET another", "LPUSH another x", "PUBLISH another x", "SELECT 1"]
ADMINISTRATORS = [
    "FLUSHDB",
    "FLUSHALL",
    "KEYS *",
    "SCAN 0",
    "RANDOMKEY",
    "CONFIG GET requirepass",
    "ACL LIST",
    "CLIENT LIST",
    "MONITOR",
    "SHUTDOWN",
    "SCRIPT FLUSH",
    "CLUSTER INFO",
]


@pytest.mark.parametrize(
    ("user", "command"),
    [
        *(("producer", command) for command in [*NOT_A_PRODUCERS, *ADMINISTRATORS]),
        *(("api", command) for command in [*NOT_THE_APIS, *ADMINISTRATORS]),
        *(("monitor", command) for command in [*NOT_A_MONITORS, *ADMINISTRATORS]),
        *(("worker", command) for command in [*NOT_A_WORKERS, *ADMINISTRATORS]),
    ],
)
def test_a_user_of_the_broker_may_do_nothing_else(
    valkey: EmbeddedBroker, user: str, command: str
) -> None:
    with (
        Redis.from_url(as_user(valkey.url, user)) as client,
        pytest.raises(NoPermissionError),
    ):
        client.execute_command(*command.split())


def test_a_producer_cannot_stop_workers(valkey: EmbeddedBroker) -> None:
    url = as_user(valkey.url, "producer")
    with (
        Celery(broker=url, set_as_current=False) as client,
        pytest.raises(OperationalError, match="has no permissions to run the 'publish' command"),
    ):
        client.control.shutdown()


def test_the_script_of_roles_is_the_one_that_is_documented() -> None:
    assert (ROOT / "docker" / "database.sql").read_text(encoding="utf-8").endswith(STATEMENTS)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine ()",
        "CREATE TEMPORARY TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE events ADD COLUMN mine int",
        "DROP TABLE events",
        "TRUNCATE events",
        "CREATE INDEX ON events (id)",
        "CREATE ROLE mine",
        "ALTER ROLE notify SUPERUSER",
        "SET ROLE notify_owner",
        "CREATE DATABASE mine",
        "COPY events TO PROGRAM 'cat'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT setval('notifications_id_seq', 1)",
    ],
)
def test_the_role_of_workers_changes_rows_and_nothing_else(
    postgres: EmbeddedPostgres, statement: str
) -> None:
    with (
        connected(as_role(postgres.url, "notify")) as connection,
        pytest.raises(sa.exc.ProgrammingError, match=r"permission denied|must be owner"),
    ):
        connection.exec_driver_sql(statement)


def test_the_role_of_workers_makes_no_schema(postgres: EmbeddedPostgres) -> None:
    with connected(postgres.url) as administrator:
        administrator.exec_driver_sql("CREATE DATABASE empty OWNER notify_owner")
    with pytest.raises(Unavailable, match="permission denied for schema public"):
        migrations.upgrade(as_role(postgres.url, "notify", "empty"))


def test_no_other_role_of_the_server_reaches_the_database(postgres: EmbeddedPostgres) -> None:
    with connected(postgres.url) as administrator:
        administrator.exec_driver_sql("CREATE ROLE stranger LOGIN")
    with pytest.raises(sa.exc.OperationalError, match="permission denied for database"):
        connected(as_role(postgres.url, "stranger"))

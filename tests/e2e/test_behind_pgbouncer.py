"""The whole works behind a PgBouncer that pools by transaction, as installed; by statement it does not start."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from build import a_key, an_event_object, eventually

from wallarm_notify.devstack.pgbouncer import PgBouncer
from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.domain.errors import TooMuch, Unavailable
from wallarm_notify.store import Store, migrations
from wallarm_notify.store.connection import TIME_OUTS
from wallarm_notify.store.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.system import System

pytestmark = pytest.mark.servers

FEW = 3


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(settings={"fsync": "off"}) as server:
        yield server


@pytest.fixture
def database(server: EmbeddedPostgres) -> str:
    """The URL of an empty database, without a pooler."""
    return server.create_database(f"pooled_{uuid4().hex}")


@pytest.fixture
def pooler(database: str) -> Iterator[PgBouncer]:
    with PgBouncer(database, pool_size=FEW) as pooler:
        migrations.upgrade(pooler.url)
        yield pooler


def test_events_are_delivered_retried_and_counted(
    make_system: Callable[..., System], pooler: PgBouncer
) -> None:
    system = make_system(database_url=pooler.url, retry_time_scale=0.01)
    system.integration(a_key())
    system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 8}])
    system.start_worker()
    system.start_beat()
    for _ in range(20):
        system.emit(an_event_object())
    system.wait_for_states(60, delivered=20)
    assert system.ledger().findings == []


def test_many_processes_share_few_connections_to_the_server(
    make_system: Callable[..., System], pooler: PgBouncer, database: str
) -> None:
    system = make_system(database_url=pooler.url)
    system.integration(a_key())
    for _ in range(3):
        system.start_worker(concurrency=2)
    system.emit(*(an_event_object(type="rule.created", rule_id=1) for _ in range(1_000)))
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    most = 0
    count = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )

    def is_all_in() -> bool:
        nonlocal most
        with engine.connect() as connection:
            most = max(most, connection.execute(count).scalar_one())
        return system.ledger().received == 1_000

    eventually(is_all_in, 60, "all were stored")
    assert 1 <= most <= FEW


def test_every_transaction_has_its_time_outs_and_leaves_none_behind(
    pooler: PgBouncer, database: str
) -> None:
    store = Store(Pool(pooler.url))
    for _ in range(FEW * 2):
        kept = store.transact(
            lambda tx: {name: tx._rows(f"SHOW {name}")[0][name] for name in TIME_OUTS}
        )
        assert kept == TIME_OUTS
    plain = sa.create_engine(pooler.url, poolclass=sa.NullPool)
    for name in TIME_OUTS:
        with plain.connect() as connection:
            assert connection.execute(sa.text(f"SHOW {name}")).scalar_one() == "0"
    store.close()


def test_a_statement_ends_at_its_time_out(pooler: PgBouncer) -> None:
    store = Store(Pool(pooler.url))

    def work(tx: Any) -> None:
        tx._do("SET LOCAL statement_timeout = '200ms'")
        tx._do("SELECT pg_sleep(30)")

    began = time.monotonic()
    with pytest.raises(TooMuch):
        store.transact(work)
    assert time.monotonic() - began < 10
    # The same connection serves the next transaction.
    assert store.transact(lambda tx: tx._rows("SELECT 1 AS one")[0]["one"]) == 1
    store.close()


def test_a_pooler_that_pools_by_statement_is_refused_at_the_start(database: str) -> None:
    migrations.upgrade(database)
    with PgBouncer(database, pool_mode="statement") as pooler, pytest.raises(Unavailable):
        Store(Pool(pooler.url)).check()


def test_a_pooler_that_was_restarted_is_connected_to_again(
    make_system: Callable[..., System], database: str
) -> None:
    migrations.upgrade(database)
    with PgBouncer(database) as pooler:
        system = make_system(database_url=pooler.url)
        system.integration(a_key())
        worker = system.start_worker()
        system.emit(an_event_object())
        system.wait_for_states(60, delivered=1)
        pooler.restart()
        system.emit(an_event_object())
        eventually(lambda: system.states()["delivered"] == 2, 60, "the second was delivered")
        assert worker.popen.poll() is None

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest
import sqlalchemy as sa
from conftest import execute, sibling
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from wallarm_notify.devstack.server import free_port
from wallarm_notify.domain.errors import BadRow, TooMuch, Unavailable
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.store import Store
from wallarm_notify.store.connection import ALONE, Unpooled
from wallarm_notify.store.pool import Pool
from wallarm_notify.store.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wallarm_notify.store.connection import Connections


WAYS: Final = {"each its own": Unpooled, "pooled": Pool}


@pytest.fixture(params=WAYS)
def connections(request: pytest.FixtureRequest, database_url: str) -> Iterator[Connections]:
    connections = WAYS[request.param](database_url)
    yield connections
    connections.close()


@pytest.fixture
def store(connections: Connections) -> Store:
    return Store(connections)


def raising(sqlstate: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$"


SESSION = {
    "statement_timeout": "10s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "10s",
    "timezone": "UTC",
    "application_name": "wallarm-notify",
}


def test_a_transaction_has_a_time_out_for_whatever_it_waits_for(store: Store) -> None:
    got = store.transact(
        lambda tx: {name: one for name in SESSION for one in tx._rows(f"SHOW {name}")[0].values()}
    )
    assert got == SESSION


@pytest.mark.parametrize("drivername", ["postgresql", "postgresql+psycopg2"])
def test_whatever_the_url_names_the_driver_is_psycopg2(database_url: str, drivername: str) -> None:
    url = sa.make_url(database_url).set(drivername=drivername)
    Store(Unpooled(url.render_as_string(hide_password=False))).check()


def test_a_connection_begins_nothing_by_itself_and_reads_ids_as_such(
    connections: Connections,
) -> None:
    with connections.connection() as connection, connection.cursor() as cursor:
        one = UUID(int=1)
        cursor.execute(f"SELECT '{one}'::uuid, ARRAY['{one}'::uuid]")
        assert cursor.fetchone() == (one, [one])
        assert connection.info.transaction_status == TRANSACTION_STATUS_IDLE


def test_a_pool_keeps_a_connection_until_one_breaks_and_without_a_pool_each_use_has_its_own(
    database_url: str,
) -> None:
    def number(connections: Connections) -> int:
        with connections.connection() as connection:
            return int(connection.info.backend_pid)

    unpooled, pool = Unpooled(database_url), Pool(database_url)
    assert number(unpooled) != number(unpooled)
    kept = number(pool)
    assert number(pool) == kept
    with pool.connection() as one, pool.connection() as other:
        assert kept in (one.info.backend_pid, other.info.backend_pid)
        one.close()
    assert number(pool) != kept
    pool.close()


def test_a_connection_that_broke_while_it_was_idle_is_replaced_before_it_is_used(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallarm_notify.store.pool.TRUSTED", 0.0)
    store = Store(Pool(database_url))
    broken = store.transact(lambda tx: tx._rows("SELECT pg_backend_pid() AS pid")[0]["pid"])
    execute(database_url, f"SELECT pg_terminate_backend({broken}, 10000)")
    runs = []
    store.transact(lambda tx: runs.append(tx._rows("SELECT pg_backend_pid() AS pid")[0]["pid"]))
    assert len(runs) == 1
    assert runs != [broken]
    store.close()


def test_more_transactions_at_once_than_a_pool_has_connections_are_refused_after_a_wait(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallarm_notify.store.pool._LONGEST_WAIT", 0.1)
    pool = Pool(database_url, size=1)
    with ExitStack() as all_in_use:
        for _ in range(1 + 4):
            all_in_use.enter_context(pool.connection())
        with pytest.raises(Unavailable, match="All connections to the database are in use"):
            Store(pool).transact(lambda tx: tx.now)
    assert Store(pool).transact(lambda tx: tx.now)
    pool.close()


@pytest.mark.parametrize(
    ("sqlstate", "times", "done"),
    [("40001", 1, True), ("40P01", 5, True), ("55P03", 2, True), ("40001", 6, False)],
)
def test_a_transaction_that_others_were_in_the_way_of_is_run_again_from_its_start(
    store: Store, sqlstate: str, times: int, *, done: bool
) -> None:
    runs = []

    def work(tx: Any) -> int:
        runs.append(tx)
        tx.set_client(len(runs), name="x", cloud=None, partner_name=None)
        if len(runs) <= times:
            tx._do(raising(sqlstate))
        return len(runs)

    if done:
        assert store.transact(work) == times + 1
        (row,) = store.transact(lambda tx: tx._rows("SELECT id FROM clients"))
        assert row["id"] == times + 1
    else:
        with pytest.raises(Unavailable):
            store.transact(work)
        assert len(runs) == 6


MEANINGS = {
    "22003": BadRow,
    "22P05": BadRow,
    "23505": BadRow,
    "42P01": Unavailable,
    "53300": Unavailable,
    "57014": Unavailable,
    "57P01": Unavailable,
    "XX000": Unavailable,
}


def test_refused_data_and_an_unavailable_database_are_different_errors(
    store: Store, subtests: pytest.Subtests
) -> None:
    for sqlstate, error in MEANINGS.items():
        with subtests.test(sqlstate):
            with pytest.raises(error) as raised:
                store.transact(lambda tx: tx._do(raising(sqlstate)))  # noqa: B023 - called at once
            assert raised.value.__suppress_context__


def test_a_database_that_is_not_there_is_named_with_what_to_do(database_server: str) -> None:
    url = sibling(database_server, "not_there")
    with pytest.raises(
        Unavailable, match=r'There is no such database .*"not_there" does not exist'
    ) as error:
        Store(Unpooled(url)).transact(lambda tx: tx.now)
    assert "create it, or name another one" in str(error.value)


def test_the_error_for_a_database_that_cannot_be_reached_has_no_password() -> None:
    store = Store(Pool("postgresql://me:hunter2@127.0.0.1:1/name"))
    with pytest.raises(Unavailable, match="The database does not answer") as error:
        store.transact(lambda tx: tx.now)
    assert "hunter2" not in str(error.value)
    with pytest.raises(Unavailable):
        store.check()


def test_a_broken_connection_does_not_break_the_next_transaction(store: Store) -> None:
    with pytest.raises(Unavailable):
        store.transact(lambda tx: tx._do("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert store.transact(lambda tx: tx.undecodable_count(EVERY_CLIENT)) == 0


def test_an_error_of_the_work_rolls_back_and_is_raised_unchanged(store: Store) -> None:
    def work(tx: Any) -> None:
        tx.set_client(1, name="x", cloud=None, partner_name=None)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.transact(work)
    assert store.transact(lambda tx: tx.client(1)) == (None, None, None)


def test_real_deadlocks_are_run_again(store: Store) -> None:
    store.transact(lambda tx: tx.set_client(1, name="0", cloud=None, partner_name=None))
    store.transact(lambda tx: tx.set_client(2, name="0", cloud=None, partner_name=None))
    both = threading.Barrier(2)

    def add(order: tuple[int, int], first: list[bool]) -> None:
        def work(tx: Any) -> None:
            for step, number in enumerate(order):
                tx._do("UPDATE clients SET name = name || 'x' WHERE id = :i", i=number)
                if step == 0 and first:
                    first.clear()
                    both.wait(9)

        store.transact(work)

    threads = [threading.Thread(target=add, args=(o, [True])) for o in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    names = store.transact(lambda tx: [tx.client(number)[0] for number in (1, 2)])
    assert names == ["0xx", "0xx"]


def test_a_connection_that_took_no_changes_is_not_used_again(
    database_url: str, store: Store
) -> None:
    """It is of a primary that became a standby: nothing else would end it."""
    name = sa.make_url(database_url).database

    def change(tx: Any) -> None:
        tx.set_client(1, name="x", cloud=None, partner_name=None)

    maintenance = sibling(database_url, "postgres")
    execute(maintenance, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(Unavailable, match="takes no changes"):
        store.transact(change)
    execute(maintenance, f"ALTER DATABASE {name} RESET default_transaction_read_only")
    store.transact(change)
    assert store.transact(lambda tx: tx._rows("SELECT name FROM clients")) == [{"name": "x"}]


def test_of_several_hosts_the_error_names_what_each_answered() -> None:
    ports = [free_port(), free_port()]
    hosts = "&".join(f"host=127.0.0.1:{port}" for port in ports)
    store = Store(Pool(f"postgresql://me@/name?{hosts}"))
    with pytest.raises(Unavailable) as error:
        store.check()
    for port in ports:
        assert f"port {port} failed: Connection refused" in str(error.value)
    assert "\n" not in str(error.value)


def time_out(tx: Any) -> int:
    """Return how long a statement may take, in milliseconds."""
    question = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'"
    return int(tx._rows(question)[0]["setting"])


def test_a_reading_has_one_time_for_all_its_statements(store: Store) -> None:
    done = []

    def work(tx: Any) -> None:
        for number in range(100):
            tx._do("SELECT pg_sleep(0.2)")
            done.append(number)

    with pytest.raises(TooMuch, match="did not get it done in time"):
        store.reading(timedelta(seconds=0.5)).transact(work)
    assert len(done) <= 2


def test_a_reading_that_takes_too_long_between_statements_ends(store: Store) -> None:
    def work(tx: Any) -> None:
        tx._do("SELECT 1")
        time.sleep(0.3)
        tx._do("SELECT 1")

    with pytest.raises(TooMuch, match="did not get it done in time"):
        store.reading(timedelta(seconds=0.2)).transact(work)


def test_a_reading_in_time_is_read_only_and_leaves_neither_that_nor_its_time_behind(
    store: Store,
) -> None:
    reading = store.reading(timedelta(seconds=20))
    shown = reading.transact(lambda tx: tx._rows("SHOW transaction_read_only"))
    assert shown[0]["transaction_read_only"] == "on"
    assert reading.transact(time_out) <= 20_000
    store.transact(lambda tx: tx.set_client(1, name="x", cloud=None, partner_name=None))
    assert store.transact(time_out) == 10_000


def test_one_snapshot_of_a_reading_keeps_its_time(store: Store) -> None:
    def work(tx: Any) -> Any:
        tx.read_one_snapshot()
        return time_out(tx)

    assert store.reading(timedelta(seconds=20)).transact(work) <= 20_000
    assert store.transact(work) == 50_000


def test_one_statement_alone_has_the_same_time_outs_and_leaves_none_behind(
    connections: Connections,
) -> None:
    shown = ", ".join(f"current_setting('{name}') AS {name}" for name in SESSION)
    assert [
        dict(row) for row in Store(connections).look_up(lambda tx: tx._rows(f"SELECT {shown}"))
    ] == [SESSION]
    with connections.connection() as connection, connection.cursor() as cursor:
        assert connection.notices == []
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_one_statement_alone_is_one_message(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    send = Queries._send

    def note(queries: Queries) -> None:
        sent.append(list(queries._to_come))
        send(queries)

    monkeypatch.setattr(Queries, "_send", note)
    assert store.look_up(lambda tx: tx._rows("SELECT 1 AS one")) == [{"one": 1}]
    assert sent == [[ALONE, b"SELECT 1 AS one"]]


def test_one_statement_alone_is_over_in_time(store: Store) -> None:
    reading = store.reading(timedelta(seconds=0.2))
    with pytest.raises(TooMuch, match="did not get it done in time"):
        reading.look_up(lambda tx: tx._do("SELECT pg_sleep(60)"))
    assert store.transact(time_out) == 10_000


def test_two_statements_are_not_taken_for_one(store: Store) -> None:
    """The second one would be without time-outs."""

    def work(tx: Any) -> None:
        tx._do("SELECT 1")
        tx._do("SELECT 2")

    with pytest.raises(RuntimeError, match="one statement"):
        store.look_up(work)
    assert store.transact(time_out) == 10_000

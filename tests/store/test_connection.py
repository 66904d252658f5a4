from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from wallarm_notify.domain.errors import BadRow, Unavailable
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.store import Store
from wallarm_notify.store.connection import make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: sa.Engine) -> Store:
    return Store(engine)


def raising(sqlstate: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$"


SESSION = {
    "statement_timeout": "10s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "10s",
    "timezone": "UTC",
    "application_name": "wallarm-notify",
}


def test_a_session_has_a_time_out_for_whatever_it_waits_for(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        got = {name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in SESSION}
    assert got == SESSION


@pytest.mark.parametrize("drivername", ["postgresql", "postgresql+psycopg2"])
def test_whatever_the_url_names_the_driver_is_psycopg2(database_url: str, drivername: str) -> None:
    url = sa.make_url(database_url).set(drivername=drivername)
    engine = make_engine(url.render_as_string(hide_password=False), pool_size=0)
    assert engine.dialect.driver == "psycopg2"
    Store(engine).check()


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


def test_the_error_for_a_database_that_cannot_be_reached_has_no_password() -> None:
    store = Store(make_engine("postgresql://me:hunter2@127.0.0.1:1/name"))
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
                    both.wait(5)

        store.transact(work)

    threads = [threading.Thread(target=add, args=(o, [True])) for o in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    names = store.transact(lambda tx: [tx.client(number)[0] for number in (1, 2)])
    assert names == ["0xx", "0xx"]

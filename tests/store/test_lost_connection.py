"""A connection that breaks in a transaction: before the commit it is run again, in the commit it is not."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Self

import pytest
import sqlalchemy as sa
from psycopg2 import DataError

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.store import Store
from wallarm_notify.store.connection import connect
from wallarm_notify.store.engine import make_engine
from wallarm_notify.store.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator

STATEMENT, COMMIT = b"INSERT INTO undecodable", b"COMMIT"


class CuttingProxy:
    """A proxy before PostgreSQL that cuts a connection at a certain statement, before or after it is run."""

    def __init__(self, url: str) -> None:
        with closing(connect(url)) as connection:
            # Host and port as the driver finds them by the URL, the environment and its own defaults.
            self._host, self._port = connection.info.host, connection.info.port
        self._cuts: list[tuple[bytes, bool]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._listen)]
        # The proxy finds no statement in what is encrypted.
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        self.url = (
            sa.make_url(url)
            .set(host="127.0.0.1", port=self._listener.getsockname()[1])
            .difference_update_query(["host", "port"])
            .update_query_dict(plain)
            .render_as_string(hide_password=False)
        )

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def cut(self, text: bytes, *, done: bool, times: int = 1) -> None:
        """Cut the next ``times`` connections that send ``text``; with ``done``, after its answer was made."""
        self._cuts += [(text, done)] * times

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._forward, args=(client,)))
                self._threads[-1].start()

    def _forward(self, client: socket.socket) -> None:
        with client, self._to_server() as server, suppress(OSError):
            is_last = False
            while True:
                for end in select.select([client, server], [], [])[0]:
                    data = end.recv(65536)
                    if not data or (is_last and end is server):
                        return
                    if end is client and self._cuts and self._cuts[0][0] in data:
                        _, is_last = self._cuts.pop(0)
                        if not is_last:
                            return
                    (server if end is client else client).sendall(data)

    def _to_server(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self._host}/.s.PGSQL.{self._port}")
        return server


@pytest.fixture
def proxy(database_url: str) -> Iterator[CuttingProxy]:
    with CuttingProxy(database_url) as proxy:
        yield proxy


@pytest.fixture
def store(proxy: CuttingProxy) -> Iterator[Store]:
    """Return a store whose connections pass the proxy."""
    store = Store(Pool(proxy.url))
    yield store
    store.close()


class Work:
    """Work that stores one row each time it is run."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, tx: Any) -> int:
        self.runs += 1
        tx.store_undecodable(f"run {self.runs}", None, b"")
        return self.runs


def stored(url: str) -> list[str]:
    """Return what is stored, read without the proxy."""
    with make_engine(url).connect() as connection:
        return list(connection.scalars(sa.text("SELECT reason FROM undecodable ORDER BY id")))


@pytest.mark.parametrize("done", [True, False], ids=["it was done", "it never arrived"])
def test_a_transaction_that_was_lost_in_its_commit_is_not_run_again(
    proxy: CuttingProxy, store: Store, database_url: str, *, done: bool
) -> None:
    proxy.cut(COMMIT, done=done)
    work = Work()
    with pytest.raises(Unavailable):
        store.transact(work)
    assert work.runs == 1
    assert stored(database_url) == ["run 1"] * done
    assert store.transact(work) == 2


@pytest.mark.parametrize("done", [True, False], ids=["in its answer", "in its question"])
def test_a_transaction_that_was_lost_before_its_commit_is_run_again(
    proxy: CuttingProxy, store: Store, database_url: str, *, done: bool
) -> None:
    proxy.cut(STATEMENT, done=done)
    work = Work()
    assert store.transact(work) == 2
    assert stored(database_url) == ["run 2"]


def test_a_transaction_that_is_lost_twice_is_not_run_a_third_time(
    proxy: CuttingProxy, store: Store, database_url: str
) -> None:
    proxy.cut(STATEMENT, done=False, times=2)
    work = Work()
    with pytest.raises(Unavailable):
        store.transact(work)
    assert work.runs == 2
    assert stored(database_url) == []
    assert store.transact(work) == 3


def test_a_transaction_that_is_lost_in_the_commit_of_its_second_run_is_not_run_again(
    proxy: CuttingProxy, store: Store, database_url: str
) -> None:
    proxy.cut(STATEMENT, done=False)
    proxy.cut(COMMIT, done=True)
    work = Work()
    with pytest.raises(Unavailable):
        store.transact(work)
    assert work.runs == 2
    assert stored(database_url) == ["run 2"]


def test_a_commit_that_the_server_answers_with_a_rollback_is_an_error(
    store: Store, database_url: str
) -> None:
    def work(tx: Any) -> None:
        tx.store_undecodable("x", None, b"")
        with suppress(DataError):
            tx._do("SELECT 1 / 0")

    with pytest.raises(Unavailable, match="the transaction was rolled back"):
        store.transact(work)
    assert stored(database_url) == []


@pytest.mark.parametrize(
    "end",
    [
        "SELECT pg_terminate_backend(pg_backend_pid())",
        *(
            f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$"
            for code in ("57P01", "57P02", "57P03")
        ),
    ],
    ids=["without a word", "shut down", "crashed", "not up yet"],
)
def test_a_transaction_that_the_server_ended_before_its_commit_is_run_again(
    store: Store, database_url: str, end: str
) -> None:
    work = Work()

    def ended_once(tx: Any) -> int:
        run = work(tx)
        if run == 1:
            tx._do(end)
        return run

    assert store.transact(ended_once) == 2
    assert stored(database_url) == ["run 2"]

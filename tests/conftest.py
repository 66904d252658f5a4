"""Real servers for the tests: the ones that the environment names, else ones started from wheels."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import redis
import sqlalchemy as sa
from certificates import Authority
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, Phase, settings

from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.devstack.server import BROKER_URL, DATABASE_URL
from wallarm_notify.devstack.valkey import EmbeddedBroker
from wallarm_notify.sandbox.client import SandboxClient
from wallarm_notify.sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from e2e.system import System

PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Which of several processes that share the tests this is, from 0."""


def given(name: str) -> str | None:
    """Return a setting of the environment; keep it under a name that processes of pytest-xdist inherit."""
    value = os.environ.get(name) or os.environ.get(f"GIVEN_{name}")
    if value:
        os.environ[f"GIVEN_{name}"] = value
    return value


GIVEN_DATABASE = given(DATABASE_URL)
GIVEN_BROKER = given(BROKER_URL)

# How long an example takes depends on what else the machine does.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")
# Whether a mutant fails should be known at once, and be the same every time.
settings.register_profile(
    "mutants", derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)

# A shell lets what it starts in the background ignore Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A developer's own settings never leak into a test, nor into what it starts.
for name in [name for name in os.environ if name.startswith(("WALLARM_NOTIFY_", "CELERY_"))]:
    del os.environ[name]
os.environ.pop("SSL_CERT_FILE", None)
os.environ["WALLARM_NOTIFY_ENV_FILE"] = "none"


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """URL of a PostgreSQL whose account may create databases."""
    if GIVEN_DATABASE:
        # Without a driver SQLAlchemy would take another than ours.
        url = sa.make_url(GIVEN_DATABASE).set(drivername="postgresql+psycopg2")
        yield url.render_as_string(hide_password=False)
        return
    # Nothing here has to survive a power cut.
    with EmbeddedPostgres(settings={"fsync": "off"}) as server:
        yield server.url


class Databases:
    """Migrated databases of a server, emptied and used again where a test left them as they were made."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._template = f"wallarm_notify_template_{uuid4().hex}"
        self._spare: list[str] = []
        self._kept: dict[str, sa.Connection] = {}
        """A connection to each: making one takes as long as emptying a database."""

    def __enter__(self) -> Self:
        from wallarm_notify.store import migrations  # noqa: PLC0415 (only for tests that ask)

        execute(self._server, f"CREATE DATABASE {self._template}")
        url = sibling(self._server, self._template)
        migrations.upgrade(url)
        with connected(url) as connection:
            self._as_made = _shape(connection)
        return self

    def __exit__(self, *_: object) -> None:
        for name in (*self._spare, self._template):
            self._drop(name)

    def take(self) -> str:
        """Return the name of an empty database."""
        if self._spare:
            return self._spare.pop()
        name = f"wallarm_notify_test_{uuid4().hex}"
        execute(self._server, f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return name

    def give_back(self, name: str) -> None:
        """End the connections of a database, and empty or drop it."""
        connection = self._connection(name)
        connection.exec_driver_sql(
            """SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()"""
        )
        if _shape(connection) == self._as_made:
            _empty(connection, self._as_made.tables.split())
            self._spare.append(name)
        else:
            self._drop(name)

    def _connection(self, name: str) -> sa.Connection:
        """Return the connection that is kept, or a new one where a test has ended it."""
        if (kept := self._kept.get(name)) is not None:
            with suppress(sa.exc.DBAPIError):
                kept.exec_driver_sql("SELECT 1")
                return kept
            kept.close()
        made = self._kept[name] = connected(sibling(self._server, name))
        return made

    def _drop(self, name: str) -> None:
        if (kept := self._kept.pop(name, None)) is not None:
            kept.close()
        execute(self._server, f"DROP DATABASE {name} WITH (FORCE)")


def _shape(connection: sa.Connection) -> sa.Row[Any]:
    """Return a database's tables, all its relations, its version, and how many settings it has."""
    return connection.exec_driver_sql(
        """SELECT
             (SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
              WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                AND relname NOT IN ('alembic_version', 'compatibility')) AS tables,
             (SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
              WHERE relnamespace = 'public'::regnamespace) AS relations,
             (SELECT string_agg(version_num, ' ') FROM alembic_version) AS version,
             (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
              WHERE d.datname = current_database()) AS settings"""
    ).one()


def _empty(connection: sa.Connection, tables: Sequence[str]) -> None:
    """Empty the tables that hold something, and restart every sequence."""
    held = " UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT FROM {t})" for t in tables)
    used = connection.exec_driver_sql(held).scalars().all()
    if used:
        connection.exec_driver_sql(f"TRUNCATE {', '.join(used)}")
    connection.exec_driver_sql(
        """SELECT setval((quote_ident(schemaname) || '.' || quote_ident(sequencename))::regclass, start_value, false)
           FROM pg_sequences WHERE last_value IS NOT NULL"""
    )


@pytest.fixture(scope="session")
def databases(database_server: str) -> Iterator[Databases]:
    """The source of this run's databases."""
    with Databases(database_server) as made:
        yield made


@pytest.fixture
def database_url(database_server: str, databases: Databases) -> Iterator[str]:
    """URL of a migrated, empty database that is this test's own."""
    name = databases.take()
    try:
        yield sibling(database_server, name)
    finally:
        databases.give_back(name)


@pytest.fixture
def make_database(database_server: str) -> Iterator[Callable[[str], str]]:
    """Yield what makes databases without any table, in an encoding, and returns their URLs."""
    made: list[str] = []

    def make(encoding: str = "UTF8") -> str:
        name = f"wallarm_notify_{encoding.lower()}_{uuid4().hex}"
        execute(
            database_server,
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' "
            "LOCALE_PROVIDER libc",
        )
        made.append(name)
        return sibling(database_server, name)

    yield make
    for name in made:
        execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """URL of a Redis-protocol broker; tests clear what they leave in it: see ``broker``.

    Of a broker that the environment names, each process has a database of its own, counted from the one named.
    """
    if GIVEN_BROKER:
        url = urlsplit(GIVEN_BROKER)
        yield url._replace(path=f"/{int(url.path.strip('/') or 0) + PROCESS}").geturl()
        return
    with EmbeddedBroker() as server:
        yield server.url


@pytest.fixture
def broker(broker_url: str) -> str:
    """URL of an empty broker database; one named by the environment is emptied too."""
    with redis.Redis.from_url(broker_url) as client:
        client.flushdb()
    return broker_url


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a throwaway certificate for loopback, its private key in the same file."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sandbox")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(private, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that only programs configured for it trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide proxies of the environment, which are not meant for servers of this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> SandboxClient:
    return SandboxClient(sandbox.url)


@pytest.fixture
def make_system(
    database_url: str,
    broker: str,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., System]]:
    """Yield what makes systems, by default over this test's database and broker; end them with the test."""
    from e2e.system import System  # noqa: PLC0415 (only for tests that ask)

    made: list[System] = []
    usual = {"database_url": database_url, "broker_url": broker, "pagerduty_url": sandbox.url}

    def make(**settings: Any) -> System:
        system = System(tmp_path, **{**usual, **settings})
        for name, value in system.environment.items():
            monkeypatch.setenv(name, value)
        publish_to(system.broker_url)
        made.append(system)
        return system

    yield make
    for system in made:
        system.close()


def publish_to(broker_url: str) -> None:
    """Let this process publish to a broker by the environment's settings: Celery reads them once in a process."""
    # Only for tests that publish:
    from wallarm_notify.broker.app import app  # noqa: PLC0415
    from wallarm_notify.settings import settings  # noqa: PLC0415

    settings.cache_clear()
    sys.modules.pop("celeryconfig", None)
    app.config_from_object("celeryconfig", force=True)
    app.conf.update(broker_url=broker_url)
    settings.cache_clear()
    # What was made by the settings of a test before this one, which may prefix keys or wait for replicas.
    app.__dict__.pop("amqp", None)
    app._after_fork()  # type: ignore[attr-defined]  # its types lack it


@pytest.fixture
def system(make_system: Callable[..., System]) -> System:
    """A system with waits shortened five hundred times; the test starts workers and beat."""
    return make_system(retry_time_scale=0.002, sweep_seconds=1)


@pytest.fixture(name="redis")
def empty_broker(broker_url: str) -> Iterator[redis.Redis]:
    """The broker, empty before and after."""
    with redis.Redis.from_url(broker_url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def empty_database(database_server: str) -> Iterator[str]:
    """URL of a database without any table."""
    name = f"wallarm_notify_empty_{uuid4().hex}"
    engine = sa.create_engine(database_server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield sa.make_url(database_server).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Yield what serves one connection after the other with a function of its socket, and returns the URL."""
    listeners: list[socket.socket] = []

    def start(answer: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        connection.recv(65536)
                        answer(connection)

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def connected(url: str) -> sa.Connection:
    """Return a connection that commits each statement, as PostgreSQL needs it to make databases."""
    return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT").connect()


def execute(url: str, statement: str) -> None:
    """Run one statement outside a transaction."""
    with connected(url) as connection:
        connection.exec_driver_sql(statement)


def sibling(url: str, database: str) -> str:
    """Return the URL of another database of this server."""
    return sa.make_url(url).set(database=database).render_as_string(hide_password=False)

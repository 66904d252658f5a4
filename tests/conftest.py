"""Real services for the tests: those the environment names, else ones started from wheels."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import pytest
import redis
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from wallarm_notify.embedded import BROKER_URL, DATABASE_URL, EmbeddedBroker, EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

GIVEN_DATABASE = os.environ.get(DATABASE_URL)
GIVEN_BROKER = os.environ.get(BROKER_URL)

# A developer's own settings never leak into a test, nor into what it starts.
for name in [name for name in os.environ if name.startswith("WALLARM_NOTIFY_")]:
    del os.environ[name]


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """URL of a PostgreSQL whose account may create databases."""
    if GIVEN_DATABASE:
        # Without a driver SQLAlchemy would take another than ours.
        url = sa.make_url(GIVEN_DATABASE).set(drivername="postgresql+psycopg2")
        yield url.render_as_string(hide_password=False)
        return
    # Nothing here has to outlive a power cut.
    with EmbeddedPostgres(settings={"fsync": "off"}) as server:
        yield server.url


class Databases:
    """Migrated databases of a server, emptied and used again where a test left them as they were made."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._template = f"wallarm_notify_template_{uuid4().hex}"
        self._spare: list[str] = []

    def __enter__(self) -> Self:
        from wallarm_notify.adapters import migrations  # noqa: PLC0415 (only for tests that ask)

        execute(self._server, f"CREATE DATABASE {self._template}")
        migrations.upgrade(sibling(self._server, self._template))
        self._as_made = self._shape(self._template)
        return self

    def __exit__(self, *_: object) -> None:
        for name in (*self._spare, self._template):
            execute(self._server, f"DROP DATABASE {name} WITH (FORCE)")

    def take(self) -> str:
        """The name of an empty one."""
        if self._spare:
            return self._spare.pop()
        name = f"wallarm_notify_test_{uuid4().hex}"
        execute(self._server, f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return name

    def give_back(self, name: str) -> None:
        """Ends its connections, and empties or drops it."""
        url = sibling(self._server, name)
        execute(
            url,
            """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()""",
        )
        if self._shape(name) == self._as_made:
            tables = ", ".join(self._as_made[0][0].split())
            execute(url, f"TRUNCATE {tables} RESTART IDENTITY")
            self._spare.append(name)
        else:
            execute(self._server, f"DROP DATABASE {name} WITH (FORCE)")

    def _shape(self, name: str) -> Sequence[sa.Row[Any]]:
        """Its tables, everything it has, its version, and settings of its own."""
        return execute(
            sibling(self._server, name),
            """SELECT
                 (SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
                  WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                    AND relname <> 'alembic_version'),
                 (SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
                  WHERE relnamespace = 'public'::regnamespace),
                 (SELECT string_agg(version_num, ' ') FROM alembic_version),
                 (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
                  WHERE d.datname = current_database())""",
        )


@pytest.fixture(scope="session")
def databases(database_server: str) -> Iterator[Databases]:
    """Where this run's databases come from."""
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


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """URL of a Redis-protocol broker; what tests leave in it is theirs to clear: see ``broker``."""
    if GIVEN_BROKER:
        yield GIVEN_BROKER
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


def execute(url: str, statement: str) -> Sequence[sa.Row[Any]]:
    """Run one statement outside a transaction, as PostgreSQL wants it for whole databases; its rows."""
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(sa.text(statement))
        return result.fetchall() if result.returns_rows else ()


def sibling(url: str, database: str) -> str:
    """URL of another database of the same server."""
    return sa.make_url(url).set(database=database).render_as_string(hide_password=False)

"""Real services for the tests: those the environment names, else ones started from wheels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import redis
import sqlalchemy as sa

from wallarm_notify.embedded import BROKER_URL, DATABASE_URL, EmbeddedBroker, EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture(scope="session")
def migrated_database(database_server: str) -> Iterator[str]:
    """Name of a database migrated once; the others are copies of it."""
    from wallarm_notify.adapters import migrations  # noqa: PLC0415 (only for tests that ask)

    name = f"wallarm_notify_template_{uuid4().hex}"
    execute(database_server, f"CREATE DATABASE {name}")
    try:
        migrations.upgrade(sibling(database_server, name))
        yield name
    finally:
        execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(database_server: str, migrated_database: str) -> Iterator[str]:
    """URL of a migrated database that is this test's own."""
    name = f"wallarm_notify_test_{uuid4().hex}"
    # Copying the files is three times as fast where nothing is synced to the disk.
    copied = "" if GIVEN_DATABASE else "STRATEGY file_copy"
    execute(database_server, f"CREATE DATABASE {name} TEMPLATE {migrated_database} {copied}")
    try:
        yield sibling(database_server, name)
    finally:
        execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")


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


def execute(url: str, statement: str) -> None:
    """Run one statement outside a transaction, as PostgreSQL wants it for whole databases."""
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))


def sibling(url: str, database: str) -> str:
    """URL of another database of the same server."""
    return sa.make_url(url).set(database=database).render_as_string(hide_password=False)

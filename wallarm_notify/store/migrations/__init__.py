"""The schema's versions, and whether a program works with the one a database has."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.store.connection import make_engine, meaning
from wallarm_notify.store.database_check import check_server
from wallarm_notify.store.migrations import compatibility

_LOCK = 0x77616C6C
"""Two upgrades at once wait for each other on this advisory lock."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The revision this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("the package holds no migrations")
    return head


def current(connection: Connection) -> str | None:
    """The revision the database has; None: it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def check(connection: Connection) -> None:
    """Raises Unavailable, with what to do, where this program cannot work with the schema there."""
    fault = _fault_of(connection, current(connection))
    if fault is not None:
        raise Unavailable(fault)


def upgrade(url: str) -> tuple[str | None, str]:
    """Brings the database at ``url`` to the newest schema; returns the revisions before and after.

    One that is newer than this program and serves it is left as it is. Raises Unavailable where the
    database cannot be reached, cannot hold what is stored, or does not serve this program.
    """
    engine = make_engine(url, pool_size=0, bounded=False)
    try:
        with engine.begin() as connection:
            check_server(connection, writes=True)
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            before = current(connection)
            if before is not None and _is_newer(before):
                check(connection)
                return before, before
            command.upgrade(_config(connection), "head")
    except DBAPIError as error:
        raise meaning(error) from None
    except CommandError as error:
        raise Unavailable(
            f"The database is at a version this program does not know ({error}); install the newer program."
        ) from None
    finally:
        engine.dispose()
    return before, newest()


def _is_newer(revision: str) -> bool:
    return revision.isdecimal() and int(revision) > int(newest())


def _fault_of(connection: Connection, revision: str | None) -> str | None:
    serves_from = None
    if revision is not None and _is_newer(revision):
        is_there = connection.execute(
            text("SELECT to_regclass('compatibility') IS NOT NULL")
        ).scalar_one()
        if is_there:
            serves_from = connection.execute(text("SELECT serves_from FROM compatibility")).scalar()
    return compatibility.fault_of(revision, serves_from, newest())

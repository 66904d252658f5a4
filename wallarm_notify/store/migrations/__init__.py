"""Upgrades of the schema, which Alembic and SQLAlchemy run: nothing else imports this package."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg2 import Error as PsycopgError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.store import schema_check
from wallarm_notify.store.connection import meaning
from wallarm_notify.store.database_check import check_server
from wallarm_notify.store.engine import make_engine

_FOLDER: Final = Path(__file__).parent

_LOCK = 0x77616C6C
"""The advisory lock by which upgrades wait for each other."""


Progress: TypeAlias = Callable[[str, int, int], None]
"""What is called while rows are copied: with the table, how many are done, and about how many there are."""


def _config(connection: Connection | None = None, progress: Progress | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    config.attributes["progress"] = progress
    return config


def upgrade(url: str, progress: Progress | None = None) -> tuple[str | None, str]:
    """Upgrade the database at ``url`` to the newest schema; return the revisions before and after.

    ``progress`` is called now and then where much has to be written anew.
    A schema that is newer than this program and serves it is left as it is. Raise Unavailable where the
    database cannot be reached, cannot hold what is stored, or does not serve this program.
    """
    try:
        with make_engine(url).begin() as connection:
            return _upgrade(connection, progress)
    except DBAPIError as error:
        raise meaning(cast("PsycopgError", error.orig)) from None
    except PsycopgError as error:
        raise meaning(error) from None
    except CommandError as error:
        raise Unavailable(
            f"The database is at a version this program does not know ({error}); install the newer program."
        ) from None


def _upgrade(connection: Connection, progress: Progress | None) -> tuple[str | None, str]:
    with _cursor_of(connection) as cursor:
        check_server(cursor, writes=True)
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        before = schema_check.current(cursor)
        if before is not None and schema_check.is_newer(before):
            schema_check.check(cursor)
            return before, before
    command.upgrade(_config(connection, progress), "head")
    return before, schema_check.newest()


def _cursor_of(connection: Connection) -> Any:
    """Return a cursor of the driver in the transaction of ``connection``."""
    return cast("Any", connection.connection.dbapi_connection).cursor()

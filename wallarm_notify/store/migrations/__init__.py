"""The schema's versions, and whether a program works with the one a database has.

Alembic is imported only for an upgrade: every command would start more slowly with it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.store.connection import make_engine, meaning
from wallarm_notify.store.database_check import check_server
from wallarm_notify.store.migrations import compatibility

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER: Final = Path(__file__).parent

_LOCK = 0x77616C6C
"""Two upgrades at once wait for each other on this advisory lock."""


def _config(connection: Connection | None = None) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """Return the revision this code needs: the number that the last migration's file begins with."""
    return max((file.name.partition("_")[0] for file in _FOLDER.glob("versions/*.py")), key=int)


def current(connection: Connection) -> str | None:
    """Return the revision the database has; None: it is empty."""
    if not _is_there(connection, "alembic_version"):
        return None
    revision: str | None = connection.execute(
        text("SELECT version_num FROM alembic_version")
    ).scalar()
    return revision


def _is_there(connection: Connection, table: str) -> bool:
    asked = text("SELECT to_regclass(:table) IS NOT NULL")
    return bool(connection.execute(asked, {"table": table}).scalar_one())


def check(connection: Connection) -> None:
    """Raises Unavailable, with what to do, where this program cannot work with the schema there."""
    fault = _fault_of(connection, current(connection))
    if fault is not None:
        raise Unavailable(fault)


def upgrade(url: str) -> tuple[str | None, str]:
    """Bring the database at ``url`` to the newest schema; return the revisions before and after.

    One that is newer than this program and serves it is left as it is. Raises Unavailable where the
    database cannot be reached, cannot hold what is stored, or does not serve this program.
    """
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.util import CommandError  # noqa: PLC0415 - see above

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
    if revision is not None and _is_newer(revision) and _is_there(connection, "compatibility"):
        serves_from = connection.execute(text("SELECT serves_from FROM compatibility")).scalar()
    return compatibility.fault_of(revision, serves_from, newest())

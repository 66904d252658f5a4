"""The versions of the schema, upgrades, and the check that a program can work with a database's version.

Alembic is imported only for an upgrade, as it would slow down the start of every command.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

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
"""The advisory lock by which upgrades wait for each other."""


Progress: TypeAlias = Callable[[str, int, int], None]
"""What is called while rows are copied: with the table, how many are done, and about how many there are."""


def _config(connection: Connection | None = None, progress: Progress | None = None) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    config.attributes["progress"] = progress
    return config


def newest() -> str:
    """Return the revision that this program needs: the number in the name of the last migration's file."""
    return max((file.name.partition("_")[0] for file in _FOLDER.glob("versions/*.py")), key=int)


def current(connection: Connection) -> str | None:
    """Return the revision of the database; None: it is empty."""
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
    """Raise Unavailable, with what to do, where this program cannot work with the database's schema."""
    fault = _fault_of(connection, current(connection))
    if fault is not None:
        raise Unavailable(fault)


def upgrade(url: str, progress: Progress | None = None) -> tuple[str | None, str]:
    """Upgrade the database at ``url`` to the newest schema; return the revisions before and after.

    ``progress`` is called now and then where much has to be written anew.
    A schema that is newer than this program and serves it is left as it is. Raise Unavailable where the
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
            command.upgrade(_config(connection, progress), "head")
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

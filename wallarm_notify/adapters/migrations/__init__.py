"""The schema's versions, and whether a database has the newest."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from wallarm_notify.adapters.database import make_engine, meaning
from wallarm_notify.domain.errors import Unavailable

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


def upgrade(url: str) -> tuple[str | None, str]:
    """Brings the database at ``url`` to the newest schema; returns the revisions before and after.

    Raises Unavailable where the database cannot be reached, or is newer than this program.
    """
    engine = make_engine(url, pool_size=0, bounded=False)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            before = current(connection)
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

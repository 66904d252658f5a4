"""The check that a program can work with the version of a database's schema."""

from pathlib import Path
from typing import Any, Final

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.store import compatibility

_MIGRATIONS: Final = Path(__file__).parent / "migrations" / "versions"


def newest() -> str:
    """Return the revision that this program needs: the number in the name of the last migration's file."""
    return max((file.name.partition("_")[0] for file in _MIGRATIONS.glob("*.py")), key=int)


def current(cursor: Any) -> str | None:
    """Return the revision of the database; None: it is empty."""
    return _value_in(cursor, "alembic_version", "version_num")


def is_newer(revision: str) -> bool:
    """Return whether a program that came later than this one has upgraded to ``revision``."""
    return revision.isdecimal() and int(revision) > int(newest())


def check(cursor: Any) -> None:
    """Raise Unavailable, with what to do, where this program cannot work with the database's schema."""
    revision = current(cursor)
    serves_from = None
    if revision is not None and is_newer(revision):
        serves_from = _value_in(cursor, "compatibility", "serves_from")
    fault = compatibility.fault_of(revision, serves_from, newest())
    if fault is not None:
        raise Unavailable(fault)


def _value_in(cursor: Any, table: str, column: str) -> str | None:
    """Return ``column`` of the one row of ``table``; None: there is no such table, or no row in it."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
    (is_there,) = cursor.fetchone()
    if not is_there:
        return None
    cursor.execute(f"SELECT {column} FROM {table}")  # noqa: S608 - names of our own
    row = cursor.fetchone()
    return None if row is None else str(row[0])

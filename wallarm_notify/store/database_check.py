"""The check that a database can hold what is stored: its encoding, and whether it takes changes."""

from typing import Any, Final

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.store.connection import TIME_OUTS

ENCODING: Final = "UTF8"
"""The one encoding that has every character of an event."""


def check_server(cursor: Any, *, writes: bool) -> None:
    """Raise Unavailable where the database cannot hold what is stored.

    With ``writes``, raise it also where the database takes no changes: a read replica, or one set to read only.
    """
    cursor.execute(
        """SELECT current_setting('server_encoding'), pg_is_in_recovery(),
               current_setting('transaction_read_only')::boolean"""
    )
    encoding, is_standby, is_read_only = cursor.fetchone()
    fault = fault_of(
        encoding, is_standby=writes and is_standby, is_read_only=writes and is_read_only
    )
    if fault is not None:
        raise Unavailable(fault)


def check_time_outs(cursor: Any) -> None:
    """Raise Unavailable where a transaction does not keep the time-outs that were set when it began."""
    cursor.execute("SELECT name, current_setting(name) FROM unnest(%s) AS name", [list(TIME_OUTS)])
    kept = dict(cursor.fetchall())
    if kept != TIME_OUTS:
        raise Unavailable(
            "The database, or a pooler before it, does not keep what is set in a transaction until its end "
            f"({', '.join(name for name in TIME_OUTS if kept[name] != TIME_OUTS[name])}); a pooler has to pool by "
            "transaction or by session, not by statement."
        )


def fault_of(encoding: str, *, is_standby: bool, is_read_only: bool) -> str | None:
    """Return why a program cannot work with such a database, and what to do; None: it can."""
    if encoding != ENCODING:
        return (
            f"The database is in the encoding {encoding}, which cannot hold every event; it has to be "
            f"{ENCODING}. Make one by CREATE DATABASE … TEMPLATE template0 ENCODING '{ENCODING}', and name it "
            "in WALLARM_NOTIFY_DATABASE_URL."
        )
    if is_standby:
        return (
            "The database is a read replica, which takes no changes; WALLARM_NOTIFY_DATABASE_URL has to name "
            "the primary; of several hosts target_session_attrs=read-write finds it."
        )
    if is_read_only:
        return (
            "The database takes no changes: default_transaction_read_only is on. Switch it off for this "
            "database and role, or name another in WALLARM_NOTIFY_DATABASE_URL."
        )
    return None

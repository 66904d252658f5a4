"""What a database has to be before a program works with it: its encoding, and whether it takes changes."""

from typing import Final

from sqlalchemy import Connection, text

from wallarm_notify.domain.errors import Unavailable

ENCODING: Final = "UTF8"
"""Others lack characters that events have; SQL_ASCII has no letters but ASCII's, and takes none at all."""


def check_server(connection: Connection, *, writes: bool) -> None:
    """Raises Unavailable where the database at the other end cannot hold what is stored.

    With ``writes`` also where it takes no changes: a read replica, or one that is set to be read only.
    """
    encoding, is_standby, is_read_only = connection.execute(
        text(
            """SELECT current_setting('server_encoding'), pg_is_in_recovery(),
                   current_setting('transaction_read_only')::boolean"""
        )
    ).one()
    fault = fault_of(
        encoding, is_standby=writes and is_standby, is_read_only=writes and is_read_only
    )
    if fault is not None:
        raise Unavailable(fault)


def fault_of(encoding: str, *, is_standby: bool, is_read_only: bool) -> str | None:
    """What keeps a program from working with such a database, and what to do; None: nothing."""
    if encoding != ENCODING:
        return (
            f"The database is in the encoding {encoding}, which cannot hold every event; it has to be "
            f"{ENCODING}. Make one by CREATE DATABASE … TEMPLATE template0 ENCODING '{ENCODING}', and name it "
            "in WALLARM_NOTIFY_DATABASE_URL."
        )
    if is_standby:
        return (
            "The database is a read replica, which takes no changes; WALLARM_NOTIFY_DATABASE_URL has to name "
            "the primary."
        )
    if is_read_only:
        return (
            "The database takes no changes: default_transaction_read_only is on. Switch it off for this "
            "database and role, or name another in WALLARM_NOTIFY_DATABASE_URL."
        )
    return None

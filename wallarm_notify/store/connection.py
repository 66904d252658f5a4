"""Connections to PostgreSQL: how they are made, how long they may wait, and what their errors mean."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any, Final, Protocol

import psycopg2
from psycopg2 import Error as PsycopgError
from psycopg2 import InterfaceError, OperationalError
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TransactionRollbackError
from psycopg2.extras import register_uuid

from wallarm_notify.domain.errors import BadRow, NotifyError, TooMuch, Unavailable
from wallarm_notify.urls import database_parameters

TIME_OUTS: Final = {
    "statement_timeout": "10s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "10s",
}
"""How long a transaction may wait: a host that vanishes in one keeps its locks for seconds (engine 18)."""

_SETTINGS: Final = ";".join(
    f"SET LOCAL {name} = '{value}'" for name, value in {**TIME_OUTS, "timezone": "UTC"}.items()
)
"""Set in each transaction, not for a session: a pooler before the database hands out another one for each, and
refuses options at the start of a connection."""

BEGIN: Final = f"BEGIN;{_SETTINGS}".encode()
"""What begins a transaction."""


ALONE: Final = _SETTINGS.encode()
"""What goes before the one statement of a transaction, in one message: PostgreSQL begins and commits it by itself."""


BEGIN_READING: Final = f"BEGIN READ ONLY;{_SETTINGS}".encode()
"""What begins a transaction that changes nothing."""


_CONNECT: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
    "application_name": "wallarm-notify",
    # Whatever PGCLIENTENCODING and the role's settings name: other encodings lack characters.
    "client_encoding": "UTF8",
}

_AGAIN: Final = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock time-out: the whole transaction is run again."""

_ENDED: Final = frozenset({"57P01", "57P02", "57P03"})
"""The server ends, has crashed, or is not up yet."""

_TAKES_NO_CHANGES: Final = "25006"
_STATEMENT_TIMEOUT: Final = "57014"
_NOT_PERMITTED: Final = "42501"

NOT_IN_TIME: Final = "The database did not get it done in time."

_OTHER_SCHEMA: Final = (
    "The database has not been migrated to this version; run: wallarm-notify db upgrade"
)
_READ_ONLY: Final = (
    "The database takes no changes: it is a read replica, or set to be read only. "
    "WALLARM_NOTIFY_DATABASE_URL has to name the primary; of several hosts target_session_attrs=read-write "
    "finds it."
)
_NO_SUCH_DATABASE: Final = re.compile(r'FATAL:  database ".*" does not exist')
"""What libpq says where the server answers but has no database of the name: there is no code while connecting."""

_SENTENCES: Final = {"42P01": _OTHER_SCHEMA, "42703": _OTHER_SCHEMA, _TAKES_NO_CHANGES: _READ_ONLY}
"""Undefined table, undefined column, read only."""


def connect(url: str) -> Any:
    """Return a connection of the driver to the database at ``url``. Raise the driver's errors.

    It begins no transaction by itself, and reads a ``uuid`` as one.
    """
    connection = psycopg2.connect(**(database_parameters(url) | _CONNECT))
    connection.autocommit = True
    register_uuid(conn_or_curs=connection)  # type: ignore[no-untyped-call]  # psycopg2's types lack it
    return connection


class Connections(Protocol):
    """What hands out connections to a database: ``Unpooled``, or ``store.pool.Pool``."""

    def connection(self) -> AbstractContextManager[Any]:
        """Yield a connection as ``connect`` makes them; one that is closed in the block is not used again.

        Raise the driver's errors, and Unavailable where there are too many at once.
        """

    def close(self) -> None:
        """Close the connections that are not in use."""


class Unpooled:
    """Connections that are made for one use, for processes that ask the database seldom, or only once."""

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """See ``Connections``."""
        with closing(connect(self._url)) as connection:
            yield connection

    def close(self) -> None:
        """See ``Connections``: there are none."""


@contextmanager
def transaction(connections: Connections) -> Iterator[Any]:
    """Yield a cursor of the driver for one transaction, which is begun and committed by statements.

    It is rolled back where the block is left by an exception. The driver's errors are raised as they are.
    """
    with connections.connection() as connection:
        try:
            with connection.cursor() as cursor:
                yield cursor
        except BaseException as error:
            with suppress(PsycopgError), connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
            if isinstance(error, PsycopgError) and sqlstate(error) == _TAKES_NO_CHANGES:
                # Of a server that another one has taken the place of: it would be used for ever.
                connection.close()
            raise
        finally:
            if connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                # Whoever gets it next would find an open transaction.
                connection.close()


class MovedMeanwhile(TransactionRollbackError):
    """What a transaction has read is of two moments; like a serialization failure, it is run again."""

    pgcode = "40001"


def sqlstate(error: Exception) -> str:
    """Return PostgreSQL's five-character code of ``error``; empty where it gave none."""
    return getattr(error, "pgcode", None) or ""


def may_run_again(error: Exception) -> bool:
    """Return whether another transaction was in the way, so that the work may succeed when it is run again."""
    return sqlstate(error) in _AGAIN


def is_lost(error: Exception) -> bool:
    """Return whether the connection ended, so that the server has rolled back what was not committed."""
    code = sqlstate(error)
    return isinstance(error, OperationalError | InterfaceError) and (not code or code in _ENDED)


def meaning(error: PsycopgError) -> NotifyError:
    """Return the domain error that ``error`` of the driver stands for."""
    code = sqlstate(error)
    if code in _SENTENCES:
        return Unavailable(_SENTENCES[code])
    if code == _NOT_PERMITTED:
        return Unavailable(
            f"The database does not let this role do it ({_first_line(error)}); docs/how-to/least-privilege.md has "
            "the rights that each process needs."
        )
    if code[:2] in ("22", "23"):
        return BadRow(f"The database refuses the data: {_first_line(error)}")
    if code == _STATEMENT_TIMEOUT:
        return TooMuch(NOT_IN_TIME)
    if isinstance(error, OperationalError | InterfaceError) and not code:
        return Unavailable(_of_no_connection(error))
    return Unavailable(f"The database could not do it now: {_first_line(error)}")


def _of_no_connection(error: PsycopgError) -> str:
    words = _of_each_host(error)
    if _NO_SUCH_DATABASE.search(str(error)):
        return (
            f"There is no such database ({words}); create it, or name another one in "
            "WALLARM_NOTIFY_DATABASE_URL."
        )
    return (
        f"The database does not answer ({words}); check that it runs and that "
        "WALLARM_NOTIFY_DATABASE_URL names it."
    )


def _of_each_host(error: PsycopgError) -> str:
    """Return what libpq says of each host that it tried; it indents what is advice."""
    lines = [line for line in str(error).splitlines() if line.strip() and not line[0].isspace()]
    return "; ".join(dict.fromkeys(lines)) or _first_line(error)


def _first_line(error: PsycopgError) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

"""Connections to PostgreSQL: how they are made, how long they may wait, and what their errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Any, Final

from psycopg2 import Error as PsycopgError
from psycopg2 import InterfaceError, OperationalError
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TransactionRollbackError
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.errors import BadRow, NotifyError, TooMuch, Unavailable

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

TRUSTED: Final = 1.0
"""Seconds for which a connection that was just used is taken to be alive."""

_AGAIN: Final = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock time-out: the whole transaction is run again."""

_ENDED: Final = frozenset({"57P01", "57P02", "57P03"})
"""The server ends, has crashed, or is not up yet."""

_STATEMENT_TIMEOUT: Final = "57014"
_NOT_PERMITTED: Final = "42501"

_OTHER_SCHEMA: Final = (
    "The database has not been migrated to this version; run: wallarm-notify db upgrade"
)
_READ_ONLY: Final = (
    "The database takes no changes: it is a read replica, or set to be read only. "
    "WALLARM_NOTIFY_DATABASE_URL has to name the primary."
)
_SENTENCES: Final = {"42P01": _OTHER_SCHEMA, "42703": _OTHER_SCHEMA, "25006": _READ_ONLY}
"""Undefined table, undefined column, read only."""


def make_engine(url: str, *, pool_size: int = 4, bounded: bool = True) -> Engine:
    """Return an engine for ``url``, whose driver is psycopg2 whatever SQLAlchemy's default is.

    ``pool_size`` 0 keeps no connection open between uses. ``bounded=False`` leaves out the
    statement time-outs, for migrations.
    """
    pool: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 4, "pool_timeout": 10}
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg2"),
        connect_args=dict(_CONNECT),
        hide_parameters=True,  # bodies and key tokens do not belong into a log
        **(pool if pool_size else {"poolclass": NullPool}),
    )
    if bounded:
        event.listen(engine, "begin", _set_time_outs)
    if pool_size:
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", _try)
    return engine


def _set_time_outs(connection: Connection) -> None:
    """Bound a transaction that SQLAlchemy begins; ``BEGIN`` does it for the others."""
    connection.exec_driver_sql(_SETTINGS)


def _note_use(_: object, record: Any) -> None:
    record.info["used"] = since_boot()


def _try(connection: Any, record: Any, _: object) -> None:
    """Check that a connection did not break while it was idle; if so, the pool makes another.

    One that was just used is not checked: that would cost two round trips for each transaction.
    """
    if since_boot() - record.info.get("used", inf) < TRUSTED:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except PsycopgError:
        raise InvalidatePoolError from None


@contextmanager
def transaction(engine: Engine) -> Iterator[Any]:
    """Yield a cursor of the driver for one transaction, which is begun and committed by statements.

    It is rolled back where the block is left by an exception. The driver's errors are raised as they are.
    """
    pooled = engine.raw_connection()
    connection: Any = pooled.driver_connection
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    except BaseException:
        with suppress(PsycopgError), connection.cursor() as cursor:
            cursor.execute("ROLLBACK")
        raise
    finally:
        if connection.info.transaction_status == TRANSACTION_STATUS_IDLE:
            connection.autocommit = False
        else:
            # The pool does not know of the open transaction, and would hand the connection out with it.
            pooled.invalidate()
        if connection.closed:
            engine.dispose()  # the others are probably broken too
        pooled.close()


class MovedMeanwhile(TransactionRollbackError):
    """What a transaction has read is of two moments; like a serialization failure, it is run again."""

    pgcode = "40001"


def sqlstate(error: Exception) -> str:
    """Return PostgreSQL's five-character code of ``error``; empty where it gave none."""
    return getattr(_of_driver(error), "pgcode", None) or ""


def may_run_again(error: Exception) -> bool:
    """Return whether another transaction was in the way, so that the work may succeed when it is run again."""
    return sqlstate(error) in _AGAIN


def is_lost(error: Exception) -> bool:
    """Return whether the connection ended, so that the server has rolled back what was not committed."""
    cause = _of_driver(error)
    code = sqlstate(error)
    return isinstance(cause, OperationalError | InterfaceError) and (not code or code in _ENDED)


def meaning(error: Exception) -> Exception:
    """Return the domain error that ``error`` of the driver stands for; another error as it is."""
    if isinstance(error, PoolTimeout):
        return Unavailable("All connections to the database are in use; it may be overloaded.")
    cause = _of_driver(error)
    return _meaning_of(cause, sqlstate(cause)) if isinstance(cause, PsycopgError) else error


def _of_driver(error: BaseException) -> BaseException | None:
    """Return the driver's own error, where SQLAlchemy has wrapped it."""
    return error.orig if isinstance(error, DBAPIError) else error


def _meaning_of(error: PsycopgError, code: str) -> NotifyError:
    if code in _SENTENCES:
        return Unavailable(_SENTENCES[code])
    if code == _NOT_PERMITTED:
        return Unavailable(
            f"The database does not let this role do it ({_first_line(error)}); docs/operations.md has the rights "
            "that each process needs."
        )
    if code[:2] in ("22", "23"):
        return BadRow(f"The database refuses the data: {_first_line(error)}")
    if code == _STATEMENT_TIMEOUT:
        return TooMuch("The database did not get it done in time.")
    if isinstance(error, OperationalError | InterfaceError) and not code:
        return Unavailable(
            f"The database does not answer ({_first_line(error)}); check that it runs and that "
            "WALLARM_NOTIFY_DATABASE_URL names it."
        )
    return Unavailable(f"The database could not do it now: {_first_line(error)}")


def _first_line(error: PsycopgError) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

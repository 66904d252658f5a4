"""Connections to PostgreSQL: how they are made, how long they may wait, and what their errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Any, Final

from psycopg2 import Error as PsycopgError
from psycopg2 import InterfaceError, OperationalError
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TransactionRollbackError
from sqlalchemy import Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.errors import BadRow, NotifyError, TooMuch, Unavailable

_SESSION: Final = (
    "-c statement_timeout=10s -c lock_timeout=3s -c idle_in_transaction_session_timeout=10s "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2 "
    "-c timezone=UTC -c application_name=wallarm-notify"
)
"""A host that vanishes inside a transaction must not keep its locks for two hours (engine 18)."""

_CONNECT: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
    # Whatever PGCLIENTENCODING and the role's settings say: others cannot say every text.
    "client_encoding": "UTF8",
}

TRUSTED: Final = 1.0
"""Seconds for which a connection that was just used is taken to be alive."""

_AGAIN: Final = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock timeout: the whole transaction is run again."""

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
    """An engine for ``url``, whose dialect is psycopg2 whatever the default of SQLAlchemy is.

    ``pool_size`` 0 keeps no connection open between uses. ``bounded=False`` leaves out the
    statement time-outs, for migrations.
    """
    target = make_url(url).set(drivername="postgresql+psycopg2")
    connect = dict(_CONNECT)
    if bounded:
        given = target.query.get("options", "")
        connect["options"] = f"{given if isinstance(given, str) else ' '.join(given)} {_SESSION}"
    if pool_size == 0:
        return create_engine(target, poolclass=NullPool, connect_args=connect, hide_parameters=True)
    engine = create_engine(
        target,
        pool_size=pool_size,
        max_overflow=4,
        pool_timeout=10,
        connect_args=connect,
        hide_parameters=True,  # bodies and key tokens are no business of a log
    )
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _try)
    return engine


def _note_use(_: object, record: Any) -> None:
    record.info["used"] = since_boot()


def _try(connection: Any, record: Any, _: object) -> None:
    """Finds out whether a connection broke while nobody used it; then the pool makes another.

    One in use all the time is not asked: that would be two round trips for each transaction.
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
    """A cursor of the driver for one transaction, which its user begins and commits by statements.

    It is rolled back where the block is left by an exception. Raises the driver's errors as they are.
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
            # Nobody else must find this one's work in it; the pool would not notice, as it began nothing.
            pooled.invalidate()
        if connection.closed:
            engine.dispose()  # the others are broken too, as likely as not
        pooled.close()


class MovedMeanwhile(TransactionRollbackError):
    """What a transaction has read is of two moments: it is rolled back and run again, as a serialization failure."""

    pgcode = "40001"


def sqlstate(error: Exception) -> str:
    """PostgreSQL's five-character code of ``error``; empty where it gave none."""
    return getattr(_of_driver(error), "pgcode", None) or ""


def may_run_again(error: Exception) -> bool:
    """Whether another transaction was in the way, and the same may do at once."""
    return sqlstate(error) in _AGAIN


def is_lost(error: Exception) -> bool:
    """Whether the connection ended, so that the server has rolled back what was not committed."""
    cause = _of_driver(error)
    code = sqlstate(error)
    return isinstance(cause, OperationalError | InterfaceError) and (not code or code in _ENDED)


def meaning(error: Exception) -> Exception:
    """The domain error that ``error`` of the driver stands for: BadRow or Unavailable; else itself."""
    if isinstance(error, PoolTimeout):
        return Unavailable("All connections to the database are in use; it may be overloaded.")
    cause = _of_driver(error)
    return _meaning_of(cause, sqlstate(cause)) if isinstance(cause, PsycopgError) else error


def _of_driver(error: BaseException) -> BaseException | None:
    """The driver's own error, where SQLAlchemy has wrapped it."""
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

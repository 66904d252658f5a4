"""Connections to PostgreSQL: how they are made, how long they may wait, and what their errors mean."""

from typing import Any, Final

from sqlalchemy import Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

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
}

_AGAIN: Final = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock timeout: the whole transaction is run again."""

_STATEMENT_TIMEOUT: Final = "57014"
_UNDEFINED_TABLE: Final = "42P01"
_UNDEFINED_COLUMN: Final = "42703"


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
    return create_engine(
        target,
        pool_size=pool_size,
        max_overflow=4,
        pool_timeout=10,
        pool_pre_ping=True,
        connect_args=connect,
        hide_parameters=True,  # bodies and key tokens are no business of a log
    )


def sqlstate(error: DBAPIError) -> str:
    """PostgreSQL's five-character code of ``error``; empty where it gave none."""
    return getattr(error.orig, "pgcode", None) or ""


def may_run_again(error: DBAPIError) -> bool:
    """Whether another transaction was in the way, and the same may do at once."""
    return sqlstate(error) in _AGAIN


def meaning(error: Exception) -> Exception:
    """The domain error that ``error`` of the driver stands for: BadRow or Unavailable; else itself."""
    if isinstance(error, PoolTimeout):
        return Unavailable("All connections to the database are in use; it may be overloaded.")
    if not isinstance(error, DBAPIError):
        return error
    return _meaning_of(error, sqlstate(error))


def _meaning_of(error: DBAPIError, code: str) -> NotifyError:
    if code in (_UNDEFINED_TABLE, _UNDEFINED_COLUMN):
        return Unavailable(
            "The database has not been migrated to this version; run: wallarm-notify db upgrade"
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


def _first_line(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__

"""The pool of connections of a process that lives: SQLAlchemy's, of which commands import nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any, Final

from psycopg2 import Error as PsycopgError
from sqlalchemy import QueuePool, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.store.connection import connect

_MORE: Final = 4
"""How many connections there may be at once beyond those that stay open."""

_LONGEST_WAIT: Final = 10
"""Seconds for which a connection is waited for."""

TRUSTED: Final = 1.0
"""Seconds for which a connection that was just used is taken to be alive."""


class Pool:
    """Connections of which ``size`` stay open between uses; see ``store.connection.Connections``."""

    def __init__(self, url: str, size: int = 4) -> None:
        self._pool = QueuePool(
            partial(connect, url), pool_size=size, max_overflow=_MORE, timeout=_LONGEST_WAIT
        )
        event.listen(self._pool, "checkin", _note_use)
        event.listen(self._pool, "checkout", _try)

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """See ``Connections``. Where one was closed in the block, the others are closed too."""
        try:
            pooled = self._pool.connect()
        except PoolTimeout:
            raise Unavailable(
                "All connections to the database are in use; it may be overloaded."
            ) from None
        connection: Any = pooled.dbapi_connection
        try:
            yield connection
        finally:
            if connection.closed:
                pooled.invalidate()
                self.close()  # the others are probably broken too
            pooled.close()

    def close(self) -> None:
        """See ``Connections``."""
        self._pool.dispose()
        self._pool = self._pool.recreate()


def _note_use(_: object, record: Any) -> None:
    record.info["used"] = since_boot()


def _try(connection: Any, record: Any, _: object) -> None:
    """Check that a connection did not break while it was idle; if so, the pool makes another.

    One that was just used is not checked: that would cost a round trip for each transaction.
    """
    if since_boot() - record.info.get("used", inf) < TRUSTED:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except PsycopgError:
        raise InvalidatePoolError from None

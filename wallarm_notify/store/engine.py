"""SQLAlchemy's engine, by which migrations are run."""

from typing import Any

from sqlalchemy import Engine, NullPool, create_engine

from wallarm_notify.store.connection import connect


def make_engine(url: str) -> Engine:
    """Return an engine for ``url``, which connects as all of this package does and keeps no connection.

    Its statements may take any time.
    """

    def connected() -> Any:
        connection = connect(url)
        connection.autocommit = False  # what SQLAlchemy begins transactions by
        return connection

    return create_engine(
        "postgresql+psycopg2://",
        creator=connected,
        poolclass=NullPool,
        hide_parameters=True,  # bodies and key tokens do not belong into a log
    )

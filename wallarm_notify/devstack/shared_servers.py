"""Shared servers: databases and brokers that others use too, used without touching what is theirs."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Final
from uuid import uuid4

from celery import Celery
from psycopg2 import Error as PsycopgError
from psycopg2 import ProgrammingError
from sqlalchemy import make_url

from wallarm_notify.broker.app import connection_errors
from wallarm_notify.broker.broker_check import check_broker
from wallarm_notify.domain.errors import Refused
from wallarm_notify.store.connection import connect, meaning
from wallarm_notify.store.database_check import ENCODING
from wallarm_notify.store.schema_check import current, newest
from wallarm_notify.task_names import QUEUES
from wallarm_notify.tls import use_ssl
from wallarm_notify.urls import BadURL, Broker, read_broker

_PING_SECONDS: Final = 1.0


@contextmanager
def separate_database(url: str) -> Iterator[tuple[str, bool]]:
    """Yield a new, empty database on the server of ``url``, dropped at the end, and True.

    If the account may not create one: the database of ``url`` itself, and False; what is written then
    stays. Raise Refused if that one is in use, Unavailable if the server is away.
    """
    name = f"wallarm_notify_{uuid4().hex}"
    try:
        _execute(url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{ENCODING}'")
    except ProgrammingError:  # not permitted
        _check_unused(url)
        yield url, False
        return
    except PsycopgError as error:
        raise meaning(error) from None
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False), True
    finally:
        _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    """Run one statement outside a transaction, as PostgreSQL requires for whole databases."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def _check_unused(url: str) -> None:
    try:
        with closing(connect(url)) as connection, connection.cursor() as cursor:
            if _is_unused(cursor):
                return
    except PsycopgError as error:
        raise meaning(error) from None
    raise Refused(
        "WALLARM_NOTIFY_DATABASE_URL: its account may not create a database, and the one it names "
        "holds a wallarm-notify already. Let the account create databases (ALTER ROLE … CREATEDB), "
        "name an empty database, or unset the variable."
    )


def _is_unused(cursor: Any) -> bool:
    revision = current(cursor)
    if revision is None:
        return True
    if revision != newest():
        return False
    cursor.execute("SELECT EXISTS (SELECT FROM integrations) OR EXISTS (SELECT FROM events)")
    (is_used,) = cursor.fetchone()
    return not is_used


@contextmanager
def unused_broker(url: str) -> Iterator[None]:
    """Check that nobody else uses a broker, and empty its queues at the end of the block.

    Raise Refused if a worker listens or messages wait, Unavailable if it is away.
    """
    broker = _read(url)
    with Celery("wallarm-notify-borrower", broker=broker.url, set_as_current=False) as app:
        app.conf.broker_use_ssl = use_ssl(broker, None) or False
        check_broker(app)
        busy = [f"{name} holds {n}" for name in QUEUES if (n := _waiting(app, name)) > 0]
        pongs = app.control.ping(timeout=_PING_SECONDS) or []
        busy += [f"{node} listens" for pong in pongs for node in pong]
        if busy:
            raise Refused(
                f"WALLARM_NOTIFY_BROKER_URL: the broker is in use ({', '.join(busy)}), and messages "
                "would be taken from one another. Name another of its databases, as "
                "redis://host:6379/15, or unset the variable."
            )
        try:
            yield
        finally:
            for name in QUEUES:
                _clear(app, name)


def _read(url: str) -> Broker:
    try:
        broker = read_broker(url)
    except BadURL as error:
        raise Refused(f"WALLARM_NOTIFY_BROKER_URL {error}.") from None
    if broker.is_behind_sentinel:
        raise Refused(
            "WALLARM_NOTIFY_BROKER_URL names Sentinels, and their Redis is not for trying things out. Name another "
            "Redis, as redis://host:6379/15, or unset the variable."
        )
    return broker


def _waiting(app: Celery, name: str) -> int:
    with app.connection_for_write() as connection, suppress(*connection.channel_errors):
        channel: Any = connection.channel()
        return int(channel.queue_declare(queue=name, passive=True).message_count)
    return 0  # the queue does not exist


def _clear(app: Celery, name: str) -> None:
    with suppress(*connection_errors(app)), app.connection_for_write() as connection:
        channel: Any = connection.channel()
        channel.queue_purge(name)

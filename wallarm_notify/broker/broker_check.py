"""The check of the broker at start: it can be reached, and does what a process needs of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery

from wallarm_notify.broker.app import connection_errors
from wallarm_notify.broker.rabbitmq_check import check_rabbitmq
from wallarm_notify.broker.redis_check import CheckConnection, check_redis, evicts
from wallarm_notify.broker.uses import BrokerWarning, Uses
from wallarm_notify.domain.errors import Unavailable, with_errno
from wallarm_notify.redis_connection import is_redis
from wallarm_notify.tls import certificate_fault
from wallarm_notify.urls import shown


def check_broker(
    celery: Celery, uses: Uses | None = None, *, may_evict: bool = False
) -> list[BrokerWarning]:
    """Return the warnings about the broker; none without ``uses``.

    Raise Unavailable if the broker cannot be reached now; the message has no password. With ``uses``, raise
    Refused if the broker can never serve them, or if it evicts messages and ``may_evict`` is false.
    """
    with _reached(celery) as (connection, where):
        if uses is None:
            return []
        if is_redis(connection):
            return check_redis(connection.default_channel, where, uses, may_evict=may_evict)
        control: Any = celery.control
        mailbox = None if uses.node is None else control.mailbox.get_queue(uses.node)
        return check_rabbitmq(connection, where, uses, celery.amqp.queues, mailbox)


def eviction(celery: Celery) -> BrokerWarning | None:
    """Return a warning about a broker that evicts messages now, or None if it does not.

    Raise Unavailable if the broker is away.
    """
    with _reached(celery) as (connection, _):
        return evicts(connection.default_channel) if is_redis(connection) else None


@contextmanager
def _reached(celery: Celery) -> Iterator[tuple[Any, str]]:
    """Yield a connection, and the broker's address without credentials."""
    with CheckConnection.in_place_of(celery.connection_for_write()) as connection:
        others = len(connection.alt) - 1
        try:
            # Each of several brokers is tried, however long the ones before it took to fail.
            connection.ensure_connection(
                max_retries=max(others, 1), interval_start=0, timeout=None if others > 0 else 5
            )
            yield connection, shown(connection.as_uri())
        except connection_errors(celery) as error:
            # Of several brokers this may be another one by now.
            where = shown(connection.as_uri())
            if (fault := certificate_fault(error)) is not None:
                raise Unavailable(f"The broker at {where} is not spoken to: {fault}.") from None
            raise Unavailable(
                f"The broker at {where} does not answer ({with_errno(str(error))}); check that it runs and that "
                "WALLARM_NOTIFY_BROKER_URL names it."
            ) from None

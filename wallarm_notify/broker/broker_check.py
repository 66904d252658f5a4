"""Whether the broker can be reached, and can do for a process: found out before anything is taken or sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery

from wallarm_notify.broker.app import connection_errors
from wallarm_notify.broker.rabbitmq_check import check_rabbitmq
from wallarm_notify.broker.redis_check import CheckConnection, check_redis, evicts
from wallarm_notify.broker.redis_connection import is_redis
from wallarm_notify.broker.uses import Doubt, Uses
from wallarm_notify.domain.errors import Unavailable, with_errno
from wallarm_notify.tls import certificate_fault
from wallarm_notify.urls import shown


def check_broker(
    celery: Celery, uses: Uses | None = None, *, may_evict: bool = False
) -> list[Doubt]:
    """Raise Unavailable where the broker cannot be reached now; its password is not repeated.

    With ``uses`` also Refused where it can never do for them, or evicts and not ``may_evict``; what speaks
    against it besides is returned, to be warned of.
    """
    with _reached(celery) as (connection, where):
        if uses is None:
            return []
        if is_redis(connection):
            return check_redis(connection.default_channel, where, uses, may_evict=may_evict)
        control: Any = celery.control
        mailbox = None if uses.node is None else control.mailbox.get_queue(uses.node)
        return check_rabbitmq(connection, where, uses, celery.amqp.queues, mailbox)


def eviction(celery: Celery) -> Doubt | None:
    """Return the doubt on a broker that evicts now; None: it does not. Raises Unavailable where it is away."""
    with _reached(celery) as (connection, _):
        return evicts(connection.default_channel) if is_redis(connection) else None


@contextmanager
def _reached(celery: Celery) -> Iterator[tuple[Any, str]]:
    """Give a connection, and the broker's address for people."""
    with CheckConnection.in_place_of(celery.connection_for_write()) as connection:
        others = len(connection.alt) - 1
        try:
            # Of several each is tried, however long the ones before it let us wait.
            connection.ensure_connection(
                max_retries=max(others, 1), interval_start=0, timeout=None if others > 0 else 5
            )
            yield connection, shown(connection.as_uri())
        except connection_errors(celery) as error:
            # Of several it may be another one by now.
            where = shown(connection.as_uri())
            if (fault := certificate_fault(error)) is not None:
                raise Unavailable(f"The broker at {where} is not spoken to: {fault}.") from None
            raise Unavailable(
                f"The broker at {where} does not answer ({with_errno(str(error))}); check that it runs and that "
                "WALLARM_NOTIFY_BROKER_URL names it."
            ) from None

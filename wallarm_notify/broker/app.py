"""The broker: the Celery app, and sending tasks by name."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Celery
from kombu import compression
from kombu.exceptions import OperationalError

from wallarm_notify import task_names
from wallarm_notify.broker.broker_check import (
    AskingChannel,
    Doubt,
    Uses,
    check_redis,
    evicts,
    is_redis,
)
from wallarm_notify.broker.quarantine import RETURNED
from wallarm_notify.broker.rabbitmq_check import check_rabbitmq
from wallarm_notify.domain.batches import Message
from wallarm_notify.domain.errors import Unavailable, with_errno
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.tls import certificate_fault
from wallarm_notify.urls import shown, without_credentials

log = logging.getLogger(__name__)

app = Celery("wallarm_notify")
app.config_from_object("celeryconfig")


def _refuse(_: Any) -> bytes:
    raise ValueError("it is compressed, which no message to this system is")


# kombu unpacks whatever says that it is packed, before anybody can look at it, and without a bound: a
# kilobyte becomes gigabytes. That holds for every message that reaches a process of ours.
for content_type in compression.encoders():
    encoder: Any = compression.get_encoder(content_type)
    compression.register(encoder[0], _refuse, content_type)

_CONFIRM_SECONDS = 5
"""How long RabbitMQ may take to confirm; while it is short of memory it would not at all."""

_NOWHERE = (OperationalError, OSError)
"""What a publish raises when the broker is away or refuses."""


class CeleryPublisher:
    """Enqueues ``notifications.deliver``; a refusal is logged, SWEEP finds what was not published."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def publish(self, messages: Sequence[Message]) -> None:
        """Enqueues ``messages`` on one connection; see ``services.ports.Publisher``."""
        if not messages:
            return
        try:
            with self._celery.producer_or_acquire() as producer:
                for message in messages:
                    self._send(message, producer)
        except _NOWHERE as error:
            log.warning(
                "publisher.refused",
                extra={"messages": len(messages), "error": _said(error)},
            )

    def _send(self, message: Message, producer: Any) -> None:
        self._celery.send_task(
            task_names.DELIVER,
            kwargs=_arguments(message),
            queue=task_names.NOTIFICATIONS_QUEUE if message.first else task_names.RETRIES_QUEUE,
            countdown=None if message.countdown is None else message.countdown.total_seconds(),
            argsrepr="()",
            kwargsrepr=message.words,
            producer=producer,
            confirm_timeout=_CONFIRM_SECONDS,
        )

    def enqueue(self, call: TriedCall) -> bool:
        """Enqueues a call that was set aside, as it came; see ``services.ports.Publisher``."""
        headers = json.loads(call.headers) | {RETURNED: True}
        try:
            with self._celery.producer_or_acquire() as producer:
                producer.publish(
                    call.body,
                    routing_key=task_names.EVENTS_QUEUE,
                    exchange="",
                    headers=headers,
                    content_type=call.content_type or "application/json",
                    content_encoding=call.content_encoding or "utf-8",
                    declare=[self._celery.amqp.queues[task_names.EVENTS_QUEUE]],
                    retry=False,
                    confirm_timeout=_CONFIRM_SECONDS,
                )
        except Exception as error:  # noqa: BLE001 - Redis's own errors come as they are, and SWEEP goes on
            log.warning("set_aside.not_enqueued", extra={"error": type(error).__name__})
            return False
        return True

    def length(self, *, first: bool) -> int | None:
        """Messages waiting in a delivery queue; None: the broker does not say."""
        name = task_names.NOTIFICATIONS_QUEUE if first else task_names.RETRIES_QUEUE
        try:
            with self._celery.connection_or_acquire() as connection:
                queue = self._celery.amqp.queues[name].bind(connection.default_channel)
                # Not passive: Redis knows no queue that is empty, and refuses to tell its length.
                declared: Any = queue.queue_declare()
                return int(declared.message_count)
        except connection_errors(self._celery) as error:
            log.warning("publisher.unknown_length", extra={"error": _said(error)})
            return None


def _arguments(message: Message) -> dict[str, list[int]]:
    """What a message carries. First links look as messages did before there were any."""
    ids = {"ids": list(message.ids)}
    return ids | {"links": list(message.links)} if any(message.links) else ids


def _said(error: BaseException) -> str:
    """What a library says of the broker; some put its URL in."""
    return without_credentials(str(error)) or type(error).__name__


def connection_errors(celery: Celery) -> tuple[type[BaseException], ...]:
    """Whatever the broker's transport raises when it is away."""
    with celery.connection_for_write() as connection:
        return (*_NOWHERE, *connection.connection_errors, *connection.channel_errors)


def check_broker(
    celery: Celery, uses: Uses | None = None, *, may_evict: bool = False
) -> list[Doubt]:
    """Raises Unavailable where the broker cannot be reached now; its password is not repeated.

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
    """The doubt on a broker that evicts, as it is now; None: it does not. Raises Unavailable where it is away."""
    with _reached(celery) as (connection, _):
        return evicts(connection.default_channel) if is_redis(connection) else None


@contextmanager
def _reached(celery: Celery) -> Iterator[tuple[Any, str]]:
    """A connection, and the broker's address for people."""
    with celery.connection_for_write() as connection:
        others = len(connection.alt) - 1
        try:
            if is_redis(connection):
                transport: Any = connection.transport
                transport.Channel = AskingChannel
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

"""The publisher: it enqueues messages of deliveries, and calls that were set aside."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from amqp import AMQPError
from celery import Celery

from wallarm_notify import task_names
from wallarm_notify.broker.app import UNREACHABLE, connection_errors
from wallarm_notify.broker.quarantine import RETURNED
from wallarm_notify.domain.batches import Message
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.urls import without_credentials

log = logging.getLogger(__name__)

_CONFIRM_SECONDS: Final = 5
"""How long RabbitMQ may take to confirm; while it is short of memory it would never do so."""


class CeleryPublisher:
    """A publisher of ``notifications.deliver``. It logs a refusal, and SWEEP finds what was not enqueued."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def publish(self, messages: Sequence[Message]) -> None:
        """Enqueue ``messages`` on one connection; see ``services.ports.Publisher``."""
        if not messages:
            return
        try:
            with self._celery.producer_or_acquire() as producer, new_after_refusal(producer):
                for message in messages:
                    self._send(message, producer)
        except (*UNREACHABLE, AMQPError) as error:
            log.warning(
                "publisher.refused",
                extra={"messages": len(messages), "error": _text_of(error)},
            )

    def _send(self, message: Message, producer: Any) -> None:
        self._celery.send_task(
            task_names.DELIVER,
            kwargs=_arguments(message),
            queue=_queue_of(first=message.first),
            countdown=None if message.countdown is None else message.countdown.total_seconds(),
            argsrepr="()",
            kwargsrepr=message.words,
            producer=producer,
            mandatory=True,
            confirm_timeout=_CONFIRM_SECONDS,
        )

    def enqueue(self, call: TriedCall) -> bool:
        """Return whether a call that was set aside could be enqueued as it came; see ``services.ports.Publisher``."""
        headers = json.loads(call.headers) | {RETURNED: True}
        try:
            with self._celery.producer_or_acquire() as producer, new_after_refusal(producer):
                producer.publish(
                    call.body,
                    mandatory=True,
                    routing_key=task_names.EVENTS_QUEUE,
                    exchange="",
                    headers=headers,
                    content_type=call.content_type or "application/json",
                    content_encoding=call.content_encoding or "utf-8",
                    declare=[self._celery.amqp.queues[task_names.EVENTS_QUEUE]],
                    retry=False,
                    confirm_timeout=_CONFIRM_SECONDS,
                )
        except Exception as error:  # noqa: BLE001 - kombu passes Redis's own errors on, and SWEEP goes on
            log.warning("set_aside.not_enqueued", extra={"error": type(error).__name__})
            return False
        return True

    def length(self, *, first: bool) -> int | None:
        """Return how many messages wait in a queue of deliveries, or None if the broker does not answer.

        ``first`` selects the queue of first attempts, not the one of retries.
        """
        try:
            with self._celery.connection_or_acquire() as connection:
                queue = self._celery.amqp.queues[_queue_of(first=first)]
                # Not passive: for Redis an empty queue does not exist, and asking for its length is an error.
                declared: Any = queue.bind(connection.default_channel).queue_declare()
                return int(declared.message_count)
        except connection_errors(self._celery) as error:
            log.warning("publisher.unknown_length", extra={"error": _text_of(error)})
            return None


@contextmanager
def new_after_refusal(producer: Any) -> Iterator[None]:
    """Have ``producer`` connect again after a refusal: it would not declare a queue again that was deleted."""
    try:
        yield
    except AMQPError:
        producer.connection.collect()
        raise


def _queue_of(*, first: bool) -> str:
    """Return the queue of first attempts, or the one of retries."""
    return task_names.NOTIFICATIONS_QUEUE if first else task_names.RETRIES_QUEUE


def _arguments(message: Message) -> dict[str, list[int]]:
    """Return the arguments of the task; without links where all are 0, as messages were before there were links."""
    ids = {"ids": list(message.ids)}
    return ids | {"links": list(message.links)} if any(message.links) else ids


def _text_of(error: BaseException) -> str:
    """Return what a library says of the broker, without the URL that some errors contain."""
    return without_credentials(str(error)) or type(error).__name__

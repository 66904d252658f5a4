"""The publisher: it enqueues messages of deliveries, and calls that were set aside."""

import json
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, Final

from amqp import AMQPError, NotFound
from celery import Celery
from kombu import Queue

from wallarm_notify import task_names
from wallarm_notify.broker.app import UNREACHABLE, connection_errors
from wallarm_notify.broker.quarantine import RETURNED
from wallarm_notify.domain.batches import Message
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.urls import without_credentials

log = logging.getLogger(__name__)

_CONFIRM_SECONDS: Final = 5
"""How long RabbitMQ may take to confirm; while it is short of memory it would never do so."""


_WAITS: Final = (0.0, 0.2)
"""The waits before each further try, in seconds, where the broker is away."""


class CeleryPublisher:
    """A publisher of ``notifications.deliver``. It logs a refusal, and SWEEP finds what was not enqueued."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def publish(self, messages: Sequence[Message]) -> None:
        """Enqueue ``messages`` on one connection; see ``services.ports.Publisher``."""
        left = deque(messages)
        waits = iter(_WAITS)
        while left:
            try:
                self._send_all(left)
            except (*UNREACHABLE, AMQPError) as error:
                wait = None if isinstance(error, AMQPError) else next(waits, None)
                if wait is None:
                    log.warning(
                        "publisher.refused",
                        extra={"messages": len(left), "error": _text_of(error)},
                    )
                    return
                time.sleep(wait)

    def _send_all(self, left: deque[Message]) -> None:
        with self._celery.producer_or_acquire() as producer, new_after_error(producer):
            while left:
                self._send(left[0], producer)
                left.popleft()

    def _send(self, message: Message, producer: Any) -> None:
        self._celery.send_task(
            task_names.DELIVER,
            kwargs=_arguments(message),
            queue=_queue_of(first=message.first),
            declare=[self._alone(_queue_of(first=message.first))],
            countdown=None if message.countdown is None else message.countdown.total_seconds(),
            argsrepr="()",
            kwargsrepr=message.words,
            producer=producer,
            mandatory=True,
            # Not by Celery: where it loses a connection while it declares the queue, it goes on with the lost one.
            retry=False,
            confirm_timeout=_CONFIRM_SECONDS,
        )

    def enqueue(self, call: TriedCall) -> bool:
        """Return whether a call that was set aside could be enqueued as it came; see ``services.ports.Publisher``."""
        headers = json.loads(call.headers) | {RETURNED: True}
        try:
            with self._celery.producer_or_acquire() as producer, new_after_error(producer):
                producer.publish(
                    call.body,
                    mandatory=True,
                    routing_key=task_names.EVENTS_QUEUE,
                    exchange="",
                    headers=headers,
                    content_type=call.content_type or "application/json",
                    content_encoding=call.content_encoding or "utf-8",
                    declare=[self._alone(task_names.EVENTS_QUEUE)],
                    retry=False,
                    confirm_timeout=_CONFIRM_SECONDS,
                )
        except Exception as error:  # noqa: BLE001 - kombu passes Redis's own errors on, and SWEEP goes on
            log.warning("set_aside.not_enqueued", extra={"error": type(error).__name__})
            return False
        return True

    def request_replays(self) -> None:
        """Enqueue a task that works on replay jobs and computations; see ``services.ports.Publisher``."""
        try:
            with self._celery.producer_or_acquire() as producer, new_after_error(producer):
                self._celery.send_task(
                    task_names.REPLAY,
                    queue=task_names.UPKEEP_QUEUE,
                    declare=[self._alone(task_names.UPKEEP_QUEUE)],
                    argsrepr="()",
                    kwargsrepr="replay jobs and computations",
                    producer=producer,
                    mandatory=True,
                    retry=False,
                    confirm_timeout=_CONFIRM_SECONDS,
                )
        except (*UNREACHABLE, AMQPError) as error:
            log.warning("publisher.refused", extra={"messages": 1, "error": _text_of(error)})

    def _alone(self, queue: str) -> Queue:
        """Return a queue without the exchange that Celery gives it.

        Messages go to it by its name. To bind it, RabbitMQ would ask for the right to read, which the API has not.
        """
        alone = copy(self._celery.amqp.queues[queue])
        alone.exchange = None  # type: ignore[assignment]  # its types lack that there may be none
        return alone

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

    def lengths(self) -> dict[str, int]:
        """Return how many messages wait in each queue, as far as the broker answers.

        In a queue that is not there wait none.
        """
        found: dict[str, int] = {}
        try:
            with self._celery.connection_or_acquire() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0)
                for queue in task_names.QUEUES:
                    found[queue] = _length_of(queue, connection)
        except connection_errors(self._celery) as error:
            log.warning("publisher.unknown_length", extra={"error": _text_of(error)})
        return found


def _length_of(queue: str, connection: Any) -> int:
    # On RabbitMQ passive: whoever looks makes no queue, of a type that others may refuse. Redis makes none anyway, and
    # for it an empty queue does not exist.
    passive = connection.transport.driver_type == "amqp"
    # A channel of its own: RabbitMQ closes that on which a queue is asked for that is not there.
    with connection.channel() as channel:
        try:
            return int(channel.queue_declare(queue=queue, passive=passive).message_count)
        except NotFound:
            return 0


@contextmanager
def new_after_error(producer: Any) -> Iterator[None]:
    """Have ``producer`` connect again after an error: it would not declare a queue again that was deleted."""
    try:
        yield
    except Exception:
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

"""Messages that wait in lists or queues without a consumer (spec 2: usable from any Celery client).

On Redis a priority is part of a list's name. kombu's own clients use four priorities; others, and those with
other ``priority_steps`` or another ``sep``, write into lists that nobody reads.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from celery import Celery
from kombu.transport.redis import PRIORITY_STEPS, Channel

from wallarm_notify.broker.app import connection_errors
from wallarm_notify.task_names import INGEST_QUEUES, QUEUES

log = logging.getLogger(__name__)

AT_ONCE: Final = 1000
"""The greatest number of messages that one run moves from one list."""

SEPARATORS: Final = (Channel.sep, ":")
"""The texts between a queue's name and a priority: kombu's own, and the one in Celery's documentation."""


def bring_in(celery: Celery) -> int:
    """Return how many messages were moved from lists that nobody reads into their queues.

    Each such list is logged. On RabbitMQ nothing is moved; a queue with messages and without a consumer is
    logged.
    """
    # This can wait while the broker is away, which other parts report.
    with suppress(*connection_errors(celery)), celery.connection_or_acquire() as connection:
        channel = connection.default_channel
        if isinstance(channel, Channel):
            return _move(channel)
        _warn_of_queues_without_consumer(celery, channel)
    return 0


def unread_lists() -> Iterator[tuple[str, str]]:
    """Yield each list of Redis that a producer may take for a queue with a priority, and that queue."""
    for queue in INGEST_QUEUES:
        for separator in SEPARATORS:
            for priority in range(1, 10):
                if separator != Channel.sep or priority not in PRIORITY_STEPS:
                    yield f"{queue}{separator}{priority}", queue


def _move(channel: Any) -> int:
    lists = list(unread_lists())
    prefix = channel.global_keyprefix
    moved = 0
    with channel.conn_or_acquire() as client:
        with client.pipeline(transaction=False) as pipe:
            for name, _ in lists:
                pipe.llen(name)
            lengths = pipe.execute(raise_on_error=False)
        for (name, queue), length in zip(lists, lengths, strict=True):
            # A value that is not a list is no queue, and belongs to somebody else.
            if isinstance(length, int) and length:
                number = min(length, AT_ONCE)
                with client.pipeline(transaction=False) as pipe:
                    for _ in range(number):
                        # kombu adds its prefix to the keys of some commands, of which this is none.
                        pipe.rpoplpush(f"{prefix}{name}", f"{prefix}{queue}")
                    moved += sum(got is not None for got in pipe.execute())
                log.warning(
                    "queue.unread", extra={"list": name, "messages": length, "moved_to": queue}
                )
    return moved


def _warn_of_queues_without_consumer(celery: Celery, channel: Any) -> None:
    for name in QUEUES:
        declared: Any = celery.amqp.queues[name].bind(channel).queue_declare(passive=True)
        if declared.message_count and not declared.consumer_count:
            log.warning("queue.unread", extra={"list": name, "messages": declared.message_count})

"""Quorum queues of RabbitMQ: a cluster keeps their messages on most of its nodes."""

from typing import Any, Final

from kombu import Queue

ARGUMENTS: Final = {"x-queue-type": "quorum"}


class QuorumQueue(Queue):
    """A queue that is declared as a quorum queue, but looks like an ordinary durable queue to Celery.

    Celery would otherwise take all queues for quorum queues, warn of every countdown, and fix the
    prefetch of the queues of deliveries, which countdowns need to grow.
    """

    def queue_declare(
        self, nowait: bool = False, passive: bool = False, channel: Any = None
    ) -> Any:
        """Return the result of declaring the queue; an existing queue of another type is an error of the channel."""
        arguments = {**(self.queue_arguments or {}), **ARGUMENTS}
        typed = Queue(self.name, durable=self.durable, queue_arguments=arguments)
        return typed.bind(channel or self.channel).queue_declare(nowait, passive)


def fix_prefetch(connection: Any) -> None:
    """Set up ``connection`` so that each consumer has its own prefetch: quorum queues support no other."""
    connection.transport.qos_semantics_matches_spec = lambda _: True

"""A quorum queue of RabbitMQ: a cluster keeps its messages on most of its nodes."""

from typing import Any, Final

from kombu import Queue

ARGUMENTS: Final = {"x-queue-type": "quorum"}


class QuorumQueue(Queue):
    """Declares itself a quorum queue, and is like any other to Celery: a durable one without options.

    Celery would otherwise take all queues for quorum queues, warn of every countdown, and fix the
    prefetch of the queues of deliveries, which countdowns need to grow.
    """

    def queue_declare(
        self, nowait: bool = False, passive: bool = False, channel: Any = None
    ) -> Any:
        """Makes the queue; one of another type that is there already is an error of the channel."""
        arguments = {**(self.queue_arguments or {}), **ARGUMENTS}
        typed = Queue(self.name, durable=self.durable, queue_arguments=arguments)
        return typed.bind(channel or self.channel).queue_declare(nowait, passive)


def fix_prefetch(connection: Any) -> None:
    """Lets each consumer of ``connection`` have a prefetch of its own: quorum queues know no other."""
    connection.transport.qos_semantics_matches_spec = lambda _: True

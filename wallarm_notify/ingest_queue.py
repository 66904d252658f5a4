"""Queues as they are declared: one that is there already is used as it is.

Any Celery producer declares ``events`` as a classic queue, and RabbitMQ refuses to declare a queue of one type as
one of another. So the queue is looked up first, and declared only where it is missing.
"""

from typing import Any, ClassVar, Final, Literal

import amqp
from kombu import Queue

QueueType = Literal["classic", "quorum"]

_FIRST_WITH_LIMIT: Final = 4
"""The first version of RabbitMQ whose quorum queues have a delivery limit by default: a message that comes back
20 times is dropped."""


class FoundQueue(Queue):
    """A queue that is used as it is, and declared where it is missing."""

    may_differ_in: ClassVar[tuple[str, ...]] = ()
    """RabbitMQ's names of what a queue that is there may have another value of."""

    def queue_declare(
        self, nowait: bool = False, passive: bool = False, channel: Any = None
    ) -> Any:
        """Return RabbitMQ's or Redis's answer to declaring the queue where it is missing."""
        channel = channel or self.channel
        if passive or not isinstance(channel, amqp.Channel):
            return super().queue_declare(nowait, passive, channel)
        try:
            return self._on_a_channel_of_its_own(channel.connection, passive=True)
        except amqp.NotFound:
            pass
        try:
            return self._on_a_channel_of_its_own(channel.connection, passive=False)
        except amqp.PreconditionFailed:  # somebody else declared it meanwhile
            return self._on_a_channel_of_its_own(channel.connection, passive=True)

    def declare_as_asked(self, channel: Any) -> Any:
        """Return the answer to declaring the queue; one that is there and differs is an error of ``channel``."""
        arguments = {**(self.queue_arguments or {}), **self._arguments_for(channel.connection)}
        # Without arguments it is whatever kombu's own declaration would make it.
        typed = Queue(self.name, durable=self.durable, queue_arguments=arguments or None)
        return typed.bind(channel).queue_declare()

    def _on_a_channel_of_its_own(self, connection: Any, *, passive: bool) -> Any:
        channel = connection.channel()
        try:
            if passive:
                return super().queue_declare(passive=True, channel=channel)
            return self.declare_as_asked(channel)
        finally:
            if channel.is_open:  # a refusal closes it
                channel.close()

    def _arguments_for(self, connection: Any) -> dict[str, Any]:
        """Return what the queue is declared with besides its own arguments."""
        del connection
        return {}


class IngestQueue(FoundQueue):
    """A queue of events, a classic one where it is missing."""

    may_differ_in = ("x-queue-type", "x-delivery-limit")

    def _arguments_for(self, connection: Any) -> dict[str, Any]:
        """Return the type, which is otherwise that of the vhost's new queues."""
        del connection
        return {"x-queue-type": "classic"}


class QuorumQueue(IngestQueue):
    """A queue of events, a quorum queue where it is missing.

    A cluster keeps its messages on most of its nodes. To Celery it looks like a classic queue. It would otherwise
    take all queues for quorum queues, warn of every countdown, and fix the prefetch of the queues of deliveries,
    which countdowns need to grow.
    """

    def _arguments_for(self, connection: Any) -> dict[str, Any]:
        """Return the type, and that no message is ever dropped."""
        arguments: dict[str, Any] = {"x-queue-type": "quorum"}
        if major_version(connection) >= _FIRST_WITH_LIMIT:
            arguments["x-delivery-limit"] = -1
        return arguments


class TransientQueue(FoundQueue):
    """A classic queue of what is in the database too, which goes with its node.

    A durable one is out of reach for everybody while its node is away, and nobody can make another of its name
    meanwhile. This one is made again on another node at once, and SWEEP publishes what was in it.
    """

    may_differ_in = ("durable",)

    def __init__(self, name: str = "", **kwargs: Any) -> None:
        super().__init__(name, **{**kwargs, "durable": False})

    def durable_form(self) -> Queue:
        """Return the queue as it is declared where there is no cluster."""
        return _durable(self.name)

    def _arguments_for(self, connection: Any) -> dict[str, Any]:
        """Return the type: a vhost's new queues may be of one that is always durable."""
        del connection
        return {"x-queue-type": "classic"}


_CLASSES: Final[dict[QueueType, type[IngestQueue]]] = {
    "classic": IngestQueue,
    "quorum": QuorumQueue,
}


def ingest_queue(name: str, queue_type: QueueType) -> IngestQueue:
    """Return the queue of events ``name``, which is of ``queue_type`` where it has to be made."""
    return _CLASSES[queue_type](name)


def our_queue(name: str, queue_type: QueueType) -> Queue:
    """Return a queue whose content is in the database too; ``queue_type`` is that of the queues of events."""
    return TransientQueue(name) if queue_type == "quorum" else _durable(name)


def _durable(name: str) -> Queue:
    """Return a durable queue, classic wherever a vhost's new queues are of another type."""
    return Queue(name, queue_arguments={"x-queue-type": "classic"})


def major_version(connection: Any) -> int:
    """Return the first number of the version of the RabbitMQ at an ``amqp`` connection, or 0."""
    version = connection.server_properties.get("version", "")
    if isinstance(version, bytes):
        version = version.decode()
    first = str(version).partition(".")[0]
    return int(first) if first.isdigit() else 0

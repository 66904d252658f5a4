"""A producer's channel to the queue of events, with RabbitMQ's publisher confirms for many messages at once.

A confirm takes a round trip and a write to disk. A producer that waits for each sends some 400 messages a
second; one that waits for a hundred together sends thousands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from amqp.exceptions import MessageNacked
from celery.utils.nodenames import anon_nodename
from kombu import Connection, Producer

from wallarm_notify.domain.event import Event
from wallarm_notify.domain.spelling import compact
from wallarm_notify.domain.words import counted
from wallarm_notify.ingest_queue import IngestQueue
from wallarm_notify.task_names import EVENTS_QUEUE, INGEST

WINDOW: Final = 100
"""How many messages may be published and not confirmed."""


_NOTHING_FOLLOWS: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

_NAMED_CLIENTS: Final = 5

_PERSISTENT: Final = 2
"""AMQP's delivery mode of messages that outlive a restart of the broker."""


@dataclass(slots=True)
class Published:
    """A message on its way: its events, the channel it was published on, and whether it is confirmed.

    ``sent_by`` is who sends them for somebody else; None: this process does, by itself.
    """

    content: Sequence[Event]
    channel: "EventsChannel | None" = None
    is_confirmed: bool = False
    sent_by: str | None = None


class PublisherConfirms:
    """The messages of one channel that RabbitMQ has not confirmed yet."""

    def __init__(self, channel: Any) -> None:
        self._connection = channel.connection
        self._open: dict[int, Published] = {}
        self._last = 0
        self._refusal: Exception | None = None
        channel.confirm_select()
        channel.events["basic_ack"].add(self._confirmed)
        channel.events["basic_nack"].add(self._refused)
        channel.events["basic_return"].add(self._returned)

    def note(self, message: Published) -> None:
        """Note that ``message`` was published on the channel just now."""
        self._last += 1
        self._open[self._last] = message

    def wait(self, seconds: float) -> None:
        """Return when the broker has everything.

        Raise MessageNacked or an error of the channel where it refused a message, TimeoutError where it confirms
        nothing for ``seconds``. The channel is of no use afterwards: a late confirm would be taken for another.
        """
        while self._open and self._refusal is None:
            self._connection.drain_events(timeout=seconds)
        if self._refusal is not None:
            raise self._refusal

    def _confirmed(self, tag: int, multiple: bool) -> None:
        tags = [one for one in self._open if one <= tag] if multiple else [tag]
        for one in tags:
            if (message := self._open.pop(one, None)) is not None:
                # Its return comes before its confirm: which of the open ones it was is not known.
                message.is_confirmed = self._refusal is None

    def _refused(self, tag: int, multiple: bool) -> None:
        del tag, multiple
        self._refusal = self._refusal or MessageNacked()

    def _returned(self, error: Exception, *_: Any) -> None:
        self._refusal = self._refusal or error


class EventsChannel:
    """A channel to the queue of events, with what RabbitMQ has not confirmed."""

    def __init__(self, connection: Connection, queue: IngestQueue) -> None:
        channel = connection.default_channel
        transport: Any = connection.transport
        queue.bind(channel).declare()
        # Redis has a message when it answers.
        self._confirms = PublisherConfirms(channel) if transport.driver_type == "amqp" else None
        self._producer = Producer(channel)

    def publish(self, message: Published) -> None:
        """Publish a call of ``events.ingest``, as Celery's clients do (message protocol 2)."""
        task_id = str(uuid4())
        kwargs = {"events": [event.body for event in message.content]}
        self._producer.publish(
            # In UTF-8: kombu's own JSON takes six bytes for a letter beyond ASCII.
            compact([[], kwargs, _NOTHING_FOLLOWS]).encode(),
            content_type="application/json",
            content_encoding="utf-8",
            headers={
                "lang": "py",
                "task": INGEST,
                "id": task_id,
                "root_id": task_id,
                "parent_id": None,
                "origin": message.sent_by or anon_nodename(),
                "argsrepr": "()",
                "kwargsrepr": _words(message.content),
            },
            correlation_id=task_id,
            routing_key=EVENTS_QUEUE,
            delivery_mode=_PERSISTENT,
            # A message that no queue takes is an error: RabbitMQ would drop it.
            mandatory=True,
            retry=False,
        )
        message.channel = self
        if self._confirms is None:
            message.is_confirmed = True
        else:
            self._confirms.note(message)

    def wait(self, seconds: float) -> None:
        """Return when the broker has everything; see ``PublisherConfirms.wait``."""
        if self._confirms is not None:
            self._confirms.wait(seconds)


def _words(batch: Sequence[Event]) -> str:
    clients = sorted({event.client_id for event in batch})
    named = ", ".join(map(str, clients[:_NAMED_CLIENTS]))
    if len(clients) > _NAMED_CLIENTS:
        named += f" and {len(clients) - _NAMED_CLIENTS} more"
    return f"{counted(len(batch), 'event')} of client{'s' if len(clients) > 1 else ''} {named}"

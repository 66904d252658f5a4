"""Batching: one task stores the events of all calls of ``events.ingest`` that came together (engine 24).

Celery and a transaction cost the most where a producer sends each event in a message of its own. A batch is
what lies in the queue when a process is free to store it; no message waits for later ones. Each message of a
batch is acknowledged when the task has stored them all, and handed back if the task fails.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from kombu.message import Message
from kombu.utils.json import dumps

from wallarm_notify.broker.rabbitmq_channel import CallsChannel
from wallarm_notify.broker.redis_transport import AT_ONCE, BATCH_BYTES, NotingChannel
from wallarm_notify.domain.words import counted
from wallarm_notify.task_names import INGEST, INGEST_CALLS

log = logging.getLogger(__name__)

MOST: Final = 500
"""The greatest number of events of one task, unless a single call has more."""

MOST_CALLS: Final = AT_ONCE
"""The greatest number of messages of a batch."""

MOST_BYTES: Final = BATCH_BYTES
"""The most bytes of a batch, unless a single message has more."""

CALLS_CHANNELS: Final = (NotingChannel, CallsChannel)
"""The channels of Redis and RabbitMQ whose messages are batched. Both have a ``qos`` with the same methods."""


class BatchMessage(Message):
    """Several messages as one, whose acknowledgement acknowledges each of them.

    ``events`` has for each of ``parts`` how many events it brings.
    """

    channel: Any

    def __init__(self, parts: Sequence[Any], events: Sequence[int]) -> None:
        task_id = str(uuid4())
        words = f"{counted(sum(events), 'event')} of {counted(len(parts), 'message')}"
        origins = dumps([part.headers.get("origin") for part in parts])
        super().__init__(
            # The JSON of each message becomes a part of the whole, without being decoded and encoded again.
            body=f'[[], {{"calls": [{", ".join(map(_json_of, parts))}], "origins": {origins}}}, {{}}]',
            channel=parts[0].channel,
            delivery_tag=parts[0].delivery_tag,
            content_type="application/json",
            content_encoding="utf-8",
            delivery_info=parts[0].delivery_info,
            properties={"correlation_id": task_id},
            headers={
                "lang": "py",
                "task": INGEST_CALLS,
                "id": task_id,
                "root_id": task_id,
                "argsrepr": "()",
                "kwargsrepr": words,
            },
            accept=parts[0].accept,
        )
        self.tags = [part.delivery_tag for part in parts]
        self.calls = [(part.headers["id"], n) for part, n in zip(parts, events, strict=True)]
        """The producers' task ids, and how many events each call brings."""

    def ack(self, multiple: bool = False) -> None:
        """Acknowledge all messages of the batch in one step."""
        del multiple
        self._state = "ACK"
        self.channel.qos.ack_all(self.tags)

    def reject(self, requeue: bool = False) -> None:
        """Reject all messages of the batch in one step; they keep their order."""
        self._state = "REJECTED"
        self.channel.qos.reject_all(self.tags, requeue=requeue)

    def requeue(self) -> None:
        """Hand all messages of the batch back to their queue."""
        self.reject(requeue=True)


@dataclass(slots=True)
class _Batch:
    """Messages that are to become one, and how much they bring."""

    parts: list[Any] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    """How many events each message brings."""
    events: int = 0
    size: int = 0

    @property
    def is_full(self) -> bool:
        """Whether no message may follow, whatever it brings."""
        return len(self.parts) >= MOST_CALLS or self.events >= MOST or self.size >= MOST_BYTES

    def has_room(self, events: int, size: int) -> bool:
        return not self.is_full and self.events + events <= MOST and self.size + size <= MOST_BYTES


class Batcher:
    """A collector of calls, for one connection, until a process is free for them.

    ``soon`` calls a function in the next round of the worker's event loop; ``send`` passes a message on;
    ``drain`` reads what the broker has sent already, while a function returns True; ``processes`` returns how
    many batches may be under way. What comes meanwhile is collected: a process does more in one transaction
    than in many, and RabbitMQ hands out messages that no process is free for.
    """

    def __init__(
        self,
        soon: Callable[[Callable[[], None]], object],
        send: Callable[[Any], None],
        drain: Callable[[Callable[[], bool]], None],
        processes: Callable[[], int],
    ) -> None:
        self._soon = soon
        self._send = send
        self._drain = drain
        self._processes = processes
        self._batches: deque[_Batch] = deque()
        self._under_way: list[Any] = []
        self._is_due = False

    def add(self, message: Any) -> bool:
        """Return whether a valid ``message`` was put into a batch; False leaves everything as it was."""
        if not isinstance(message.channel, CALLS_CHANNELS) or message.headers["task"] != INGEST:
            return False
        events, size = events_in(message.payload), len(message.body)
        if not self._batches or not self._batches[-1].has_room(events, size):
            self._batches.append(_Batch())
        batch = self._batches[-1]
        if batch.parts:
            message.channel.qos.mark_batched(message.delivery_tag)
        batch.parts.append(message)
        batch.numbers.append(events)
        batch.events += events
        batch.size += size
        self.look()
        return True

    def has_some(self) -> bool:
        """Return whether there are calls that no process has yet."""
        return bool(self._batches)

    def look(self) -> None:
        """Look soon whether a process is free for what was collected."""
        if self._batches and not self._is_due:
            self._is_due = True
            self._soon(self._send_what_may_go)

    def _send_what_may_go(self) -> None:
        self._is_due = False
        while self._batches and self._is_a_process_free():
            # The event loop reads one message of RabbitMQ in a round: the others that are here come along.
            self._drain(self._takes_more)
            self._send_next()

    def _takes_more(self) -> bool:
        return len(self._batches) == 1 and not self._batches[0].is_full

    def _is_a_process_free(self) -> bool:
        self._under_way = [message for message in self._under_way if not is_over(message)]
        return len(self._under_way) < self._processes()

    def _send_next(self) -> None:
        batch = self._batches.popleft()
        for message in _put_together(batch.parts, batch.numbers):
            self._under_way.append(message)
            self._send(message)


def is_over(message: Any) -> bool:
    """Return whether ``message`` is done or handed back, even if the broker did not answer to that.

    In that case kombu leaves its state as if it were under way, for ever.
    """
    if message.acknowledged:
        return True
    channel = message.channel
    return isinstance(channel, CALLS_CHANNELS) and not channel.qos.has(message.delivery_tag)


def _put_together(parts: list[Any], events: Sequence[int]) -> list[Any]:
    """Return one message made of ``parts``; where that fails, which would end the worker, ``parts`` themselves."""
    if len(parts) < 2:  # noqa: PLR2004 - nothing to put together
        return parts
    try:
        return [BatchMessage(parts, events)]
    except Exception:
        log.exception("batch.not_made")
        return parts


def events_in(payload: Any) -> int:
    """Return how many events a call of ``events.ingest`` seems to bring; they are decoded only when they are stored."""
    args, kwargs, _ = payload
    given = args[0] if args else kwargs.get("events")
    return len(given) if isinstance(given, list) else 1


def _json_of(message: Any) -> str:
    body, encoding = message.body, str(message.content_encoding).lower()
    if isinstance(body, bytes) and encoding in ("utf-8", "utf8"):
        return body.decode()
    return body if isinstance(body, str) else str(dumps(message.payload))

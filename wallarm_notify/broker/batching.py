"""Batching: one task stores the events of all calls of ``events.ingest`` that came together (engine 24).

Celery and a transaction cost the most where a producer sends each event in a message of its own. A batch is
what lies in the queue when a worker takes from it; no message waits for later ones. Each message of a batch is
acknowledged when the task has stored them all, and handed back if the task fails.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import uuid4

from kombu.message import Message
from kombu.utils.json import dumps

from wallarm_notify.broker.redis_transport import NotingChannel
from wallarm_notify.domain.words import counted
from wallarm_notify.task_names import INGEST, INGEST_CALLS

log = logging.getLogger(__name__)

MOST: Final = 500
"""The greatest number of events of one task, unless a single call has more."""


class BatchMessage(Message):
    """Several messages as one, whose acknowledgement acknowledges each of them."""

    channel: Any

    def __init__(self, parts: Sequence[Any], events: int) -> None:
        task_id = str(uuid4())
        words = f"{counted(events, 'event')} of {counted(len(parts), 'message')}"
        super().__init__(
            # The JSON of each message becomes a part of the whole, without being decoded and encoded again.
            body=f'[[], {{"calls": [{", ".join(map(_json_of, parts))}]}}, {{}}]',
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


class Batcher:
    """A collector of calls, for one connection, until the worker's event loop runs its next round.

    ``soon`` calls a function in that next round; ``send`` passes a message on.
    """

    def __init__(
        self,
        soon: Callable[[Callable[[], None]], object],
        send: Callable[[Any], None],
    ) -> None:
        self._soon = soon
        self._send = send
        self._parts: list[Any] = []
        self._events = 0

    def add(self, message: Any) -> bool:
        """Return whether a valid ``message`` was put into a batch; False leaves everything as it was."""
        if not isinstance(message.channel, NotingChannel) or message.headers["task"] != INGEST:
            return False
        events = events_in(message.payload)
        if self._parts and self._events + events > MOST:
            self._send_on()
        if self._parts:
            message.channel.qos.mark_batched(message.delivery_tag)
        else:
            self._soon(self._send_on)
        self._parts.append(message)
        self._events += events
        return True

    def _send_on(self) -> None:
        parts, events = self._parts, self._events
        self._parts, self._events = [], 0
        for message in _put_together(parts, events):
            self._send(message)


def _put_together(parts: list[Any], events: int) -> list[Any]:
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

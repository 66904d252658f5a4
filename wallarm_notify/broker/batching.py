"""Batching: messages of ``events.ingest`` that came together are worked off by one task (engine 24).

Producers that send one event a message pay for Celery and for a transaction with each. What lies in the
queue when a worker takes from it makes one task: nobody waits for more to come. Each message is
acknowledged when the task has stored them all, and handed back where it has not.
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
"""One task takes in so many events at most, unless a single call has more."""


class BatchMessage(Message):
    """Several messages as one, whose acknowledgement is that of each."""

    channel: Any

    def __init__(self, parts: Sequence[Any], events: int) -> None:
        task_id = str(uuid4())
        words = f"{counted(events, 'event')} of {counted(len(parts), 'message')}"
        super().__init__(
            # What was JSON within each is JSON within the whole, without being read and written anew.
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
        """Acknowledge all of them, in one step."""
        del multiple
        self._state = "ACK"
        self.channel.qos.ack_all(self.tags)

    def reject(self, requeue: bool = False) -> None:
        """Reject all of them, in one step; they keep their order."""
        self._state = "REJECTED"
        self.channel.qos.reject_all(self.tags, requeue=requeue)

    def requeue(self) -> None:
        """Hand all of them back."""
        self.reject(requeue=True)


class Batcher:
    """Collects what comes until the worker's event loop goes round next, for one connection.

    ``soon`` calls a function when the loop goes round next; ``send`` takes a message on.
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
        """Return whether ``message``, which is a sound one, goes into a batch; else nothing has happened."""
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
    """Return one message of several; should that fail, which would end the worker, what there was."""
    if len(parts) < 2:  # noqa: PLR2004 - nothing to put together
        return parts
    try:
        return [BatchMessage(parts, events)]
    except Exception:
        log.exception("batch.not_made")
        return parts


def events_in(payload: Any) -> int:
    """Return how many events a call of ``events.ingest`` seems to bring: they are read where they are stored."""
    args, kwargs, _ = payload
    given = args[0] if args else kwargs.get("events")
    return len(given) if isinstance(given, list) else 1


def _json_of(message: Any) -> str:
    body, encoding = message.body, str(message.content_encoding).lower()
    if isinstance(body, bytes) and encoding in ("utf-8", "utf8"):
        return body.decode()
    return body if isinstance(body, str) else str(dumps(message.payload))

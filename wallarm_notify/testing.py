"""A producer for the tests of Python services: it checks events as the real one does, and sends nothing.

::

    producer = FakeProducer()
    my_service(producer)
    assert [event["rule_id"] for event in producer.of_type("rule.created")] == [7]
"""

import json
from typing import Any, Final

from celery import Celery

from wallarm_notify.events_channel import Published
from wallarm_notify.ingest_queue import QueueType
from wallarm_notify.producer import Producer
from wallarm_notify.redis_options import RedisSetup

_BROKER: Final = "redis://broker.invalid:6379/0"


class FakeProducer(Producer):
    """A ``Producer`` without a broker, which remembers what was emitted.

    It takes the same arguments, makes the same ids, and raises InvalidEvent and Refused as the real one does. While
    ``broker_is_away`` is true it raises NotSent.

    ``messages`` are the messages that the broker would have, each a list of events, complete with id and time.
    """

    # The real one tries again for seconds, and a test should not wait.
    _try_again_until = 0.0

    def __init__(
        self,
        broker: str | Celery = _BROKER,
        *,
        batch_size: int = 100,
        queue_type: QueueType = "classic",
        ca_file: str | None = None,
        redis: RedisSetup | None = None,
    ) -> None:
        super().__init__(
            broker, batch_size=batch_size, queue_type=queue_type, ca_file=ca_file, redis=redis
        )
        self.broker_is_away = False
        self.messages: list[list[dict[str, Any]]] = []

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events that were emitted, in their order."""
        return [event for message in self.messages for event in message]

    def of_type(self, name: str) -> list[dict[str, Any]]:
        """Return the events of the type ``name`` that were emitted."""
        return [event for event in self.events if event["type"] == name]

    def clear(self) -> None:
        """Forget what was emitted."""
        self.messages.clear()

    def _try(self, window: list[Published], *, confirm: bool) -> str | None:
        del confirm
        if self.broker_is_away:
            return "this is a test, in which the broker is away"
        for message in window:
            if not message.is_confirmed:
                # As it travels: what the caller changes afterwards changes nothing.
                self.messages.append([json.loads(event.text) for event in message.content])
                message.is_confirmed = True
        return None

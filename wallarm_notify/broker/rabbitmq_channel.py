"""A channel of RabbitMQ that takes calls of events many at a time, beside the worker's own channel.

The prefetch of RabbitMQ belongs to a channel. The worker's own one grows with each countdown that waits in the
worker; calls need a fixed one, for many messages, and quorum queues support no other.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from amqp import serialization
from amqp.spec import Basic
from kombu.transport import pyamqp

REMEMBERED: Final = 10_000
"""How many ids of calls that this worker handed back itself are remembered."""


_decode_properties: Final[Callable[[bytes, int], tuple[dict[str, Any], int]]] = (
    serialization.decode_properties_basic
)


def properties_in(header: bytes, offset: int) -> tuple[dict[str, Any], int]:
    """Return the properties of a message, and where they end; none of them where they cannot be read.

    A text that is not UTF-8 or a time far ahead would end the worker, and the next one, to which the message comes
    first. Without properties it is an undecodable message.
    """
    try:
        return _decode_properties(header, offset)
    except MemoryError:
        raise  # no fault of the message
    except Exception:  # noqa: BLE001 - any sender may write anything
        return {}, len(header)


_decoders: Any = serialization.PROPERTY_CLASSES
_decoders[Basic.CLASS_ID] = properties_in


class UnsettledTags:
    """The delivery tags of a channel's messages that are neither acknowledged nor handed back."""

    def __init__(self) -> None:
        self._tags: dict[int, None] = {}  # in their order, which is the order of the numbers

    def __contains__(self, tag: int) -> bool:
        return tag in self._tags

    def add(self, tag: int) -> None:
        """Note that the message of ``tag`` came."""
        self._tags[tag] = None

    def settle(self, tags: Sequence[int]) -> Iterator[tuple[int, bool]]:
        """Forget ``tags``; yield what is to be acknowledged: a tag, and whether all before it are meant too.

        All before it are meant only where none of them is unsettled: an older batch may still be under way, and
        its events would be lost with its worker.
        """
        settled = sorted({tag for tag in tags if tag in self._tags})
        for tag in settled:
            del self._tags[tag]
        oldest = next(iter(self._tags), None)
        together = [tag for tag in settled if oldest is None or tag < oldest]
        if together:
            yield together[-1], len(together) > 1
        for tag in settled[len(together) :]:
            yield tag, False


class CallsQoS:
    """The calls that this worker has; ``NotedQoS`` is the same for Redis.

    ``settled`` is called when some were acknowledged or handed back.
    """

    def __init__(self, channel: "CallsChannel") -> None:
        self._channel = channel
        self._unsettled = UnsettledTags()
        self._ids: dict[int, str] = {}
        self._returned: set[int] = set()
        self._died: set[int] = set()
        self._handed_back: dict[str, None] = {}
        self.settled: Callable[[], object] = _nobody_waits

    def came(self, message: Any) -> None:
        """Note that ``message`` came; it has come back unless this worker itself handed it back."""
        tag = message.delivery_tag
        self._unsettled.add(tag)
        self._ids[tag] = name = str(message.headers.get("id"))
        was_ours = name in self._handed_back
        self._handed_back.pop(name, None)
        if message.delivery_info.get("redelivered") and not was_ours:
            self._returned.add(tag)

    def has(self, tag: int) -> bool:
        """Return whether this worker has the message, and has neither done it nor handed it back."""
        return self._channel.is_open and tag in self._unsettled

    def has_returned(self, tag: int) -> bool:
        """Return whether a message came back from a worker that died."""
        return tag in self._returned

    def mark_returned(self, tags: Sequence[int]) -> None:
        """Note that the process that had these messages died: they come back, whoever hands them back."""
        self._died.update(tags)

    def mark_batched(self, tag: int) -> None:
        """Do nothing: the prefetch of RabbitMQ counts each message, also those of a batch."""

    def ack_all(self, tags: Sequence[int]) -> None:
        """Acknowledge messages, together where nothing older is unsettled."""
        frames = list(self._unsettled.settle(tags))
        self._forget(tags)
        for tag, multiple in frames:
            self._channel.send_ack(tag, multiple=multiple)
        self.settled()

    def reject_all(self, tags: Sequence[int], *, requeue: bool) -> None:
        """Hand messages back to their queues, or drop them."""
        ours = [tag for tag in tags if tag in self._ids and tag not in self._died]
        if requeue:
            self._remember([self._ids[tag] for tag in ours])
        for _ in self._unsettled.settle(tags):
            pass  # each by itself, below
        self._forget(tags)
        for tag in tags:
            self._channel.send_reject(tag, requeue=requeue)
        self.settled()

    def _remember(self, ids: Sequence[str]) -> None:
        self._handed_back.update(dict.fromkeys(ids))
        while len(self._handed_back) > REMEMBERED:
            del self._handed_back[next(iter(self._handed_back))]

    def _forget(self, tags: Sequence[int]) -> None:
        for tag in tags:
            self._ids.pop(tag, None)
            self._returned.discard(tag)
            self._died.discard(tag)


def _nobody_waits() -> None:
    """Do nothing when messages were settled."""


class CallsChannel(pyamqp.Channel):
    """A channel of an open ``amqp`` connection that hands out up to ``prefetch`` calls."""

    def __init__(self, connection: Any, prefetch: int) -> None:
        super().__init__(connection)
        self.qos = CallsQoS(self)
        self.open()
        self.basic_qos(0, prefetch, False)

    def message_to_python(self, raw_message: Any) -> Any:
        """Return kombu's message, and note that it came."""
        message = super().message_to_python(raw_message)
        self.qos.came(message)
        return message

    def basic_ack(self, delivery_tag: int, multiple: bool = False, argsig: str = "Lb") -> None:
        """Acknowledge one message."""
        del multiple, argsig
        self.qos.ack_all([delivery_tag])

    def basic_reject(self, delivery_tag: int, requeue: bool, argsig: str = "Lb") -> None:
        """Hand one message back, or drop it."""
        del argsig
        self.qos.reject_all([delivery_tag], requeue=requeue)

    def send_ack(self, tag: int, *, multiple: bool) -> None:
        """Send the frame that acknowledges ``tag``; with ``multiple`` all before it too."""
        super().basic_ack(tag, multiple)

    def send_reject(self, tag: int, *, requeue: bool) -> None:
        """Send the frame that hands ``tag`` back, or drops it."""
        super().basic_reject(tag, requeue)

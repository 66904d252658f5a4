"""What Redis keeps of a message while a worker has it, also where Redis is short of memory."""

import logging
from typing import Any

from kombu.transport import redis as transport
from kombu.transport import virtual
from redis.exceptions import OutOfMemoryError

log = logging.getLogger(__name__)


class PatientQoS(transport.QoS):
    """kombu's own, for a Redis that is out of memory.

    It has handed a message out by then, and refuses to note down who has it: kombu would drop the
    message and end the worker. Here the message is worked on all the same, and noted down as soon as
    there is memory. Only if this very worker dies before that is it gone.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unnoted: dict[str, Any] = {}

    def append(self, message: Any, delivery_tag: str) -> None:
        """Notes down that this worker has ``message``, here at least."""
        try:
            super().append(message, delivery_tag)
        except OutOfMemoryError:
            log.error("broker.out_of_memory", extra={"tag": delivery_tag})  # noqa: TRY400 - it says all
            virtual.QoS.append(self, message, delivery_tag)
            self._unnoted[delivery_tag] = message

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Hands out again what dead workers had, and notes down what is unnoted: every 2 s."""
        try:
            self._note()
            super().restore_visible(*args, **kwargs)
        except OutOfMemoryError:
            log.warning("broker.still_out_of_memory")

    def _note(self) -> None:
        for delivery_tag, message in list(self._unnoted.items()):
            is_held = delivery_tag in (self._delivered or ()) and delivery_tag not in (
                self._dirty or ()
            )
            if is_held:
                super().append(message, delivery_tag)
            del self._unnoted[delivery_tag]


def be_patient() -> None:
    """Lets every channel of this process keep its messages so."""
    transport.Channel.QoS = PatientQoS

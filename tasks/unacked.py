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
    message and end the worker. Here the message is worked on all the same. Only if this very
    worker dies meanwhile is it gone, which nobody who has no memory can prevent.
    """

    def append(self, message: Any, delivery_tag: str) -> None:
        """Notes down that this worker has ``message``, here at least."""
        try:
            super().append(message, delivery_tag)
        except OutOfMemoryError:
            log.error("broker.out_of_memory", extra={"tag": delivery_tag})  # noqa: TRY400 - it says all
            virtual.QoS.append(self, message, delivery_tag)

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Hands out again what dead workers had; later, where there is no memory for it."""
        try:
            super().restore_visible(*args, **kwargs)
        except OutOfMemoryError:
            log.warning("broker.cannot_restore")


def be_patient() -> None:
    """Lets every channel of this process keep its messages so."""
    transport.Channel.QoS = PatientQoS

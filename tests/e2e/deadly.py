"""A worker that dies of some events, as of memory: ``celery -A tasks worker -I e2e.deadly``.

The title says of what: «deadly to read» ends it before the call is read, «deadly to store» while it is stored,
«deadly to its process» ends just the process that stores it, for «too large» there is no memory to read it, «endless»
never ends.
"""

import logging
import os
import signal
import time
from typing import Any

from tasks import routing
from wallarm_notify.broker import consumer

log = logging.getLogger(__name__)
_fault_of = consumer.fault_of  # type: ignore[attr-defined]  # see below
_ingest = routing.ingest_events  # type: ignore[attr-defined]  # see below


def _read(message: Any, *args: Any) -> str | None:
    if "deadly to read" in str(message.body):
        os.killpg(0, signal.SIGKILL)
    if "too large" in str(message.body):
        raise MemoryError
    return _fault_of(message, *args)


def _store(ctx: Any, events: Any, *args: Any, **named: Any) -> Any:
    titles = {event.body.get("title") for event in events}
    if "deadly to store" in titles:
        os.killpg(0, signal.SIGKILL)
    if "deadly to its process" in titles:
        os.kill(os.getpid(), signal.SIGKILL)
    if "endless" in titles:
        log.warning("endless has begun")
    while "endless" in titles:
        time.sleep(0.1)
    return _ingest(ctx, events, *args, **named)


consumer.fault_of = _read  # type: ignore[assignment,attr-defined]  # it is what the consumer calls
routing.ingest_events = _store  # type: ignore[attr-defined]  # it is what the task calls

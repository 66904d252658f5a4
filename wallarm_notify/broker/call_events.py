"""Events of the calls of a batch: monitors find each by its producer's own task id (engine 24).

One event a call, when its events are stored, and one message for all of them. They are for people who look:
what cannot be sent is dropped.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from celery.utils.time import utcoffset
from kombu.utils.json import dumps

from wallarm_notify.broker.watched_request import are_watched
from wallarm_notify.domain.words import counted
from wallarm_notify.task_names import INGEST


def report_calls(eventer: Any, request: Any, calls: Sequence[tuple[str, int]]) -> None:
    """Send the event of each of ``calls``, task ids and numbers of events, that ``request`` took in.

    Nothing is sent where nobody watches tasks.
    """
    if not are_watched(eventer):
        return
    body = f"[{', '.join(_events(eventer, request, calls))}]"
    # As Celery's own events: while the broker is away the worker connects again, and nothing waits for these.
    with suppress(Exception):
        eventer.producer.publish(
            body,
            exchange=eventer.exchange.name,
            routing_key="task.multi",
            declare=[eventer.exchange],
            content_type="application/json",
            content_encoding="utf-8",
            headers=eventer.headers,
            delivery_mode=eventer.delivery_mode,
            retry=False,
        )


def _events(eventer: Any, request: Any, calls: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Yield the events as JSON; what they have in common is encoded once."""
    now = time.time()
    together = counted(len(calls), "call")
    common = dumps(
        {
            "type": "task-succeeded",
            "hostname": eventer.hostname,
            "pid": os.getpid(),
            "utcoffset": utcoffset(),
            "clock": eventer.clock.forward(),
            "timestamp": now,
            "received": now if request.time_start is None else request.time_start,
            "started": request.time_start,
            "name": INGEST,
            "args": "()",
            "parent_id": request.id,
            "result": f"taken in, with {together} in one task: {request.id}",
        }
    )
    for task_id, number in calls:
        yield f'{common[:-1]}, "uuid": {dumps(task_id)}, "kwargs": "{counted(number, "event")}"}}'

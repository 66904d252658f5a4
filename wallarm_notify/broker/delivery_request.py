"""Celery's request of a delivery task, whose end is told by the process that delivers, when it is known.

A task ends when its claim is handed over, and Celery would show a success whatever PagerDuty answers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from celery.worker.request import Request

from wallarm_notify.domain.delivery_report import DeliveryTask

if TYPE_CHECKING:
    from celery.app.task import Context

_IS_WATCHED: Final = "wallarm_notify_is_watched"
"""The field of a request by which the worker tells its process that somebody may watch tasks."""


def are_watched(eventer: Any) -> bool:
    """Return whether a worker sends events of tasks: with ``-E``, or because a monitor asked for them."""
    return bool(eventer and eventer.enabled and (not eventer.groups or "task" in eventer.groups))


class DeliveryRequest(Request):
    """A request of ``notifications.deliver``, which leaves the event of its success to ``TaskEvents``."""

    def __init__(self, message: Any, **given: Any) -> None:
        super().__init__(message, **given)
        # Asked once: a monitor may ask for events while the task waits for its time.
        self._is_watched = are_watched(given.get("eventer"))
        # What a sender says of it is not read.
        self.request_dict[_IS_WATCHED] = self._is_watched

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002 - Celery's name
        """Send an event, unless it is one that the process sends."""
        if type != "task-succeeded" or not self._is_watched:
            super().send_event(type, **fields)


def watched_task(request: Context) -> DeliveryTask | None:
    """Return the task of ``request`` in the process that runs it; None: nobody watches."""
    if not request.get(_IS_WATCHED):
        return None
    return DeliveryTask(str(request.id), str(request.hostname), time.monotonic())

"""Celery's request of a delivery task, whose end is told by the process that delivers, when it is known.

A task ends when its claim is handed over, and Celery would show a success whatever PagerDuty answers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from wallarm_notify.broker.watched_request import WatchedRequest, is_watched
from wallarm_notify.domain.delivery_report import DeliveryTask

if TYPE_CHECKING:
    from celery.app.task import Context


class DeliveryRequest(WatchedRequest):
    """A request of ``notifications.deliver``, which leaves the event of its success to ``TaskEvents``."""

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002 - Celery's name
        """Send an event, unless it is one that the process sends."""
        if type != "task-succeeded" or not self._is_watched:
            super().send_event(type, **fields)


def watched_task(request: Context) -> DeliveryTask | None:
    """Return the task of ``request`` in the process that runs it; None: nobody watches."""
    if not is_watched(request):
        return None
    return DeliveryTask(str(request.id), str(request.hostname), time.monotonic())

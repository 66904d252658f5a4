"""Events of tasks, by which monitors such as Flower show what came of deliveries and of calls.

They are for people who look: an event that cannot be sent is dropped, and nothing waits for one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from wallarm_notify.broker.publisher import new_after_error
from wallarm_notify.domain.delivery_report import TaskState

if TYPE_CHECKING:
    from celery import Celery

    from wallarm_notify.domain.delivery_report import Report

log = logging.getLogger(__name__)

GATHERED_FOR: Final = 1.0
"""Seconds for which reports are gathered into one message.

It lets a worker's own events of a task's beginning pass: monitors take events as they come.
"""

_NO_SOONER: Final = GATHERED_FOR / 2

_MOST: Final = 5_000
"""The most reports that wait; further ones are dropped."""

_LOG_EVERY: Final = 60.0


class TaskEvents:
    """The sender of a process's reports, see ``services.ports.Reporter``; it has a thread from the first report on."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._changed = threading.Condition()
        self._waiting: deque[tuple[float, Report]] = deque()
        self._is_sending = False
        self._is_ending = False
        self._thread: threading.Thread | None = None
        self._dropped = 0
        self._log_again_at = 0.0

    def report(self, report: Report) -> None:
        """Take over a report and return at once."""
        with self._changed:
            if len(self._waiting) >= _MOST:
                self._dropped += 1
                return
            self._waiting.append((time.monotonic(), report))
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="task events", daemon=True)
                thread.start()
                self._thread = thread
            if len(self._waiting) == 1:
                self._changed.notify_all()

    def drain(self, seconds: float) -> None:
        """Send what waits, within ``seconds``: the process ends."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting and not self._is_sending, seconds)

    def _run(self) -> None:
        while True:
            reports = self._next()
            try:
                self._send(reports)
            except Exception as error:  # noqa: BLE001 - whatever it is, deliveries go on
                self._dropped += len(reports)
                self._log(error)
            with self._changed:
                self._is_sending = False
                self._changed.notify_all()

    def _next(self) -> list[Report]:
        """Wait until the oldest report is old enough, and take all that may be sent."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            left = self._waiting[0][0] + GATHERED_FOR - time.monotonic()
            if left > 0:
                self._changed.wait_for(lambda: self._is_ending, left)
            until = time.monotonic() - (0 if self._is_ending else _NO_SOONER)
            reports = []
            while self._waiting and self._waiting[0][0] <= until:
                reports.append(self._waiting.popleft()[1])
            self._is_sending = True
            return reports

    def _send(self, reports: list[Report]) -> None:
        """Send all as one message."""
        with self._celery.producer_or_acquire() as producer, new_after_error(producer):
            events = self._celery.events.Dispatcher(
                producer.connection,
                hostname=reports[0].task.node,
                channel=producer.channel,
                buffer_while_offline=False,
                buffer_group={"task"},
                buffer_limit=len(reports) + 1,
            )
            for report in reports:
                events.send(f"task-{report.state.value}", uuid=report.task.id, **_fields(report))
            events.flush(errors=False)

    def _log(self, error: Exception) -> None:
        if time.monotonic() < self._log_again_at:
            return
        self._log_again_at = time.monotonic() + _LOG_EVERY
        extra = {"dropped": self._dropped, "error": type(error).__name__}
        log.warning("task_events.not_sent", extra=extra)
        self._dropped = 0


def _fields(report: Report) -> dict[str, Any]:
    """Return the fields of an event; lists show the result, pages of a task the exception too."""
    fields = {"result": report.words, "runtime": time.monotonic() - report.task.began}
    return (
        fields
        if report.state is TaskState.SUCCEEDED
        else fields | {"exception": report.words, "traceback": None}
    )

"""Celery's request of a call of ``events.ingest``: no call is lost, however its task ends (engine 4)."""

import logging
from typing import Any

from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]  # its types lack it
from celery.exceptions import Reject, SoftTimeLimitExceeded, TimeLimitExceeded
from celery.worker import state

from wallarm_notify.broker.batching import BatchMessage
from wallarm_notify.broker.call_events import report_calls
from wallarm_notify.broker.quarantine import mark_returned
from wallarm_notify.broker.watched_request import WatchedRequest

log = logging.getLogger(__name__)


class IngestRequest(WatchedRequest):
    """A request of one call or a batch, which is handed back unless its task returns.

    Celery would acknowledge, and so lose, a call whose task is revoked or exceeds a time limit.
    """

    _eventer: Any
    """Celery's attribute that its published types lack: what sends this worker's events."""

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002 - Celery's name
        """Send an event; where a batch was taken in, say so of each call in it first."""
        if type == "task-succeeded" and isinstance(self.message, BatchMessage):
            report_calls(self._eventer, self, self.message.calls)
        super().send_event(type, **fields)

    def revoked(self) -> bool:
        """Return False: calls cannot be revoked."""
        return False

    def terminate(self, *args: Any, **kwargs: Any) -> None:
        """Leave the process that stores events alone."""

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> None:
        """Hand the call back; after the death of a process, or an unexplained error, it is quarantined."""
        error = exc_info.exception
        error = error.exc if isinstance(error, ExceptionWithTraceback) else error
        if isinstance(error, Reject):
            super().on_failure(exc_info, *args, **kwargs)
            return
        state.task_ready(self)
        is_limit = isinstance(error, TimeLimitExceeded | SoftTimeLimitExceeded)
        died = not is_limit and not state.should_terminate
        if died:
            mark_returned(self.message)
        log.error("ingest.ended", extra={"error": repr(error), "task_id": self.id})
        self._reject(died=died)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Hand the call back at a hard time limit, where Celery leaves it unacknowledged."""
        super().on_timeout(soft, timeout)
        if not soft:
            self._reject()

    def acknowledge(self) -> None:
        """Acknowledge the call: its events are stored."""
        self._report_end(handed_back=False)
        super().acknowledge()

    def reject(self, requeue: bool = False) -> None:
        """Hand the call back, whatever ``requeue`` is."""
        del requeue
        self._reject()

    def _reject(self, *, died: bool = False) -> None:
        self._report_end(handed_back=True, died=died)
        super().reject(requeue=True)

    def _report_end(self, **how: bool) -> None:
        # First, and then the message is settled: with -P threads the quarantine may look in between.
        ended = vars(self.message).pop("ended", None)
        if ended is not None:
            ended(**how)

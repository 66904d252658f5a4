"""Celery's request of a call of ``events.ingest``: none is lost, whatever ends its task (engine 4)."""

import logging
from typing import Any

from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]  # its types lack it
from celery.exceptions import Reject, SoftTimeLimitExceeded, TimeLimitExceeded
from celery.worker import state
from celery.worker.request import Request

from wallarm_notify.broker.quarantine import mark_returned

log = logging.getLogger(__name__)


class IngestRequest(Request):
    """A call, or several: whatever ends it but its return hands it back.

    Celery would acknowledge it, and so lose it, where a time limit or whoever revokes it ends it.
    """

    def revoked(self) -> bool:
        """Return False: nobody revokes an event."""
        return False

    def terminate(self, *args: Any, **kwargs: Any) -> None:
        """Leave the process that stores events alone."""

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> None:
        """Hand it back. What a process died of, or cannot be explained, is begun alone from now on."""
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
        """Hand it back at a hard limit; Celery's own does not acknowledge, as the task asks for that."""
        super().on_timeout(soft, timeout)
        if not soft:
            self._reject()

    def acknowledge(self) -> None:
        """Acknowledge it: it is stored."""
        self._tell_end(handed_back=False)
        super().acknowledge()

    def reject(self, requeue: bool = False) -> None:
        """Hand it back, whatever is asked for."""
        del requeue
        self._reject()

    def _reject(self, *, died: bool = False) -> None:
        self._tell_end(handed_back=True, died=died)
        super().reject(requeue=True)

    def _tell_end(self, **how: bool) -> None:
        # Before the message is over: in a thread (-P threads) the quarantine may look in between.
        ended = vars(self.message).pop("ended", None)
        if ended is not None:
            ended(**how)

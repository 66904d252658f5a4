"""``events.ingest``: producers' events come in. It never ends by an exception (engine 4)."""

import logging
import random
import time
from collections.abc import Sequence
from typing import Any, Final

from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]  # its types lack it
from celery.exceptions import Reject, SoftTimeLimitExceeded, TimeLimitExceeded
from celery.worker import state
from celery.worker.request import Request

from tasks.process import wiring
from wallarm_notify import task_names
from wallarm_notify.broker.app import app
from wallarm_notify.broker.quarantine import mark_returned
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.schemas.call_text import read_calls_or_texts
from wallarm_notify.schemas.read import read_call
from wallarm_notify.services.ingest import ingest as ingest_events
from wallarm_notify.services.routing import Routed

log = logging.getLogger(__name__)

PATIENCE: Final = 20.0
"""Seconds it waits for the database before it hands the message back."""


class IngestRequest(Request):
    """A call, or several: whatever ends it but its return hands it back (engine 4).

    Celery would acknowledge it, and so lose it, where a time limit or whoever revokes it ends it.
    """

    def revoked(self) -> bool:
        """Nobody revokes an event."""
        return False

    def terminate(self, *args: Any, **kwargs: Any) -> None:
        """Nor ends a process that stores some."""

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> None:
        """Hands it back. What a process died of, or cannot be explained, is begun alone from now on."""
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
        """Celery's own says so; it does not acknowledge, as the task asks for that."""
        super().on_timeout(soft, timeout)
        if not soft:
            self._reject()

    def acknowledge(self) -> None:
        """It is stored."""
        self._say_it_ended(handed_back=False)
        super().acknowledge()

    def reject(self, requeue: bool = False) -> None:
        """Handed back."""
        del requeue
        self._reject()

    def _reject(self, *, died: bool = False) -> None:
        self._say_it_ended(handed_back=True, died=died)
        super().reject(requeue=True)

    def _say_it_ended(self, **how: bool) -> None:
        # Before the message is over: in a thread (-P threads) the quarantine may look in between.
        ended = vars(self.message).pop("ended", None)
        if ended is not None:
            ended(**how)


@app.task(
    name=task_names.INGEST, typing=False, Request=IngestRequest, acks_on_failure_or_timeout=False
)
def ingest(*args: Any, **kwargs: Any) -> str:
    """Stores and routes a list of events; what cannot be taken in is kept as rejected."""
    return _take_in(*read_call(args, kwargs))


@app.task(name=task_names.INGEST_CALLS, Request=IngestRequest, acks_on_failure_or_timeout=False)
def ingest_calls(calls: list[Any]) -> str:
    """Does so with several calls of ``events.ingest`` at once: see ``broker.batching``.

    Or with one that cannot be read as a whole: see ``schemas.call_text``.
    """
    return _take_in(*read_calls_or_texts(calls))


def _take_in(events: Sequence[Event], rejections: Sequence[Rejection]) -> str:
    began, wait = time.monotonic(), 0.2
    while True:
        try:
            results = _take_in_once(events, rejections)
        except Exception as error:  # what ends by one is acknowledged, and lost
            if not isinstance(error, Unavailable):
                log.exception("ingest.fault")
            if time.monotonic() - began + wait > PATIENCE:
                log.warning("ingest.handed_back", extra={"error": str(error)})
                raise Reject(str(error), requeue=True) from None
            log.warning("ingest.waits_for_database", extra={"error": str(error)})
            time.sleep(wait)
            wait = min(wait * 2, 5) * random.uniform(0.8, 1.2)  # noqa: S311 - so that workers part
        else:
            return "; ".join(result.words for result in results)


def _take_in_once(events: Sequence[Event], rejections: Sequence[Rejection]) -> list[Routed]:
    parts = wiring()
    return ingest_events(
        parts.context,
        events,
        rejections,
        dispatcher=parts.inline_dispatcher,
        tally=parts.ahead_tally,
    )

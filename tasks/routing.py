"""``events.ingest``: producers' events come in. It never ends by an exception (engine 4)."""

import logging
import random
import time
from collections.abc import Sequence
from typing import Any, Final

from billiard.exceptions import WorkerLostError
from celery.exceptions import Reject
from celery.worker.request import Request

from tasks.process import wiring
from wallarm_notify import task_names
from wallarm_notify.adapters.call_text import read_calls_or_texts
from wallarm_notify.adapters.convoy import Convoy
from wallarm_notify.adapters.queue import app
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.schemas import read_call

log = logging.getLogger(__name__)

PATIENCE: Final = 20.0
"""Seconds it waits for the database before it hands the message back."""


@app.task(name=task_names.INGEST, typing=False)
def ingest(*args: Any, **kwargs: Any) -> str:
    """Stores and routes a list of events; what cannot be taken in is kept as rejected."""
    return _take_in(*read_call(args, kwargs))


class CallsRequest(Request):
    """Of calls that travelled together and lost their process: they travel alone from now on."""

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Celery's own, which hands them back."""
        if isinstance(exc_info.exception, WorkerLostError) and isinstance(self.message, Convoy):
            self.message.disband()
        return super().on_failure(exc_info, *args, **kwargs)


@app.task(name=task_names.INGEST_CALLS, Request=CallsRequest)
def ingest_calls(calls: list[Any]) -> str:
    """Does so with several calls of ``events.ingest`` at once: see ``adapters.convoy``.

    Or with one that cannot be read as a whole: see ``adapters.call_text``.
    """
    return _take_in(*read_calls_or_texts(calls))


def _take_in(events: Sequence[Event], rejections: Sequence[Rejection]) -> str:
    began, wait = time.monotonic(), 0.2
    while True:
        try:
            results = wiring().router.ingest(events, rejections)
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

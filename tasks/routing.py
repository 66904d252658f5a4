"""``events.ingest``: producers' events come in. It never ends by an exception (engine 4)."""

import logging
import random
import time
from typing import Any, Final

from celery.exceptions import Reject

from tasks.process import wiring
from wallarm_notify import task_names
from wallarm_notify.adapters.queue import app
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.schemas import read_call

log = logging.getLogger(__name__)

PATIENCE: Final = 20.0
"""Seconds it waits for the database before it hands the message back."""


@app.task(name=task_names.INGEST, typing=False)
def ingest(*args: Any, **kwargs: Any) -> str:
    """Stores and routes a list of events; what cannot be taken in is kept as rejected."""
    events, rejections = read_call(args, kwargs)
    began, wait = time.monotonic(), 0.2
    while True:
        try:
            results = wiring().router.ingest(events, rejections)
        except Unavailable as error:
            if time.monotonic() - began + wait > PATIENCE:
                log.warning("ingest.handed_back", extra={"error": str(error)})
                raise Reject(str(error), requeue=True) from None
            log.warning("ingest.waits_for_database", extra={"error": str(error)})
            time.sleep(wait)
            wait = min(wait * 2, 5) * random.uniform(0.8, 1.2)  # noqa: S311 - so that workers part
        else:
            return "; ".join(result.words for result in results)

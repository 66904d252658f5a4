"""Retry in place: a task that cannot store its events tries again, before it hands its message back (engine 4)."""

import logging
import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from celery.exceptions import Reject

from wallarm_notify.domain.clock import Clock
from wallarm_notify.domain.errors import Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE: Final = 20.0
"""Work is tried again for so many seconds before the message is handed back."""

FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 5.0
"""Seconds from one try to the next: the first wait; each is twice the one before it, up to the longest."""

_APART: Final = (0.8, 1.2)
"""Each wait is multiplied by something between these, so that workers part."""


def retry_in_place(
    work: Callable[[], T],
    clock: Clock = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """Return what ``work`` returns, which is tried again while it raises, with backoff.

    Raises nothing but Reject, which hands the message back: a task that ends by any other exception would have it
    acknowledged, and lost.
    """
    began, wait = clock(), FIRST_WAIT
    while True:
        try:
            return work()
        except Exception as error:  # whatever it is: see above
            if not isinstance(error, Unavailable):
                log.exception("ingest.fault")
            if clock() - began + wait > PATIENCE:
                log.warning("ingest.handed_back", extra={"error": str(error)})
                raise Reject(str(error), requeue=True) from None
            log.warning("ingest.waits_for_database", extra={"error": str(error)})
            sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT) * random.uniform(*_APART)  # noqa: S311 - no secret

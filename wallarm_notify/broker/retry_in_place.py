"""Retry in place: a task that cannot store its events tries again before it hands them back (engine 4)."""

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
"""Seconds for which work is tried again before the message is handed back."""

FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 5.0
"""The first and the longest wait between two tries, in seconds; each wait is twice the one before it."""

_APART: Final = (0.8, 1.2)
"""Each wait is multiplied by a random factor between these, so that workers do not try at once."""


def retry_in_place(
    work: Callable[[], T],
    clock: Clock = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """Return the result of ``work``, which is tried again with backoff while it raises.

    Raise nothing but Reject, which hands the message back: after any other exception Celery would acknowledge
    the message, and lose it.
    """
    began, wait = clock(), FIRST_WAIT
    while True:
        try:
            return work()
        except Exception as error:  # of any type: see the docstring
            if not isinstance(error, Unavailable):
                log.exception("ingest.fault")
            if clock() - began + wait > PATIENCE:
                log.warning("ingest.handed_back", extra={"error": str(error)})
                raise Reject(str(error), requeue=True) from None
            log.warning("ingest.waits_for_database", extra={"error": str(error)})
            sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT) * random.uniform(*_APART)  # noqa: S311 - no secret

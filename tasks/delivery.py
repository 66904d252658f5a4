"""``notifications.deliver``: what is due of a message's notifications is sent."""

import logging
import time

from tasks.process import wiring
from wallarm_notify import task_names
from wallarm_notify.adapters.queue import app
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.notification import START_WITHIN

log = logging.getLogger(__name__)


@app.task(name=task_names.DELIVER)
def deliver(ids: list[int]) -> str:
    """Claims, sends, and waits for the answers 2 s at most; what hangs is recorded when it ends."""
    began = time.monotonic()
    try:
        claim = wiring().delivery.claim(ids)
    except Unavailable as error:
        # The message is only a doorbell: SWEEP rings again for what stays due.
        log.warning("delivery.not_claimed", extra={"error": str(error)})
        return f"not now: {error}"
    tour = wiring().courier.carry(claim, began)
    came = tour.wait(START_WITHIN.total_seconds())
    return f"{claim.words}: {came}" if came else claim.words

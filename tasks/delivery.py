"""``notifications.deliver``: a message's notifications that are due are claimed and sent."""

import logging

from tasks.process import wiring
from wallarm_notify import task_names
from wallarm_notify.broker.app import app
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.notification import START_WITHIN
from wallarm_notify.services.claim import claim

log = logging.getLogger(__name__)


@app.task(name=task_names.DELIVER)
def deliver(ids: list[int], links: list[int] | None = None) -> str:
    """Claim due notifications and hand them to the dispatcher, which sends and records them; return what was claimed.

    Back-pressure: while too much is under way it waits for room, 2 s at most. ``links`` has for each id the
    link that this message is: see ``domain.batches.Message``.
    """
    dispatcher = wiring().dispatcher
    dispatcher.wait_for_room(START_WITHIN.total_seconds())
    try:
        claimed = claim(wiring().context, ids, links)
    except Unavailable as error:
        # The database is the truth: SWEEP enqueues again what stays due.
        log.warning("delivery.not_claimed", extra={"error": str(error)})
        return f"not now: {error}"
    dispatcher.dispatch(claimed)
    return claimed.words

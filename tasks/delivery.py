"""``notifications.deliver``: a message's notifications that are due are claimed and sent."""

import logging
from dataclasses import replace

from celery import Task

from tasks.process import wiring
from wallarm_notify import task_names
from wallarm_notify.broker.app import app
from wallarm_notify.broker.delivery_request import DeliveryRequest, watched_task
from wallarm_notify.broker.watched_request import watched_id
from wallarm_notify.domain.delivery_report import Report, TaskState
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.notification import START_WITHIN
from wallarm_notify.services.claim import claim

log = logging.getLogger(__name__)


@app.task(name=task_names.DELIVER, bind=True, Request=DeliveryRequest)
def deliver(self: Task, ids: list[int], links: list[int] | None = None) -> str:  # type: ignore[type-arg]  # generic in the types alone
    """Claim due notifications and hand them to the dispatcher, which sends and records them; return what was claimed.

    Back-pressure: while too much is under way it waits for room, 2 s at most. ``links`` has for each id the
    link that this message is: see ``domain.batches.Message``. What came of it is told by the recorder: see
    ``broker.delivery_request``.
    """
    dispatcher, task = wiring().dispatcher, watched_task(self.request)
    dispatcher.wait_for_room(START_WITHIN.total_seconds())
    try:
        claimed = claim(wiring().context, ids, links)
    except Unavailable as error:
        # The database is the truth: SWEEP enqueues again what stays due.
        log.warning("delivery.not_claimed", extra={"error": str(error)})
        words = f"not now: {error}"
        if task is not None:
            wiring().task_events.report(Report(task, TaskState.RETRIED, words))
        return words
    dispatcher.dispatch(replace(claimed, task=task, task_id=watched_id(self.request)))
    return claimed.words

"""The names of tasks and queues, which producers and workers share."""

from typing import Final

INGEST: Final = "events.ingest"
"""Takes ``events``: a list of event objects (spec 2, the producers' contract)."""

INGEST_CALLS: Final = "events.ingest_calls"
"""Takes ``calls``: bodies of messages of ``events.ingest`` that a worker took together."""

DELIVER: Final = "notifications.deliver"
"""Takes ``ids``: up to 100 notification ids. The claim makes every decision on them."""

SWEEP: Final = "upkeep.sweep"
"""Beat: enqueues again what is overdue and no worker has."""

REVIEW: Final = "upkeep.review"
"""Beat: disables integrations whose attempts failed too often, and warns before that."""

PRUNE: Final = "upkeep.prune"
"""Beat: deletes what ended longer ago than the retention."""

DRILL: Final = "upkeep.drill"
"""Beat, where DRILL_HOURS is set: proves the keys and ways of integrations, and pages nobody."""

REPLAY: Final = "upkeep.replay"
"""Works on replay jobs and computations; sent where there are any."""

EVENTS_QUEUE: Final = "events"
DEFAULT_QUEUE: Final = "celery"
"""Celery's own default, consumed too, so that a producer with no routing works (spec 2)."""
NOTIFICATIONS_QUEUE: Final = "notifications"
RETRIES_QUEUE: Final = "retries"
"""The queue of retries, separate from first attempts so that retries cannot delay them."""
UPKEEP_QUEUE: Final = "upkeep"

INGEST_QUEUES: Final = (EVENTS_QUEUE, DEFAULT_QUEUE)
"""The queues of events, which are nowhere else until they are stored."""

OUR_QUEUES: Final = (NOTIFICATIONS_QUEUE, RETRIES_QUEUE, UPKEEP_QUEUE)
"""The queues whose content is in the database too; producers never use them."""

QUEUES: Final = (*INGEST_QUEUES, *OUR_QUEUES)

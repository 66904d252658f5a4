"""The names by which producers and workers meet: tasks and the queues they travel in."""

from typing import Final

INGEST: Final = "events.ingest"
"""Takes ``events``: a list of event objects (spec 2, the producers' contract)."""

INGEST_CALLS: Final = "events.ingest_calls"
"""Takes ``calls``: bodies of messages of ``events.ingest`` that a worker took together."""

DELIVER: Final = "notifications.deliver"
"""Takes ``ids``: up to 100 notification ids. Every decision is made in the claim."""

SWEEP: Final = "upkeep.sweep"
"""Beat: enqueues again what is overdue and nobody is on."""

REVIEW: Final = "upkeep.review"
"""Beat: disables integrations whose attempts failed too often, and warns before that."""

PRUNE: Final = "upkeep.prune"
"""Beat: deletes what ended longer ago than the retention."""

EVENTS_QUEUE: Final = "events"
DEFAULT_QUEUE: Final = "celery"
"""Celery's own default, consumed too, so that a producer with no routing works (spec 2)."""
NOTIFICATIONS_QUEUE: Final = "notifications"
RETRIES_QUEUE: Final = "retries"
"""Apart from first attempts, so that retries cannot crowd them out."""
UPKEEP_QUEUE: Final = "upkeep"

INGEST_QUEUES: Final = (EVENTS_QUEUE, DEFAULT_QUEUE)
"""Where events are until they are stored: nobody else has them."""

OUR_QUEUES: Final = (NOTIFICATIONS_QUEUE, RETRIES_QUEUE, UPKEEP_QUEUE)
"""What waits in these is in the database too; producers have no business there."""

QUEUES: Final = (*INGEST_QUEUES, *OUR_QUEUES)

"""The names of tasks and queues, which producers and workers share."""

from typing import Final

INGEST: Final = "events.ingest"
"""Stores and routes ``events``, a list of event objects (spec 2, the producers' contract)."""

INGEST_CALLS: Final = "events.ingest_calls"
"""Stores and routes ``calls``, bodies of messages of ``events.ingest`` that a worker took together.

``origins`` are their producers, as these name themselves. A worker makes this task itself.
"""

DELIVER: Final = "notifications.deliver"
"""Claims and sends up to 100 notifications, by their ``ids``. The claim makes every decision on them.

``links`` has for each id the link that this message is.
"""

SWEEP: Final = "upkeep.sweep"
"""Enqueues again what is overdue and no worker has."""

REVIEW: Final = "upkeep.review"
"""Disables integrations whose attempts failed too often, and warns before that."""

PRUNE: Final = "upkeep.prune"
"""Deletes what ended longer ago than the retention."""

DRILL: Final = "upkeep.drill"
"""Proves the keys and ways of integrations, and pages nobody; beat sends it where ``DRILL_HOURS`` is set."""

REPLAY: Final = "upkeep.replay"
"""Works on replay jobs and computations; sent where there are any."""

EVENTS_QUEUE: Final = "events"
"""Events from producers."""
DEFAULT_QUEUE: Final = "celery"
"""Celery's own default, consumed too, so that a producer with no routing works (spec 2)."""
NOTIFICATIONS_QUEUE: Final = "notifications"
"""First attempts of deliveries, and what SWEEP enqueues again."""
RETRIES_QUEUE: Final = "retries"
"""Retries, separate from first attempts so that they cannot delay those."""
UPKEEP_QUEUE: Final = "upkeep"
"""What beat sends, replay jobs and computations."""

INGEST_QUEUES: Final = (EVENTS_QUEUE, DEFAULT_QUEUE)
"""The queues of events, which are nowhere else until they are stored."""

OUR_QUEUES: Final = (NOTIFICATIONS_QUEUE, RETRIES_QUEUE, UPKEEP_QUEUE)
"""The queues whose content is in the database too; producers never use them."""

QUEUES: Final = (*INGEST_QUEUES, *OUR_QUEUES)

"""The document of readiness."""

from datetime import datetime

from typing_extensions import TypedDict

from wallarm_notify.domain.readiness import Readiness


class ReadinessDocument(TypedDict):
    """Whether alerts are delivered, and a word for each part; ok: it is well."""

    ready: bool
    """Whether every part is well."""
    database: str
    """ok, or unreachable."""
    migrations: str
    """ok; other schema, where the database does not serve this program; unknown."""
    broker: str
    """ok, unreachable or unknown."""
    beat: str
    """ok; silent, where SWEEP, which it sends, has not run for a while; unknown."""
    workers: str
    """ok; missing, where no worker was seen for a queue within the last minute; unknown."""
    oldest_due: str
    """ok; late, where something is overdue for over 5 minutes; unknown."""
    queues: str
    """ok; late, where messages wait in a queue for over 5 minutes; unknown, where SWEEP has not looked."""
    unattended_queues: list[str]
    """The queues that no worker was seen for."""
    late_queues: list[str]
    """The queues that were not seen empty for over 5 minutes."""
    beat_ran_at: datetime | None
    """When SWEEP began last; null: never, or unknown."""
    oldest_due_at: datetime | None
    """Since when the oldest is overdue; null: nothing is, or unknown."""


def readiness_document(found: Readiness) -> ReadinessDocument:
    """Return the document of readiness."""
    return {
        "ready": found.is_ready,
        "database": found.database,
        "migrations": found.migrations,
        "broker": found.broker,
        "beat": found.beat,
        "workers": found.workers,
        "oldest_due": found.oldest_due,
        "queues": found.queues,
        "unattended_queues": list(found.unattended),
        "late_queues": list(found.backlogged),
        "beat_ran_at": found.beat_ran_at,
        "oldest_due_at": found.due_at,
    }

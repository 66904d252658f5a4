"""The document of the operators' health call."""

from datetime import datetime, timedelta

from typing_extensions import TypedDict

from wallarm_notify.domain.lateness import BOUNDS_MS, Lateness
from wallarm_notify.domain.operation import LATELY, Operation
from wallarm_notify.domain.readiness import GONE_AFTER, Node, QueueLength, Readiness
from wallarm_notify.schemas.documents.readiness import ReadinessDocument, readiness_document


class NodeDocument(TypedDict):
    """A worker's node that was seen within the last day."""

    node: str
    """As Celery calls it."""
    queues: list[str]
    """The queues that it takes from."""
    alive: bool
    """Whether it was seen within the last minute."""
    began_at: datetime
    """Since when there is no longer gap."""
    seen_at: datetime
    """When it was seen last."""


class QueueDocument(TypedDict):
    """What waits in a queue of the broker."""

    queue: str
    """Its name."""
    messages: int
    """How many messages waited when SWEEP looked last; what a worker has taken does not wait."""
    waiting_since: datetime | None
    """When it was last seen empty: whatever waits came or was handed back later; null: nothing waits."""
    measured_at: datetime
    """When SWEEP looked last."""


class BucketDocument(TypedDict):
    """The attempts that were no later than a bound."""

    seconds: float
    """The bound."""
    attempts: int
    """How many attempts keep it, those of smaller bounds included."""


class LatenessDocument(TypedDict):
    """How late the attempts of a cycle began, since the installation."""

    cycle: int
    """0: first attempts; 1 to 3: the cycles of retries."""
    attempts: int
    """All of them."""
    seconds: float
    """How late all of them were together."""
    within: list[BucketDocument]
    """How many keep each bound."""


class RecentDocument(TypedDict):
    """What was attempted lately."""

    seconds: int
    """Over how long it is added up."""
    attempts: int
    """All attempts that count in failure ratios."""
    failed: int
    """Attempts of these that failed."""


class OperationDocument(TypedDict):
    """How the installation works."""

    now: datetime
    """The time, by the database's clock."""
    readiness: ReadinessDocument
    """What /readyz says."""
    nodes: list[NodeDocument]
    """The workers' nodes."""
    queues: list[QueueDocument]
    """The queues; none before SWEEP has looked."""
    lateness: list[LatenessDocument]
    """A histogram for each cycle."""
    recent: RecentDocument
    """What was attempted lately."""
    outages: list[str]
    """The regions of PagerDuty that were down at the last review."""


def operation_document(operation: Operation, readiness: Readiness) -> OperationDocument:
    """Return the document of how the installation works."""
    recent = operation.recent
    return {
        "now": operation.now,
        "readiness": readiness_document(readiness),
        "nodes": [_node(one, operation.now) for one in operation.nodes],
        "queues": [_queue(one) for one in operation.queues],
        "lateness": [_lateness(one) for one in operation.lateness],
        "recent": {
            "seconds": int(LATELY / timedelta(seconds=1)),
            "attempts": recent.attempts,
            "failed": recent.failed,
        },
        "outages": list(operation.outages),
    }


def _node(node: Node, now: datetime) -> NodeDocument:
    return {
        "node": node.name,
        "queues": list(node.queues),
        "alive": now - node.seen_at <= GONE_AFTER,
        "began_at": node.began_at,
        "seen_at": node.seen_at,
    }


def _queue(one: QueueLength) -> QueueDocument:
    return {
        "queue": one.queue,
        "messages": one.messages,
        "waiting_since": one.waiting_since,
        "measured_at": one.measured_at,
    }


def _lateness(one: Lateness) -> LatenessDocument:
    return {
        "cycle": one.cycle,
        "attempts": one.attempts,
        "seconds": one.total.total_seconds(),
        "within": [
            {"seconds": bound / 1000, "attempts": attempts}
            for bound, attempts in zip(BOUNDS_MS, one.within, strict=True)
        ],
    }

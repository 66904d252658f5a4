"""What a diagnosis finds of the broker: whether it answers, and what it may lose."""

from typing import Final

from celery import Celery

from wallarm_notify.broker.broker_check import check_broker
from wallarm_notify.broker.uses import BEAT
from wallarm_notify.domain.diagnosis import Finding, Grade
from wallarm_notify.domain.errors import Refused, Unavailable
from wallarm_notify.ingest_queue import QueueType

_BAD: Final = frozenset({"broker.takes_nothing", "broker.too_few_replicas"})
"""Warnings of a broker that takes no events now; the others are of what it may lose later."""

_BRING_BACK: Final = (
    "Bring it back, or mend WALLARM_NOTIFY_BROKER_URL; what is stored waits, and is sent then."
)
_MEND: Final = (
    "Change that setting of the broker: docs/how-to/another-broker.md has those that lose messages."
)

_KEEPS: Final = "The broker answers, and keeps what it has confirmed"
_ON_NODES: Final[dict[QueueType, str]] = {
    "quorum": ", on most of its nodes.",
    "classic": ", on one node: of a cluster that is lost with it, unless WALLARM_NOTIFY_EVENTS_QUEUE_TYPE is quorum.",
}


def examine_broker(celery: Celery, queue_type: QueueType, *, may_evict: bool) -> list[Finding]:
    """Return what was found of the broker; ``queue_type`` is that of the queue of events on RabbitMQ.

    It makes no queue but that of upkeep, as beat does at its start.
    """
    try:
        warnings = check_broker(celery, BEAT, may_evict=may_evict)
    except (Unavailable, Refused) as error:
        return [Finding("broker", Grade.BAD, str(error), _BRING_BACK)]
    if not warnings:
        return [Finding("broker", Grade.GOOD, _KEEPS + _where_events_wait(celery, queue_type))]
    return [
        Finding("broker", Grade.BAD if one.event in _BAD else Grade.ODD, one.reason, _MEND)
        for one in warnings
    ]


def _where_events_wait(celery: Celery, queue_type: QueueType) -> str:
    """Return on how many nodes the queue of events is; Redis has one queue on all of them."""
    with celery.connection_for_write() as connection:
        return _ON_NODES[queue_type] if connection.transport.driver_type == "amqp" else "."

"""What a diagnosis finds of the broker: whether it answers, and what it may lose."""

from typing import Final

from celery import Celery

from wallarm_notify.broker.broker_check import check_broker
from wallarm_notify.broker.uses import BEAT
from wallarm_notify.domain.diagnosis import Finding, Grade
from wallarm_notify.domain.errors import Refused, Unavailable

_BAD: Final = frozenset({"broker.takes_nothing", "broker.too_few_replicas"})
"""Warnings of a broker that takes no events now; the others are of what it may lose later."""


def examine_broker(celery: Celery, *, may_evict: bool) -> list[Finding]:
    """Return what was found of the broker. It makes no queue but that of upkeep, as beat does at its start."""
    try:
        warnings = check_broker(celery, BEAT, may_evict=may_evict)
    except (Unavailable, Refused) as error:
        return [Finding("broker", Grade.BAD, str(error))]
    if not warnings:
        return [
            Finding("broker", Grade.GOOD, "The broker answers, and keeps what it has confirmed.")
        ]
    return [
        Finding("broker", Grade.BAD if one.event in _BAD else Grade.ODD, one.reason)
        for one in warnings
    ]

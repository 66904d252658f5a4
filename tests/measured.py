"""Measurements of a system where there is something of everything, for what tests ask of metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from wallarm_notify.domain.lateness import lateness_in
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.readiness import QueueLength
from wallarm_notify.domain.traffic import traffic_in
from wallarm_notify.services.measure import Measurements

NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)


def everything() -> Measurements:
    """Return measurements of which each metric has a figure."""
    minute = timedelta(minutes=1)
    return Measurements(
        warnings={30: 1},
        auto_disabled=1,
        fired=1,
        enabled=1,
        disabled=1,
        outage=False,
        prune_lag=minute,
        lateness=lateness_in({}),
        queues=[QueueLength("events", 1, NOW, NOW)],
        traffic=traffic_in({"rejected_from:task": 1}),
        not_kept=1,
        made=1,
        states=dict.fromkeys(State, 1),
        consumers={"events": 1},
        nodes={"first@host": minute},
        runs={"sweep": minute},
        overdue=minute,
        slow=1,
        quiet=1,
        failing={1: 0.7},
        rate_limited={1: minute},
        set_aside=1,
        undecodable=1,
        oldest_proof=minute,
    )

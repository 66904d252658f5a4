"""What every use case is given: the database, the broker, the settings it goes by, and a clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wallarm_notify.domain.clock import Clock, since_boot

if TYPE_CHECKING:
    from datetime import timedelta

    from wallarm_notify.domain.health import Policy
    from wallarm_notify.services.ports import Publisher
    from wallarm_notify.store import Store


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The settings that use cases go by, as rules want them: durations, limits, the policy of the review.

    ``grace`` is how long something may be overdue before SWEEP looks for it, ``lease`` how long a claim holds;
    ``cloud`` is the client's Wallarm cloud where its record names none.
    """

    grace: timedelta
    lease: timedelta
    rate_limit_per_minute: int
    retry_time_scale: float
    rejected_per_day: int
    retention: timedelta
    sweep_interval: timedelta
    review_interval: timedelta
    prune_interval: timedelta
    policy: Policy
    cloud: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a process has made once, and gives to every use case it calls.

    ``clock`` is the process's own, in seconds; whatever is due is decided by the database's (engine 17).
    """

    store: Store
    publisher: Publisher
    settings: ServiceSettings
    clock: Clock = since_boot

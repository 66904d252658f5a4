"""What every use case is given: the database, the publisher, the settings and a clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wallarm_notify.domain.clock import Clock, since_boot
from wallarm_notify.domain.failed_tokens import FailedTokens

if TYPE_CHECKING:
    from datetime import timedelta

    from wallarm_notify.domain.health import Policy
    from wallarm_notify.domain.summary_form import SummaryForm
    from wallarm_notify.services.ports import Publisher
    from wallarm_notify.store import Store


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The settings of the use cases, in the types of the domain: durations, limits, the review's policy.

    ``grace`` is how long something may be overdue before SWEEP enqueues it again, ``lease`` how long a claim
    holds. ``unmatched_retention`` is for events that nothing was made of, None: as it was installed.
    ``cloud`` is the Wallarm cloud of clients whose record names none, ``summary`` the form of the summaries of new
    integrations.
    """

    grace: timedelta
    lease: timedelta
    rate_limit_per_minute: int
    retry_time_scale: float
    rejected_per_day: int
    retention: timedelta
    unmatched_retention: timedelta | None
    sweep_interval: timedelta
    review_interval: timedelta
    prune_interval: timedelta
    policy: Policy
    cloud: str
    summary: SummaryForm
    drill_interval: timedelta | None = None
    """How often each enabled integration is drilled; None: by command alone."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a process makes once and gives to every use case.

    ``clock`` is the process's own, in seconds. The database's clock alone decides what is due (engine 17).
    """

    store: Store
    publisher: Publisher
    settings: ServiceSettings
    clock: Clock = since_boot
    failed_tokens: FailedTokens = field(default_factory=FailedTokens)
    """The tokens that were not valid, by address, as far as this process was asked."""

"""The results of simulations: another policy over recorded attempts, a trigger over stored events (spec 3 and 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wallarm_notify.domain.health import Decision, Policy
from wallarm_notify.domain.retry import SCHEDULE
from wallarm_notify.domain.triggers.firing import Firing
from wallarm_notify.domain.triggers.trigger import Trigger

SOON: Final = SCHEDULE
"""An integration that recovers within a whole schedule would have been reached by its retries alone."""


@dataclass(frozen=True, slots=True)
class SimulatedDecision:
    """An integration that would have been disabled, and its true history.

    ``healed_at`` is when its first attempt after that succeeded, None if none did.
    """

    integration_id: int
    client_id: int
    name: str | None
    at: datetime
    decision: Decision
    healed_at: datetime | None

    @property
    def healed_soon(self) -> bool:
        """Whether its retries alone would have been enough: disabling it would have been wrong."""
        return self.healed_at is not None and self.healed_at - self.at <= SOON


@dataclass(frozen=True, slots=True)
class Simulation:
    """The decisions that a policy would have made between two moments.

    ``integrations`` had ``attempts`` between them.
    """

    policy: Policy
    since: datetime
    until: datetime
    integrations: int
    attempts: int
    decisions: Sequence[SimulatedDecision]


@dataclass(frozen=True, slots=True)
class WouldFire:
    """A firing that there would have been, and when."""

    at: datetime
    occurred_at: datetime
    firing: Firing


@dataclass(frozen=True, slots=True)
class TriggerSimulation:
    """The firings of a trigger over the events that were received between two times.

    ``events`` are those of its type, ``matched`` those that pass its filters. It would have ``fired`` so often, of
    which ``firings`` has the first ones, where they are bounded.
    """

    trigger: Trigger
    since: datetime
    until: datetime
    events: int
    matched: int
    fired: int
    firings: Sequence[WouldFire]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a simulation of a trigger may have in memory: matching events, and firings."""

    matched: int
    firings: int

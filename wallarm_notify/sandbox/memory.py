"""Everything one sandbox remembers, and how it forgets."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from wallarm_notify.sandbox.alerts import Alerts
from wallarm_notify.sandbox.faults import FaultPlan
from wallarm_notify.sandbox.journal import Journal
from wallarm_notify.sandbox.rate import RateWindow


@dataclass(frozen=True, slots=True)
class Knobs:
    """How the server behaves when no fault is asked for.

    `rate_limit` is how many events of a key are accepted in 60 s (0: any number), `retry_after`
    goes with the 429 that follows (None: no header), `idle_timeout` ends a connection on which
    nothing comes (None: never).
    """

    rate_limit: int = 120
    retry_after: timedelta | None = None
    idle_timeout: timedelta | None = None

    def __post_init__(self) -> None:
        if self.rate_limit < 0:
            raise ValueError("rate_limit must be 0 (no limit) or more")


@dataclass(slots=True)
class Memory:
    """The state behind every route; only the server's event loop touches it.

    `known_keys` None means that every well-formed key is known.
    """

    start: Knobs
    knobs: Knobs = field(init=False)
    known_keys: frozenset[str] | None = field(init=False)
    faults: FaultPlan = field(init=False)
    alerts: Alerts = field(init=False)
    window: RateWindow = field(init=False)
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Go back to how it was at the start."""
        self.knobs = replace(self.start)
        self.known_keys = None
        self.faults = FaultPlan()
        self.alerts = Alerts()
        self.window = RateWindow()
        self.journal = Journal()

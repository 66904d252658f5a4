"""Everything one sandbox remembers, and how it forgets."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import Field

from wallarm_notify.sandbox.alerts import Alerts
from wallarm_notify.sandbox.documents import Document, SecondsOrNone
from wallarm_notify.sandbox.faults import FaultPlan
from wallarm_notify.sandbox.journal import Entry
from wallarm_notify.sandbox.rate import RateWindow


class Settings(Document):
    """How the server behaves when no fault is asked for.

    `rate_limit` is how many events of a key are accepted in 60 s (0: any number), `retry_after`
    (seconds) goes with the 429 that follows (None: no header), `idle_timeout` (seconds) ends a
    connection on which no request comes (None: never).
    """

    rate_limit: int = Field(120, ge=0, description="a whole number; 0 switches the limit off")
    retry_after: SecondsOrNone = None
    idle_timeout: SecondsOrNone = None


@dataclass(slots=True)
class Memory:
    """The state behind every route; only the server's event loop touches it.

    `known_keys` None means that every well-formed key is known; `requests` are those that reached
    a route of PagerDuty's, in order.
    """

    start: Settings
    settings: Settings = field(init=False)
    known_keys: frozenset[str] | None = field(init=False)
    faults: FaultPlan = field(init=False)
    alerts: Alerts = field(init=False)
    window: RateWindow = field(init=False)
    requests: list[Entry] = field(init=False)

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Go back to how it was at the start."""
        self.settings = self.start
        self.known_keys = None
        self.faults = FaultPlan((), datetime.now(UTC))
        self.alerts = Alerts()
        self.window = RateWindow()
        self.requests = []

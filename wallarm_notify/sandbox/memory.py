"""The memory of one sandbox, and how it forgets."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import Field

from wallarm_notify.sandbox.alerts import Alerts
from wallarm_notify.sandbox.documents import Document, SecondsOrNone
from wallarm_notify.sandbox.faults import FaultPlan
from wallarm_notify.sandbox.journal import Entry
from wallarm_notify.sandbox.rate import RateWindow


class Settings(Document):
    """The behaviour of the server without faults.

    `rate_limit` is how many events of a key are accepted in 60 s (0: any number), `retry_after` (seconds)
    goes with the 429 that follows (None: no header), `idle_timeout` (seconds) ends a connection on which no
    request comes (None: never).
    """

    rate_limit: int = Field(120, ge=0, description="a whole number; 0 switches the limit off")
    retry_after: SecondsOrNone = None
    idle_timeout: SecondsOrNone = None


@dataclass(slots=True)
class Memory:
    """The state behind every route; only the server's event loop uses it.

    `known_keys` of None means that every well-formed key is known; `requests` are those to PagerDuty's
    routes, in order.
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
        """Restore the state of the start."""
        self.settings = self.start
        self.known_keys = None
        self.faults = FaultPlan((), datetime.now(UTC))
        self.alerts = Alerts()
        self.window = RateWindow()
        self.requests = []

"""Periods: stretches of time, of which either end may be open."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wallarm_notify.domain.errors import Refused


@dataclass(frozen=True, slots=True)
class Period:
    """The time from ``since`` on, and before ``until``; None: that end is open. Raise Refused where it is empty."""

    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        """Check that there is time between both ends."""
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise Refused(
                f"{self.since:%Y-%m-%d %H:%M:%S}Z is not before {self.until:%Y-%m-%d %H:%M:%S}Z.",
                field="since",
            )


ALWAYS: Final = Period()

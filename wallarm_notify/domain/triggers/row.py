"""Triggers in a listing: each with what it notifies and how often it fired lately."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wallarm_notify.domain.triggers.trigger import Trigger

FIRINGS_COUNTED: Final = 200
"""So many firings of a day are counted at most, and shown as ``200+``."""


@dataclass(frozen=True, slots=True)
class Notified:
    """An integration that triggers name: what it is called, and whether it is sent anything.

    ``disabled_until`` is when it is enabled by itself; None: somebody has to, or it is enabled.
    """

    id: int
    name: str
    enabled: bool
    disabled_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TriggerCounts:
    """How many triggers there are, by whether they are enabled."""

    enabled: int = 0
    disabled: int = 0

    @property
    def all(self) -> int:
        """How many there are."""
        return self.enabled + self.disabled


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """A trigger in a listing.

    ``days`` are its firings by day, the oldest first, each counted up to ``FIRINGS_COUNTED``.
    """

    trigger: Trigger
    notified: Sequence[Notified]
    days: Sequence[int]
    applications: Mapping[int, str]

    @property
    def names(self) -> list[str]:
        """The names of what it notifies."""
        return [one.name for one in self.notified]

    @property
    def reaches_nobody(self) -> bool:
        """Whether nothing that it notifies is sent anything."""
        return not any(one.enabled for one in self.notified)

    @property
    def fired(self) -> int:
        """How often it fired in these days, as far as that is counted."""
        return sum(min(day, FIRINGS_COUNTED) for day in self.days)

    @property
    def is_more(self) -> bool:
        """Whether it fired more often than is counted."""
        return any(day > FIRINGS_COUNTED for day in self.days)

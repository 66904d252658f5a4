"""Recent events of a client, counted by what an integration has to subscribe to for them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.coverage import Kind
from wallarm_notify.domain.event import Subscription

COUNTED_FOR: Final = timedelta(days=7)
"""Events of so long are counted."""

MOST_COUNTED: Final = 20_000
"""So many events of a client are looked at, the newest ones: what triggers count is among them, and may be a flood."""

SECONDS: Final = 0.03
"""After this time no further slice of them is looked at."""


@dataclass(frozen=True, slots=True)
class CountedEvents:
    """How many alerts each subscription would have made since then; ``is_whole``: all of the time was counted."""

    since: datetime
    is_whole: bool = True
    alerts: Mapping[Subscription, int] = field(default_factory=dict)

    def number_of(self, subscription: str) -> int:
        """Return how many alerts a subscription would have made."""
        return self.alerts.get(Subscription(subscription), 0)


def alerts_of(kinds: Iterable[tuple[Kind, int]]) -> Counter[Subscription]:
    """Return how many alerts each subscription would have made of so many events of each kind."""
    alerts: Counter[Subscription] = Counter()
    for kind, number in kinds:
        if kind.subscription is not None:
            alerts[kind.subscription] += number
    return alerts

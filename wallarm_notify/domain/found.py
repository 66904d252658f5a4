"""What somebody has found by what they have in hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.views import ShownEvent, ShownNotification


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, by kind.

    ``more_events``: there may be more than are named. ``searched_back_to`` is how far events were looked at; None: all.
    """

    notifications: Sequence[ShownNotification] = ()
    events: Sequence[ShownEvent] = ()
    integrations: Sequence[Integration] = ()
    more_events: bool = False
    searched_back_to: datetime | None = None

    @property
    def only_notification(self) -> int | None:
        """The notification that alone was found; None: there are others, or none."""
        if len(self.notifications) == 1 and not self.events and not self.integrations:
            return self.notifications[0].id
        return None

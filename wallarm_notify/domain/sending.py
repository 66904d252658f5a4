"""One send: what it needs, from the claim to the request."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from wallarm_notify.domain.batches import notification_words
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.notification import NewNotification, Notification
from wallarm_notify.domain.retry import ATTEMPTS
from wallarm_notify.domain.triggers.firing import Firing
from wallarm_notify.domain.words import attempt_words, counted

SLOW: timedelta = timedelta(seconds=1)
"""The time without an answer from which on an integration is slow (engine 11)."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What a send needs besides its notification.

    ``firing`` is the firing of ``event``, for a trigger's notification. ``key`` is None if none of this
    installation's Fernet keys decrypts it. Fields that the client's record lacks are None.
    """

    event: Event
    firing: Firing | None
    origin: str
    region: str
    key: IntegrationKey | None
    client_name: str | None
    cloud: str | None
    partner_name: str | None

    @property
    def occurrence(self) -> str:
        """The id of the event or firing: a part of the notification's identity."""
        return str(self.event.id if self.firing is None else self.firing.id)


@dataclass(frozen=True, slots=True)
class Sending:
    """One claimed notification, ready to be sent.

    ``grant`` is the epoch second that the rate limit granted, None if it is off; ``fingerprint`` is the
    key's. ``generation`` is the failure window in which the attempt will count, None for a closing
    notification, which does not count in the ratio (spec 1).
    """

    notification: Notification
    payload: Payload
    key: IntegrationKey
    fingerprint: bytes
    generation: int | None
    slow: bool
    grant: float | None

    @property
    def number(self) -> int:
        """Which attempt of the run this is, from 1."""
        return self.notification.attempts_made + 1


@dataclass(frozen=True, slots=True)
class Made:
    """A notification that is about to be stored, and what it is made of."""

    notification: NewNotification
    event: Event
    firing: Firing | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The result of claiming a message's or new notifications: what is sent, and what is not sent now.

    ``began`` is the process's clock just before ``now``.
    """

    now: datetime
    began: float
    sendings: tuple[Sending, ...] = ()
    asked: int = 0
    waiting: int = 0
    cancelled: int = 0
    lost: int = 0

    @property
    def words(self) -> str:
        """The claim in words, for people and for Flower."""
        if not self.sendings:
            text = f"nothing to send of {counted(self.asked, 'notification')}"
        else:
            numbers = attempt_words({s.number for s in self.sendings})
            group = [s.notification for s in self.sendings]
            text = f"{notification_words(group)} sent, {numbers} of {ATTEMPTS}"
        for number, word in (
            (self.waiting, "waiting"),
            (self.cancelled, "cancelled"),
            (self.lost, "given up"),
        ):
            if number:
                text += f", {number} {word}"
        return text

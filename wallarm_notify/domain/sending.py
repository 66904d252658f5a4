"""What one send needs, from the claim to the request."""

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
"""An integration is slow from the moment an answer is outstanding so long (engine 11)."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What one send needs beside its notification.

    ``firing`` is what ``event`` made where it is of a trigger. ``key`` is None where none of our
    Fernet keys opens it. Of the client's record, what is unset is None.
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

    ``grant`` is the turn that pacing granted, in epoch seconds, None where it is off;
    ``fingerprint`` is the key's. ``generation`` is the failure window in which the attempt will
    count, None for an integration's last notification, which is outside of the ratio (spec 1).
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
    """What one message, or what was just made, came to: what is sent, and what is not now.

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
        """The claim for people, and for Flower."""
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

"""One send: what it needs, from the claim to the request."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from wallarm_notify.domain.alert_identity import dedup_key
from wallarm_notify.domain.application import numbered_application
from wallarm_notify.domain.batches import notification_words
from wallarm_notify.domain.delivery_report import DeliveryTask
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.notification import NewNotification, Notification
from wallarm_notify.domain.retry import ATTEMPTS
from wallarm_notify.domain.summary_form import BEFORE, SummaryForm
from wallarm_notify.domain.triggers.alert_group import group_value
from wallarm_notify.domain.triggers.firing import Firing
from wallarm_notify.domain.words import attempt_words, counted

SLOW: timedelta = timedelta(seconds=1)
"""The time without an answer from which on an integration is slow (engine 11)."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What a send needs besides its notification.

    ``firing`` is the firing of ``event``, for a trigger's notification. ``key`` is None if none of this
    installation's Fernet keys decrypts it. Fields that the client's record lacks are None. ``summary`` is the
    form that the integration has now. ``application_name`` is what the client calls the application that
    ``numbered_application`` means; None: there is none, or it has no name.
    """

    event: Event
    firing: Firing | None
    origin: str
    region: str
    key: IntegrationKey | None
    client_name: str | None
    cloud: str | None
    partner_name: str | None
    summary: SummaryForm = BEFORE
    application_name: str | None = None

    @property
    def numbered_application(self) -> tuple[int, int] | None:
        """The client and number of the application that the alert has no name of; None: it needs none."""
        number = numbered_application(self.event, self.firing)
        return None if number is None else (self.event.client_id, number)

    @property
    def occurrence(self) -> str:
        """The id of the event or firing: a part of the notification's identity."""
        return str(self.event.id if self.firing is None else self.firing.id)

    def dedup_key_for(self, integration_id: int) -> str:
        """Return the dedup key of the alert that an integration is sent of it."""
        group = None if self.firing is None else group_value(self.firing.group, self.event.body)
        return dedup_key(self.occurrence, self.origin, integration_id, group)


@dataclass(frozen=True, slots=True)
class ShownSending:
    """What a notification sends, for people: without the key, of which ``masked_key`` is the end.

    It is None where the integration is deleted, and its key with it, and for whoever may not view integrations.
    """

    notification_id: int
    run: int
    due_at: datetime
    integration_id: int
    payload: Payload
    masked_key: str | None

    @property
    def dedup_key(self) -> str:
        """The dedup key of its alert in PagerDuty."""
        return self.payload.dedup_key_for(self.integration_id)


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

    @property
    def dedup_key(self) -> str:
        """The dedup key of its alert in PagerDuty."""
        return self.payload.dedup_key_for(self.notification.integration_id)


@dataclass(frozen=True, slots=True)
class Made:
    """A notification that is about to be stored, and what it is made of."""

    notification: NewNotification
    event: Event
    firing: Firing | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The result of claiming a message's or new notifications: what is sent, and what is not sent now.

    ``began`` is the process's clock just before ``now``. ``task`` is the delivery task whose end is reported when
    all sendings are recorded; None: nobody watches, or the claim was made by another task. ``task_id`` is the watched
    task that made the claim, of whatever kind; None: nobody watches.
    """

    now: datetime
    began: float
    sendings: tuple[Sending, ...] = ()
    asked: int = 0
    waiting: int = 0
    cancelled: int = 0
    lost: int = 0
    task: DeliveryTask | None = None
    task_id: UUID | None = None

    @property
    def words(self) -> str:
        """The claim in words, for people and for Flower."""
        if not self.sendings:
            text = f"nothing to send of {counted(self.asked, 'notification')}"
        else:
            numbers = attempt_words({s.number for s in self.sendings})
            group = [s.notification for s in self.sendings]
            text = f"{notification_words(group)} under way, {numbers} of {ATTEMPTS}"
        for number, word in (
            (self.waiting, "waiting"),
            (self.cancelled, "cancelled"),
            (self.lost, "given up"),
        ):
            if number:
                text += f", {number} {word}"
        return text

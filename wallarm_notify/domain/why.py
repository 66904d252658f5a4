"""Why: what an event came to at each integration and trigger of its client (spec 9).

Pure: ``explain`` works on what is stored of one event and on the rules that it was routed by. The words are in
``domain.why_words``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from wallarm_notify.domain.event import Event
from wallarm_notify.domain.rules import IntegrationRule, Rules, TriggerRule
from wallarm_notify.domain.triggers.crossing import Near
from wallarm_notify.domain.triggers.firing import Firing
from wallarm_notify.domain.views import ShownFiring, ShownNotification

NO_RULES: Final = Rules(0)
"""The rules of a client that has none."""


class Reason(StrEnum):
    """What an event came to at one integration or trigger: a closed list, public in JSON."""

    # There is a notification.
    ACCEPTED = "accepted"
    WAITING = "waiting"
    RETRYING = "retrying"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    # The rules.
    NOT_SUBSCRIBED = "not_subscribed"
    NEEDS_TRIGGER = "needs_trigger"
    OTHER_TYPE = "other_type"
    FILTER = "filter"
    TRIGGER_OFF = "trigger_off"
    INTEGRATION_OFF = "integration_off"
    NO_INTEGRATIONS = "no_integrations"
    EXPERIMENTAL = "experimental"
    UNSAMPLED = "unsampled"
    LATE = "late"
    # What the trigger has counted, and fired for.
    COUNTED = "counted"
    QUIET = "quiet"
    COUNTED_IN_FIRING = "counted_in_firing"
    ENDPOINT_BEFORE = "endpoint_before"
    # Something was done around it.
    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    # There is no event of that id that was taken in.
    AHEAD = "ahead"
    CONFLICT = "conflict"
    REJECTED = "rejected"
    UNDECODABLE = "undecodable"
    SET_ASIDE = "set_aside"
    OTHER_CLIENT = "other_client"
    NOT_HERE = "not_here"


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason with its particulars; what does not belong to the reason is None.

    ``by`` and ``at``: who did it, and when. ``until``: how long it holds. ``count`` of ``limit``: attempts of
    17, or events of a threshold; ``count`` None there: it is not kept any more. ``filter``, ``wanted`` and
    ``found``: what a filter asks for, and what the event has. ``number`` is that of a rejection, a message or
    a call, or the other client.
    """

    reason: Reason
    by: str | None = None
    at: datetime | None = None
    until: datetime | None = None
    count: int | None = None
    limit: int | None = None
    filter: str | None = None
    wanted: str | None = None
    found: str | None = None
    firing_id: UUID | None = None
    number: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the answer: an integration by its own subscriptions, or a trigger.

    Where a notification was made, it is that notification's: ``integration`` is to whom. ``causes`` are all
    that have to be undone so that it is notified, or is counted where a threshold counts. ``deleted_at``: it
    has been deleted since.
    """

    integration: IntegrationRule | None
    trigger: TriggerRule | None
    causes: tuple[Cause, ...]
    notification: ShownNotification | None = None
    deleted_at: datetime | None = None

    @property
    def reason(self) -> Reason:
        """The first of its reasons."""
        return self.causes[0].reason


@dataclass(frozen=True, slots=True)
class Times:
    """When an integration or trigger was created, and deleted; None: it is there."""

    created_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SwitchedOffBy:
    """Who disabled a trigger last before the event came, and when."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What is stored of one event and of what was made of it.

    ``rules`` are those it was routed by where ``as_they_were``, else those of now: it came before there were
    versions. ``present`` are the rules of now. ``firings`` are of this event and ``later`` of other events whose
    window this one is in, by trigger. ``near`` is what each trigger has counted around it, in the version it had.
    ``others`` are rejections under its id.
    """

    event: Event
    received_at: datetime
    counted: bool
    rules: Rules
    as_they_were: bool
    present: Rules
    notifications: Sequence[ShownNotification] = ()
    firings: Mapping[int, Firing] = field(default_factory=dict)
    later: Mapping[int, ShownFiring] = field(default_factory=dict)
    near: Mapping[int, Near] = field(default_factory=dict)
    integration_times: Mapping[int, Times] = field(default_factory=dict)
    trigger_times: Mapping[int, Times] = field(default_factory=dict)
    triggers_off: Mapping[int, SwitchedOffBy] = field(default_factory=dict)
    others: Sequence[Cause] = ()


@dataclass(frozen=True, slots=True)
class Why:
    """The answer for an event that was taken in: a line for each integration and trigger.

    ``others`` are rejections under its id: others that came later. ``present`` are the rules of now. ``rate_limit`` is
    the setting of now, by which notifications wait for their turn: so many a minute for one key; 0: no limit.
    """

    event: Event
    received_at: datetime
    rules_version: int
    as_they_were: bool
    lines: Sequence[Line]
    others: Sequence[Cause] = ()
    present: Rules = NO_RULES
    rate_limit: int = 0


@dataclass(frozen=True, slots=True)
class Absent:
    """The answer for an id under which no event was taken in: what else is known of it.

    ``kept`` and ``kept_unmatched`` are the settings of now by which events are deleted.
    """

    client_id: int
    event_id: UUID
    causes: Sequence[Cause]
    kept: timedelta
    kept_unmatched: timedelta

"""Firings: a trigger that was met, what it counted, and its settings at that time (spec 3)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid5

from wallarm_notify.domain.event import Event, EventKey, Severity
from wallarm_notify.domain.notification import origin_of
from wallarm_notify.domain.triggers.alert_group import AlertGroup
from wallarm_notify.domain.triggers.cells import Window
from wallarm_notify.domain.triggers.trigger import Criteria, Trigger, severity_of

MOST_EVENTS_NAMED: Final = 100
"""The most ids of counted events that a firing keeps (spec 3)."""

_NAMESPACE: Final = UUID("7d1f3c58-7a0b-5d5e-9a43-0d7c1d1f6a02")


@dataclass(frozen=True, slots=True)
class Firing:
    """A trigger that was met once, with its lineage and its settings at that time.

    ``event_id`` is the event that met it; ``event_ids`` are up to 100 of those counted, that one first.
    ``window`` is None if each event fires, and ``count`` is 1 then. ``integration_ids`` are notified.
    ``chosen_severity`` is that which the trigger was given; None: its condition's.
    """

    id: UUID
    trigger_id: int
    trigger_name: str
    client_id: int
    criteria: Criteria
    integration_ids: tuple[int, ...]
    event_id: UUID
    count: int
    window: Window | None
    event_ids: tuple[UUID, ...]
    chosen_severity: Severity | None = None
    group: AlertGroup = AlertGroup.EACH

    @property
    def severity(self) -> Severity:
        """The severity of its alerts."""
        return severity_of(self.criteria.condition, self.chosen_severity)

    @property
    def origin(self) -> str:
        """The origin of its notifications."""
        return origin_of(self.trigger_id)

    @property
    def event_key(self) -> EventKey:
        """What identifies the event that met it."""
        return self.client_id, self.event_id


def fired(
    trigger: Trigger, event: Event, *, count: int, window: Window | None, event_ids: Sequence[UUID]
) -> Firing:
    """Return the firing of ``event``; one trigger and one event make one firing."""
    return Firing(
        id=uuid5(_NAMESPACE, f"{trigger.id}:{event.id}"),
        trigger_id=trigger.id,
        trigger_name=trigger.name,
        client_id=trigger.client_id,
        criteria=trigger.criteria,
        integration_ids=trigger.integration_ids,
        event_id=event.id,
        count=count,
        window=window,
        event_ids=tuple(event_ids[:MOST_EVENTS_NAMED]),
        chosen_severity=trigger.chosen_severity,
        group=trigger.group,
    )


def endpoint_of(event: Event) -> bytes:
    """Return the identity of a rogue endpoint, of method, host, path and kind (spec 3); 32 bytes."""
    body = event.body
    method, host, path = (body[name].strip() for name in ("method", "host", "path"))
    thing = [method.upper(), host.lower(), path, body["kind"]]
    return sha256(json.dumps(thing).encode("ascii")).digest()

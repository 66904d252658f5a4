"""A client's rule over events, and what it is when it is met: a firing (spec 3)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid5

from wallarm_notify.domain.condition import MOST_FILTERS, Condition, Filter, Matcher, matcher
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import Event

SHORTEST_PERIOD: Final = timedelta(seconds=1)
LONGEST_PERIOD: Final = timedelta(days=30)
LARGEST_COUNT: Final = 10**12
"""More than any period holds; the database could keep more."""

MOST_EVENTS_NAMED: Final = 100
"""A firing keeps the ids of so many of the events that it counted (spec 3)."""

_NAMESPACE: Final = UUID("7d1f3c58-7a0b-5d5e-9a43-0d7c1d1f6a02")


@dataclass(frozen=True, slots=True)
class Threshold:
    """More than ``count`` within ``period``, which is whole seconds: strictly greater (spec 3)."""

    count: int
    period: timedelta

    @property
    def words(self) -> str:
        """``30 in 1 hour``."""
        return f"{self.count} in {period_words(self.period)}"


@dataclass(frozen=True, slots=True)
class Criteria:
    """What has to be met: a condition, its filters, and how often where it is counted."""

    condition: Condition
    filters: tuple[Filter, ...]
    threshold: Threshold | None

    @property
    def clauses(self) -> tuple[str, ...]:
        """The filters in words."""
        return tuple(one.words for one in self.filters)

    def matcher(self) -> Matcher:
        """What tells whether an event of the condition's type counts."""
        return matcher(self.condition, self.filters)


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger as it stands.

    ``version`` changes with its criteria and with enabling: counting starts afresh with it.
    ``last_fired_at`` is None where it has not fired within the retention.
    """

    id: int
    client_id: int
    name: str
    comment: str
    enabled: bool
    criteria: Criteria
    integration_ids: tuple[int, ...]
    version: int
    created_at: datetime
    last_fired_at: datetime | None = None

    @property
    def origin(self) -> str:
        """The origin of its notifications."""
        return f"trigger:{self.id}"


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch of event time that a firing counted in: ``start`` is within, ``end`` is not."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Firing:
    """A trigger that was met once, with its lineage and what it was like at that time.

    ``event_id`` is the event that met it; ``event_ids`` are up to 100 of those counted, that one first.
    ``window`` is None where each event fires, and ``count`` is 1 then. ``integration_ids`` are told.
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

    @property
    def origin(self) -> str:
        """The origin of its notifications."""
        return f"trigger:{self.trigger_id}"


def fired(
    trigger: Trigger, event: Event, *, count: int, window: Window | None, event_ids: Sequence[UUID]
) -> Firing:
    """The firing that ``event`` made; the same trigger and event are the same firing."""
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
    )


def thing_of(event: Event) -> bytes:
    """What a rogue endpoint is known by: method, host, path and kind (spec 3); 32 bytes."""
    body = event.body
    method, host, path = (body[name].strip() for name in ("method", "host", "path"))
    thing = [method.upper(), host.lower(), path, body["kind"]]
    return sha256(json.dumps(thing).encode("ascii")).digest()


def check_criteria(
    condition: Condition, filters: Sequence[Filter], threshold: Threshold | None
) -> Criteria:
    """The criteria of these parts. Raises Refused where they do not go together."""
    if len(filters) > MOST_FILTERS:
        raise Refused(f"filter: a trigger has at most {MOST_FILTERS}, not {len(filters)}.")
    permitted = condition.terms.filters
    for one in filters:
        if one.id not in permitted:
            raise Refused(
                f"filter: {condition} takes no «{one.id}»; permitted are {', '.join(permitted)}."
            )
    if condition.terms.counted is None:
        if threshold is not None:
            raise Refused(f"threshold: {condition} takes none; it fires on each event.")
    elif threshold is None:
        raise Refused(f"threshold: {condition} needs one, as '30 in 1h'.")
    return Criteria(condition, tuple(filters), threshold)


def check_threshold(count: int, period: timedelta) -> Threshold:
    """The threshold of these figures. Raises Refused."""
    if not 0 <= count <= LARGEST_COUNT:
        raise Refused(f"threshold: the count is a whole number from 0 to 10^12, not {count}.")
    if not SHORTEST_PERIOD <= period <= LONGEST_PERIOD or period % timedelta(seconds=1):
        raise Refused("threshold: the period is 1 second to 30 days, in whole seconds.")
    return Threshold(count, period)


def default_name(user: str, today: datetime) -> str:
    """The name of a trigger that was given none (spec 3)."""
    return f"New trigger by {user}, {today:%Y-%m-%d}"


def period_words(period: timedelta) -> str:
    """``1 hour``, ``1 minute 30 seconds``: a threshold's period for people."""
    seconds = int(period.total_seconds())
    parts = (
        (seconds // 86_400, "day"),
        (seconds // 3600 % 24, "hour"),
        (seconds // 60 % 60, "minute"),
        (seconds % 60, "second"),
    )
    return " ".join(f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in parts if n)

"""What the demo plays: the sample events, the three integrations, and how many go where."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from importlib.resources import files
from typing import Final

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import EVENT_TYPES, Event, Rejection, Subscription
from wallarm_notify.domain.retry import WAITS
from wallarm_notify.schemas import read_event

CLIENT: Final = 1
"""The client of the sample events."""

SHORTENED: Final = 120
"""How many times shorter the waits between attempts are."""

PACE_PER_MINUTE: Final = 600
"""More than the default, as attempts that are spread over an hour come within half a minute."""

OUTAGE_ATTEMPTS: Final = 14
"""So many attempts a notification fail, on average, before the failing PagerDuty heals."""

WHOLE_SCHEDULE: Final = sum(WAITS, timedelta())


class Part(StrEnum):
    """What becomes of an integration."""

    HEALTHY = "healthy"
    HEALS = "heals"
    WRONG_KEY = "wrong key"


@dataclass(frozen=True, slots=True)
class Role:
    """An integration of the demo; ``fate`` is what its PagerDuty does, in words."""

    part: Part
    name: str
    region: str
    subscriptions: tuple[Subscription, ...]
    fate: str


ROLES: Final = (
    Role(
        Part.HEALTHY,
        "Healthy",
        "us",
        tuple(Subscription),
        "takes everything",
    ),
    Role(
        Part.HEALS,
        "Heals",
        "eu",
        tuple(Subscription),
        "answers 503 for a while, then heals",
    ),
    Role(
        Part.WRONG_KEY,
        "Wrong key",
        "us",
        (Subscription.SYSTEM,),
        "does not know the key",
    ),
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the events must come to; ``missing`` are the event types that no sample shows."""

    events: int
    unmatched: int
    notifications: Mapping[Part, int]
    missing: tuple[str, ...]


def sample_events() -> list[Event]:
    """The events shipped with the package. Raises Refused for a wrong one."""
    text = (files("wallarm_notify") / "samples" / "events.jsonl").read_text(encoding="utf-8")
    events = []
    for number, line in enumerate(text.splitlines(), 1):
        match read_event(json.loads(line)):
            case Rejection(reason=reason):
                raise Refused(f"sample events, line {number}: {reason}")
            case event:
                events.append(event)
    return events


def expected_of(events: Iterable[Event], roles: Sequence[Role] = ROLES) -> Expected:
    """What ``events`` must come to when ``roles`` are all there is."""
    events = list(events)
    takers = [
        [role for role in roles if event.subscription in role.subscriptions] for event in events
    ]
    return Expected(
        events=len(events),
        unmatched=takers.count([]),
        notifications={role.part: sum(role in taken for taken in takers) for role in roles},
        missing=tuple(sorted(EVENT_TYPES.keys() - {event.type for event in events})),
    )

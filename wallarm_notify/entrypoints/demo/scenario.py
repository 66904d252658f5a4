"""The demo's scenario: the sample events, the integrations, a trigger, and what is expected of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import EVENT_TYPES, Event, Rejection, Subscription
from wallarm_notify.domain.retry import WAITS
from wallarm_notify.schemas.read import read_event
from wallarm_notify.schemas.samples import sample_objects

CLIENT: Final = 1
"""The client of the sample events."""

SHORTENED: Final = 120
"""The factor by which the waits between attempts are shorter."""

RATE_LIMIT_PER_MINUTE: Final = 600
"""A rate limit above the default, as attempts that take an hour in production come within half a minute."""

OUTAGE_ATTEMPTS: Final = 14
"""The failed attempts of a notification, on average, before the failing PagerDuty recovers."""

ATTACKS: Final = 5
"""The attacks while the demo runs: one more than its trigger's threshold."""

TRIGGER: Final = (
    *("triggers", "create", "--client", str(CLIENT), "--condition", "attacks_exceeded"),
    *("--filter", "attack_type=sqli", "--threshold", f"{ATTACKS - 1} in 1h"),
    *("--name", "SQL injections", "--user", "demo"),
)
"""The command that creates the demo's trigger, without the integration that it notifies."""

WHOLE_SCHEDULE: Final = sum(WAITS, timedelta())


class Part(StrEnum):
    """What happens to an integration in the demo."""

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
    """What is expected of the events; ``missing`` are the event types without a sample."""

    events: int
    unmatched: int
    notifications: Mapping[Part, int]
    missing: tuple[str, ...]


def sample_events() -> list[Event]:
    """Return the sample events of the package. Raise Refused for a wrong one."""
    return [_accepted(one) for one in sample_objects()]


def attack_events(now: datetime) -> list[Event]:
    """Return the attacks that the demo's trigger counts: they happen ``now``, as old ones are not counted."""
    return [
        _accepted(
            {
                "id": str(uuid4()),
                "client_id": CLIENT,
                "type": "attack.detected",
                "occurred_at": now.isoformat(),
                "attack_id": number,
                "attack_type": "sqli",
                "ip": f"203.0.113.{number}",
                "host": "shop.example.com",
                "path": "/login",
                "target": "database",
            }
        )
        for number in range(1, ATTACKS + 1)
    ]


def _accepted(obj: Mapping[str, Any]) -> Event:
    match read_event(obj):
        case Rejection(reason=reason):
            raise Refused(reason, field="demo event")
        case event:
            return event


def with_trigger(expected: Expected, roles: Sequence[Role] = ROLES) -> Expected:
    """Return ``expected`` with the trigger's part: its creation, its attacks, and one firing."""
    gets_rules = {
        role.part: Subscription.RULES_AND_TRIGGERS in role.subscriptions for role in roles
    }
    fired = {Part.HEALTHY: 1}
    return replace(
        expected,
        events=expected.events + 1 + ATTACKS,
        unmatched=expected.unmatched + ATTACKS - 1,
        notifications={
            part: number + gets_rules[part] + fired.get(part, 0)
            for part, number in expected.notifications.items()
        },
    )


def expected_of(events: Iterable[Event], roles: Sequence[Role] = ROLES) -> Expected:
    """Return what is expected of ``events`` if ``roles`` are the only integrations."""
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

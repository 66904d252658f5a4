"""Something that happened in a client's account, and what kinds of it there are (spec 2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, Final
from uuid import UUID

AHEAD_AT_MOST: Final = timedelta(minutes=5)
"""An event may claim to be this far in the future, for clocks that differ (spec 2)."""

KEPT_APART_AT_MOST: Final = timedelta(hours=24)
"""One that claims more is kept apart till it does not; beyond this it is rejected (spec 2)."""


class Subscription(StrEnum):
    """What an integration can ask for on its card (spec 1)."""

    SYSTEM = "system"
    RULES_AND_TRIGGERS = "rules_and_triggers"
    SECURITY_ISSUE_CRITICAL = "security_issue_critical"
    SECURITY_ISSUE_HIGH = "security_issue_high"
    SECURITY_ISSUE_MEDIUM = "security_issue_medium"
    SECURITY_ISSUE_LOW = "security_issue_low"
    SECURITY_ISSUE_INFO = "security_issue_info"


SECURITY_ISSUES: Final = tuple(s for s in Subscription if s.startswith("security_issue_"))
"""What the word ``security_issue`` stands for: all five risks."""


class Severity(IntEnum):
    """PagerDuty's severities, ordered: the higher one goes first when grants are scarce."""

    INFO = 0
    WARNING = 1
    ERROR = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """The word PagerDuty knows it by."""
        return self.name.lower()


SEVERITY_OF_RISK: Final = {
    "critical": Severity.CRITICAL,
    "high": Severity.ERROR,
    "medium": Severity.WARNING,
    "low": Severity.INFO,
    "info": Severity.INFO,
}


@dataclass(frozen=True, slots=True)
class EventType:
    """One row of the table of spec 2.

    ``subscription`` is None for types that only triggers use, and for security issues, whose
    subscription follows the risk. ``severity`` likewise does not hold for security issues.
    """

    name: str
    notification_type: str
    headline: str
    subscription: Subscription | None = None
    severity: Severity = Severity.INFO


_SYSTEM = Subscription.SYSTEM
_RULES = Subscription.RULES_AND_TRIGGERS

EVENT_TYPES: Final[Mapping[str, EventType]] = {
    t.name: t
    for t in (
        EventType(
            "user.created",
            "create_user",
            "New user was added to the company account",
            _SYSTEM,
        ),
        EventType(
            "user.deleted",
            "delete_user",
            "User was deleted from the company account",
            _SYSTEM,
        ),
        EventType("user.role_changed", "update_user", "User role was changed", _SYSTEM),
        EventType(
            "integration.disabled", "disable_integration", "Integration was disabled", _SYSTEM
        ),
        EventType("integration.deleted", "delete_integration", "Integration was deleted", _SYSTEM),
        EventType(
            "integration.auto_disabled",
            "integration_broken",
            "Integration was disabled automatically",
            _SYSTEM,
            Severity.WARNING,
        ),
        EventType("application.created", "create_application", "Application was created", _SYSTEM),
        EventType("application.deleted", "delete_application", "Application was deleted", _SYSTEM),
        EventType("application.renamed", "update_application", "Application was renamed", _SYSTEM),
        EventType(
            "specification.update_failed",
            "api_spec_update_failed",
            "Specification could not be updated",
            _SYSTEM,
            Severity.WARNING,
        ),
        EventType("rule.created", "rule_create", "Rule was created", _RULES),
        EventType("rule.updated", "rule_update", "Rule was changed", _RULES),
        EventType("rule.deleted", "rule_delete", "Rule was deleted", _RULES),
        EventType("trigger.created", "trigger_create", "Trigger was created", _RULES),
        EventType("trigger.updated", "trigger_update", "Trigger was changed", _RULES),
        EventType("trigger.deleted", "trigger_delete", "Trigger was deleted", _RULES),
        EventType("security_issue.detected", "security_issue", "New security issue detected"),
        EventType("attack.detected", "attacks_exceeded", ""),
        EventType("hit.detected", "attacks_exceeded", ""),
        EventType("incident.detected", "incidents_exceeded", ""),
        EventType(
            "api.changed",
            "api_structure_changed",
            "A new endpoint has been discovered in your API",
        ),
        EventType("ip.denylisted", "ip_blocked", "New IP address was denylisted"),
        EventType(
            "rogue_api.detected",
            "api_comparison_result",
            "A new shadow endpoint has been discovered in your API",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Event:
    """An accepted event.

    ``body`` is the whole object as the producer sent it (JSON values), unknown fields included, with
    U+FFFD for what is no character; ``text`` is its canonical JSON where it has just been read, else
    empty. ``body_hash`` is the SHA-256 of it in the one spelling that all have: same id and same hash
    is a duplicate. ``hash_before`` is that of its own spelling, by which rows are known that were stored
    before spellings were told apart from values; None where it is the same.
    """

    id: UUID
    client_id: int
    type: str
    occurred_at: datetime
    body: Mapping[str, Any]
    body_hash: bytes
    text: str = ""
    hash_before: bytes | None = None

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes that a row with this very body may have."""
        return _hashes(self.body_hash, self.hash_before)

    @property
    def subscription(self) -> Subscription | None:
        """What an integration must subscribe to for this event; None: only triggers use it."""
        if self.type == "security_issue.detected":
            return Subscription(f"security_issue_{self.body['risk']}")
        return EVENT_TYPES[self.type].subscription

    @property
    def severity(self) -> Severity:
        """How loud the alert is (spec 4)."""
        if self.type == "security_issue.detected":
            return SEVERITY_OF_RISK[self.body["risk"]]
        return EVENT_TYPES[self.type].severity


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event, or a whole call, that cannot be taken in; kept with its reason (spec 2).

    ``text`` is its canonical JSON in ASCII, or, where it could not be read, what came; where it is ``cut``,
    the first 64 kB of it in UTF-8. ``body_hash`` is that of the whole, and ``hash_before`` too, as events
    have them. ``is_for_its_time`` tells that its time alone is wrong: whose clock is wrong is not known, so
    none of these is left out however many there are.
    """

    reason: str
    text: str
    body_hash: bytes
    cut: bool = False
    event_id: UUID | None = None
    client_id: int | None = None
    type: str | None = None
    is_for_its_time: bool = False
    hash_before: bytes | None = None

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes that a row with this very body may have."""
        return _hashes(self.body_hash, self.hash_before)


def _hashes(by_value: bytes, before: bytes | None) -> tuple[bytes, ...]:
    return (by_value,) if before is None else (by_value, before)


def is_ahead(event: Event, now: datetime) -> bool:
    """Whether ``event`` claims to come from the future: it is not taken in yet (spec 2)."""
    return event.occurred_at > now + AHEAD_AT_MOST


def is_too_far_ahead(event: Event, now: datetime) -> bool:
    """Whether it claims to come from so far in the future that nobody waits for it (spec 2)."""
    return event.occurred_at > now + KEPT_APART_AT_MOST


@dataclass(frozen=True, slots=True)
class Arrival:
    """A stored event, and when it came in."""

    event: Event
    at: datetime

"""Events: what happens in a client's account, and its types (spec 2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

from wallarm_notify.domain.errors import Refused

AHEAD_AT_MOST: Final = timedelta(minutes=5)
"""How far in the future an event's time may be, for clocks that differ (spec 2)."""

KEPT_APART_AT_MOST: Final = timedelta(hours=24)
"""How far in the future an event's time may be so that it is kept until then; beyond, it is rejected (spec 2)."""


class Subscription(StrEnum):
    """The kinds of events that an integration can ask for on its card (spec 1)."""

    SYSTEM = "system"
    RULES_AND_TRIGGERS = "rules_and_triggers"
    SECURITY_ISSUE_CRITICAL = "security_issue_critical"
    SECURITY_ISSUE_HIGH = "security_issue_high"
    SECURITY_ISSUE_MEDIUM = "security_issue_medium"
    SECURITY_ISSUE_LOW = "security_issue_low"
    SECURITY_ISSUE_INFO = "security_issue_info"


SECURITY_ISSUES: Final = tuple(s for s in Subscription if s.startswith("security_issue_"))
"""The five risks that the word ``security_issue`` stands for."""


class Severity(IntEnum):
    """PagerDuty's severities, in order: the highest gets the first grant of a rate limit."""

    INFO = 0
    WARNING = 1
    ERROR = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """PagerDuty's word for the severity."""
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

    ``subscription`` is None for types that only triggers use, and for security issues, whose subscription
    depends on the risk. ``severity`` does not hold for security issues either.
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


def check_event_type(name: str) -> str:
    """Return ``name``, which is one of the event types. Raise Refused, which lists them."""
    if name not in EVENT_TYPES:
        raise Refused(
            f"there is no «{name}»; permitted are {', '.join(EVENT_TYPES)}.", field="type"
        )
    return name


EventKey: TypeAlias = tuple[int, UUID]
"""What identifies an event: its client, and the id that the client's producer gave it (spec, words)."""


@dataclass(frozen=True, slots=True)
class Event:
    """An accepted event.

    ``body`` is the whole object as the producer sent it (JSON values), unknown fields included, with U+FFFD
    for what is no character; ``text`` is its canonical JSON if it has just been read, else empty.
    ``body_hash`` is the SHA-256 of it with every value written in one way: an event with an equal key and
    hash is a duplicate. ``hash_before`` is the hash of the body as it was written, which identifies rows of
    earlier versions; None if it is equal. ``sent_by`` is the process that sent it, as it names itself (Celery's
    ``origin``, a printable text of up to 255 characters); None: it did not say, or the event is our own.
    """

    id: UUID
    client_id: int
    type: str
    occurred_at: datetime
    body: Mapping[str, Any]
    body_hash: bytes
    text: str = ""
    hash_before: bytes | None = None
    sent_by: str | None = None

    @property
    def key(self) -> EventKey:
        """What identifies it: another client's event may have the same id."""
        return self.client_id, self.id

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes that a row with exactly this body may have."""
        return _hashes(self.body_hash, self.hash_before)

    @property
    def subscription(self) -> Subscription | None:
        """What an integration must subscribe to for this event, or None if only triggers use it."""
        if self.type == "security_issue.detected":
            return Subscription(f"security_issue_{self.body['risk']}")
        return EVENT_TYPES[self.type].subscription

    @property
    def severity(self) -> Severity:
        """The severity of the alert (spec 4)."""
        if self.type == "security_issue.detected":
            return SEVERITY_OF_RISK[self.body["risk"]]
        return EVENT_TYPES[self.type].severity


class Wrong(StrEnum):
    """What is wrong with a rejected event: a closed set, where its reason is a sentence for people."""

    CALL = "call"
    """The arguments of the call; it is kept as one."""
    JSON = "json"
    """It is no object, or holds what cannot be stored."""
    SIZE = "size"
    FIELDS = "fields"
    """A field is missing, or has a wrong value; the type is one of them."""
    TIME = "time"
    """Nothing but its time: before 2015, or too far ahead."""
    CONFLICT = "conflict"
    """Another event was taken in under its id."""
    DATABASE = "database"
    """The database refused it, or this program failed over it."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A dead letter: an event, or a whole call, that cannot be taken in, with its reason (spec 2).

    ``text`` is its canonical JSON in ASCII, or the original text if it could not be read; if it is ``cut``,
    the first 64 kB of it in UTF-8. ``body_hash`` and ``hash_before`` are of the whole, as events have them.
    ``sent_by``: as events have it.
    """

    reason: str
    text: str
    body_hash: bytes
    cut: bool = False
    event_id: UUID | None = None
    client_id: int | None = None
    type: str | None = None
    wrong: Wrong = Wrong.FIELDS
    hash_before: bytes | None = None
    sent_by: str | None = None

    @property
    def is_for_its_time(self) -> bool:
        """Whether only its time is wrong.

        It is not known whose clock is wrong, so such rejections are kept however many there are.
        """
        return self.wrong is Wrong.TIME

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes that a row with exactly this body may have."""
        return _hashes(self.body_hash, self.hash_before)


def _hashes(by_value: bytes, before: bytes | None) -> tuple[bytes, ...]:
    return (by_value,) if before is None else (by_value, before)


def is_ahead(event: Event, now: datetime) -> bool:
    """Return whether the time of ``event`` lies in the future: it is taken in later (spec 2)."""
    return event.occurred_at > now + AHEAD_AT_MOST


def is_too_far_ahead(event: Event, now: datetime) -> bool:
    """Return whether the time of ``event`` lies so far in the future that it is rejected (spec 2)."""
    return event.occurred_at > now + KEPT_APART_AT_MOST


@dataclass(frozen=True, slots=True)
class Arrival:
    """A stored event, and when it was received."""

    event: Event
    at: datetime

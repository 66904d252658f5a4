"""Integrations: a client's service in PagerDuty, with its key, region and subscriptions (spec 1)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from wallarm_notify.domain.actor import REVIEW
from wallarm_notify.domain.drill import LastDrill
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import SECURITY_ISSUES, Event, Subscription
from wallarm_notify.domain.pause import DisabledUntil
from wallarm_notify.domain.summary_form import SummaryForm
from wallarm_notify.domain.unsent import Unsent

REGIONS: Final = ("us", "eu")


class IntegrationState(StrEnum):
    """Whether an integration is sent anything; if not, whether somebody disabled it or its failures did (spec 6)."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    DISABLED_AUTOMATICALLY = "disabled_automatically"


_KEY: Final = re.compile(r"[A-Za-z0-9]{32}")
_MASK: Final = re.compile(r"…[A-Za-z0-9]{4}")
_REST_KEY_LENGTH: Final = 20
_REST_KEY: Final = re.compile(r"[A-Za-z0-9_+\-]{20}")


class IntegrationKey:
    """A PagerDuty integration key that cannot be printed by accident: only ``reveal`` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def parse(cls, text: str) -> "IntegrationKey":
        """Return the key in ``text``, without surrounding white space.

        Raise Refused, which never contains ``text``.
        """
        stripped = text.strip()
        if _KEY.fullmatch(stripped):
            return cls(stripped)
        if _REST_KEY.fullmatch(stripped):
            raise Refused(
                f"this looks like a PagerDuty REST API key ({_REST_KEY_LENGTH} characters); "
                "give the 32-character Integration Key of an «Events API v2» integration of the "
                "service instead.",
                field="key",
            )
        raise Refused(
            "an integration key is 32 letters and digits; what was given has "
            f"{len(stripped)} characters{'' if stripped.isalnum() else ', not all of them letters or digits'}. "
            "Copy the Integration Key of an «Events API v2» integration of the PagerDuty service.",
            field="key",
        )

    def reveal(self) -> str:
        """Return the key itself: only to be sent, encrypted or fingerprinted."""
        return self._text

    @property
    def masked(self) -> str:
        """The form that people may see."""
        return f"…{self._text[-4:]}"

    def __repr__(self) -> str:
        return self.masked

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(self.masked, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntegrationKey) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class KeyMask:
    """The form of a key that people may see, given in the key's place.

    Whoever writes back what was read wants the key to stay.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> "KeyMask | None":
        """Return the mask in ``text``; None: it is none."""
        return cls(text) if _MASK.fullmatch(text) else None


def parse_subscriptions(words: Iterable[str]) -> tuple[Subscription, ...]:
    """Return the subscriptions that ``words`` name, in the order of the card; ``security_issue`` is all five.

    Raise Refused for an unknown word.
    """
    chosen: set[Subscription] = set()
    for word in words:
        if word == "security_issue":
            chosen.update(SECURITY_ISSUES)
        elif word in set(Subscription):
            chosen.add(Subscription(word))
        else:
            known = ", ".join([*Subscription, "security_issue"])
            raise Refused(f"there is no «{word}»; permitted are {known}.", field="subscriptions")
    return tuple(s for s in Subscription if s in chosen)


def parse_region(text: str) -> str:
    """Return ``us`` or ``eu``. Raise Refused for any other text."""
    if text not in REGIONS:
        raise Refused(
            f"there is no «{text}»; PagerDuty's service regions are us and eu.", field="region"
        )
    return text


def default_name(user: str, today: datetime) -> str:
    """Return the name of an integration that was given none (spec 1): ``… by <user>, <Mon D>``."""
    return f"PagerDuty integration by {user}, {today:%b} {today.day}"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """The fields of an integration that routing needs.

    ``disablings`` counts how often it was disabled: a notification made before the latest time is cancelled
    (spec 1).
    """

    id: int
    client_id: int
    subscriptions: frozenset[str]
    enabled: bool
    disablings: int


@dataclass(frozen=True, slots=True)
class Subscribers:
    """The integrations of some clients, enabled or not, and the version of each client's rules that they are of.

    Version 0: the client never had rules.
    """

    rules_versions: Mapping[int, int]
    integrations: Mapping[int, Sequence[Subscriber]]

    def of(self, event: Event) -> list[Subscriber]:
        """Return which ones ``event`` goes to; for a disabled one the notification is skipped."""
        wanted = event.subscription
        if wanted is None:
            return []
        return [i for i in self.integrations.get(event.client_id, ()) if wanted in i.subscriptions]


@dataclass(frozen=True, slots=True)
class Integration:
    """An integration as people see it: only the last four characters of its key.

    ``proven_at`` is when PagerDuty took a drill by its present key and region last; None: it never did.
    """

    id: int
    client_id: int
    name: str
    region: str
    key_last4: str
    subscriptions: Sequence[str]
    enabled: bool
    created_by: str
    created_at: datetime
    disabled_by: str | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    summary: SummaryForm = SummaryForm.BRIEF
    disabled_until: datetime | None = None
    failed_24h: int = 0
    proven_at: datetime | None = None
    last_drill: LastDrill | None = None
    warnings: Sequence[str] = field(default=())

    @property
    def state(self) -> IntegrationState:
        """Whether it is sent anything, and if not whether somebody wanted that."""
        if self.enabled:
            return IntegrationState.ENABLED
        if self.disabled_by == REVIEW.name:
            return IntegrationState.DISABLED_AUTOMATICALLY
        return IntegrationState.DISABLED

    @property
    def key(self) -> str:
        """The masked key."""
        return f"…{self.key_last4}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A new integration, before it has an id; a ``name``, ``region`` or ``summary`` of None takes the default.

    That of the region follows from the client's cloud (``domain.original.region_of``).
    """

    client_id: int
    region: str | None
    subscriptions: tuple[str, ...]
    enabled: bool
    name: str | None = None
    summary: SummaryForm | None = None


@dataclass(frozen=True, slots=True)
class IntegrationChange:
    """The fields that a change sets; None leaves a field as it is.

    ``reason`` is why it is disabled, which its subscribers are sent; nothing else needs one. ``until`` is when
    its disabling ends; of one that is disabled already, only the end changes. ``kept_key`` is the mask of the key
    that is to stay: the change is refused where there is another by now. ``marks`` are those of the settings that
    were shown (``domain.meanwhile``): it is refused where somebody has changed them since.
    """

    name: str | None = None
    region: str | None = None
    subscriptions: tuple[str, ...] | None = None
    key: IntegrationKey | None = None
    summary: SummaryForm | None = None
    enabled: bool | None = None
    reason: str = ""
    until: DisabledUntil | None = None
    kept_key: KeyMask | None = None
    marks: str | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether all is left as it is."""
        return self.enabled is None and self.until is None and not self.sets

    @property
    def sets(self) -> bool:
        """Whether it sets more than the switch."""
        values = (self.name, self.region, self.subscriptions, self.key, self.summary)
        return any(value is not None for value in values)

    @property
    def is_another_way(self) -> bool:
        """Whether requests go out by another key or to another region: a clean failure window."""
        return self.key is not None or self.region is not None


@dataclass(frozen=True, slots=True)
class Stored:
    """An integration's locked row."""

    id: int
    client_id: int
    name: str
    region: str
    subscriptions: frozenset[str]
    summary: SummaryForm
    enabled: bool
    disablings: int
    generation: int
    key_token: bytes
    key_fingerprint: bytes
    disabled_until: datetime | None = None


def news_of(
    stored: Stored, change: IntegrationChange, fingerprint: bytes | None
) -> IntegrationChange:
    """Return what of ``change`` is another than what is stored; ``fingerprint`` is that of its key."""
    wanted = change.subscriptions
    return replace(
        change,
        name=None if change.name == stored.name else change.name,
        region=None if change.region == stored.region else change.region,
        subscriptions=None if wanted is None or stored.subscriptions == set(wanted) else wanted,
        key=None if fingerprint == stored.key_fingerprint else change.key,
        summary=None if change.summary == stored.summary else change.summary,
        enabled=None if change.enabled == stored.enabled else change.enabled,
        until=change.until if _is_another_end(stored, change) else None,
        kept_key=None,
        marks=None,
    )


def check_kept(mask: KeyMask | None, integration: Integration) -> None:
    """Raise Refused where ``mask`` is not that of the key that ``integration`` has: somebody has changed it."""
    if mask is not None and mask.text != integration.key:
        raise Refused(
            "this is not the end of the key that the integration has now; read it again, or give a key.",
            field="key",
        )


def _is_another_end(stored: Stored, change: IntegrationChange) -> bool:
    """Return whether a change sets when the disabling ends: of what it disables, or what is disabled."""
    if change.until is None or change.enabled or (stored.enabled and change.enabled is None):
        return False
    return stored.enabled or change.until.at != stored.disabled_until


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """The result of a disabling: how many are notified, how many were cancelled, whether itself is notified last.

    ``triggers`` are those that a deleted integration was removed from; False marks one left without
    integrations.
    """

    told: int
    cancelled: int
    closing: bool
    triggers: Mapping[int, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a change of an integration came to.

    ``news`` is what of it was another than before: nothing else was done. ``off`` is what disabling came
    to, ``unsent`` what had not been delivered before enabling; None where it was not switched so.
    """

    integration: Integration
    news: IntegrationChange
    off: SwitchedOff | None = None
    unsent: Unsent | None = None

"""The activity log: each change that somebody made, with what was there before and after (spec 9)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from wallarm_notify.domain.actor import Actor, Source
from wallarm_notify.domain.period import ALWAYS, Period


class Action(StrEnum):
    """What somebody did."""

    CREATED = "created"
    UPDATED = "updated"
    ENABLED = "enabled"
    DISABLED = "disabled"
    DELETED = "deleted"
    REPLAYED = "replayed"
    CANCELLED = "cancelled"
    RESUBMITTED = "resubmitted"
    ROTATED = "rotated"
    RENEWED = "renewed"


class ObjectType(StrEnum):
    """What it was done to."""

    INTEGRATION = "integration"
    TRIGGER = "trigger"
    CLIENT = "client"
    APPLICATION = "application"
    USER = "user"
    TOKEN = "token"  # noqa: S105 - a word, no password
    SESSION = "session"
    REJECTED_EVENT = "rejected_event"
    UNDECODABLE_MESSAGE = "undecodable_message"
    SET_ASIDE_CALL = "set_aside_call"
    ENCRYPTION_KEYS = "encryption_keys"


RULES = frozenset({ObjectType.INTEGRATION, ObjectType.TRIGGER})
"""What decides who is notified: a change of one raises its client's ``rules_version``."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object: what is written into the activity log, in the change's own transaction.

    ``before`` and ``after`` hold the fields that differ, as JSON has them, and never a secret: a key is
    shown by its last four characters. What was created has no ``before``, what was deleted no ``after``.
    ``client_id`` None: it is nobody's. ``object_id`` None: there is one of its type.
    """

    action: Action
    object_type: ObjectType
    client_id: int | None = None
    object_id: int | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_of_rules(self) -> bool:
        """Whether it changes who is notified of what."""
        return self.object_type in RULES and self.action in _OF_RULES


def action_of(enabled: bool | None) -> Action:
    """Return what a change did to a thing that has a switch; None: it did not touch that."""
    if enabled is None:
        return Action.UPDATED
    return Action.ENABLED if enabled else Action.DISABLED


_OF_RULES = frozenset(
    {Action.CREATED, Action.UPDATED, Action.ENABLED, Action.DISABLED, Action.DELETED}
)


@dataclass(frozen=True, slots=True)
class Activity:
    """A line of the activity log: who changed what, when."""

    id: int
    at: datetime
    actor: Actor
    change: Change


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """Which lines of the log are wanted; None: whatever they are of. ``oldest_first`` turns their order round.

    Of ``user_ids`` 0 stands for whoever is no user.
    """

    object_types: frozenset[ObjectType] | None = None
    actions: frozenset[Action] | None = None
    sources: frozenset[Source] | None = None
    user_ids: frozenset[int] | None = None
    period: Period = ALWAYS
    oldest_first: bool = False

    def among(self, object_types: frozenset[ObjectType]) -> "ActivityFilter":
        """Return those of these lines that are of ``object_types``."""
        asked = object_types if self.object_types is None else self.object_types & object_types
        return replace(self, object_types=asked)


LINK_FOR: Final = "sign_in_link_for"
"""The field by which a line of a user says that a sign-in link was made, with the user's e-mail address."""


def link_made(client_id: int | None, user_id: int, email: str) -> Change:
    """Return the line of a link that was made to sign in as a user."""
    return Change(Action.UPDATED, ObjectType.USER, client_id, user_id, after={LINK_FOR: email})


def difference(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields that differ between two objects, as they were and as they are."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return (
        {name: before[name] for name in names if name in before},
        {name: after[name] for name in names if name in after},
    )

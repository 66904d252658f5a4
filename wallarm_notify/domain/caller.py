"""A caller: who was let in, in which role, and whose things (spec 9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from wallarm_notify.domain.actor import Actor, Role, Source
from wallarm_notify.domain.rights import lesser, scope_of
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.token import is_expired

USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""How often it is written at most when a token was used: a row is not to be written on each call."""


_LONGEST_SENDER: Final = 200
"""So many characters of a name go with each event; workers take 255 in all."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. ``client_id`` is the own client; None: all clients. ``user_id`` None: the token is shared.

    ``token_id`` None: a user who signed in without one.
    """

    actor: Actor
    scope: Scope
    client_id: int | None
    user_id: int | None
    token_id: int | None

    @property
    def sender(self) -> str:
        """Who sends events, as people look it up: the token's number and the name, no secret."""
        by = f"user {self.user_id}" if self.token_id is None else f"token {self.token_id}"
        return f"{by} ({self.actor.name[:_LONGEST_SENDER]})"


@dataclass(frozen=True, slots=True)
class Owner:
    """The user whom a token belongs to."""

    name: str
    role: Role
    client_id: int | None
    enabled: bool


@dataclass(frozen=True, slots=True)
class Admission:
    """What decides whether a stored token lets somebody in.

    ``owner`` None: the user is not there, if there is a ``user_id``; else it is shared. ``access`` is whether the
    client's people and programs are let in at all. ``secret_hash`` is that of its pair.
    """

    token_id: int
    client_id: int | None
    user_id: int | None
    name: str
    role: Role
    enabled: bool
    expires_at: datetime | None
    last_used_at: datetime | None
    secret_hash: bytes | None
    owner: Owner | None
    access: bool
    children: Sequence[int]


@dataclass(frozen=True, slots=True)
class UserAdmission:
    """What decides whether a user is let in; ``access`` and ``children`` as of ``Admission``."""

    user_id: int
    client_id: int | None
    email: str
    name: str
    role: Role
    enabled: bool
    access: bool
    children: Sequence[int]


def caller_of_user(found: UserAdmission) -> Caller | None:
    """Return the user who signed in to the console; None: the user is let in no more."""
    if not found.enabled or not found.access:
        return None
    return Caller(
        actor=Actor(found.name, found.role, Source.CONSOLE, found.user_id),
        scope=scope_of(found.role, found.client_id, found.children),
        client_id=found.client_id,
        user_id=found.user_id,
        token_id=None,
    )


def caller_of(
    found: Admission, now: datetime, source: Literal[Source.API, Source.CONSOLE] = Source.API
) -> Caller | None:
    """Return who is let in by a token, by that way in; None: nobody.

    The rights of its owner are the limit: an owner who is disabled, or is of another client by now, ends it.
    """
    if not found.enabled or not found.access or is_expired(found.expires_at, now):
        return None
    role: Role | None = found.role
    name = found.name
    if found.user_id is not None:
        owner = found.owner
        if owner is None or not owner.enabled or owner.client_id != found.client_id:
            return None
        role, name = lesser(found.role, owner.role), owner.name
    if role is None:
        return None
    return Caller(
        actor=Actor(name, role, source, found.user_id),
        scope=scope_of(role, found.client_id, found.children),
        client_id=found.client_id,
        user_id=found.user_id,
        token_id=found.token_id,
    )


def is_use_to_be_noted(found: Admission, now: datetime) -> bool:
    """Return whether the last use that is stored is so long ago that this one is written."""
    return found.last_used_at is None or now - found.last_used_at >= USE_NOTED_EVERY

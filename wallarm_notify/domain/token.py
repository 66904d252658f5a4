"""Tokens: what programs present to be let in (spec 9).

A token is 48 random bytes. Of it, and of the secret of its UUID, the database has only the SHA-256. A slow hash with a
salt is for what people choose: nobody guesses 384 random bits, and a token has to be found by its hash on each call.
"""

import hashlib
import hmac
import re
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.pause import words_of

BYTES: Final = 48
"""Random bytes of a token: 64 characters of base64, which need no padding."""

SHOWN: Final = 5
"""So many of its first characters are kept, by which its owner knows it again."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9+/]{64}")
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{40,100}")

Random = Callable[[int], bytes]
"""What returns so many random bytes."""


class Secret:
    """A token, or the secret of a UUID; it cannot be printed by accident: only ``reveal`` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself: only to be shown to its owner, once."""
        return self._text

    @property
    def hash(self) -> bytes:
        """What the database has of it: its SHA-256."""
        return hashlib.sha256(self._text.encode()).digest()

    @property
    def first_characters(self) -> str:
        """What people are shown of it later."""
        return self._text[:SHOWN]

    def __repr__(self) -> str:
        return "a secret"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.hash, other.hash)

    def __hash__(self) -> int:
        return hash(self.hash)


@dataclass(frozen=True, slots=True)
class Pair:
    """A UUID and its secret, which older programs present in place of a token."""

    uuid: UUID
    secret: Secret

    def opens(self, secret_hash: bytes | None) -> bool:
        """Return whether the stored hash is that of the secret.

        How long that takes says nothing of where they differ.
        """
        return secret_hash is not None and hmac.compare_digest(self.secret.hash, secret_hash)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the owner of a token is shown once: the token, and the pair that stands for it."""

    token: Secret
    pair: Pair | None = None


@dataclass(frozen=True, slots=True)
class Presented:
    """What somebody presents, as the headers have it: a token, or a UUID with its secret.

    None: it was not sent.
    """

    token: str | None = field(default=None, repr=False)
    uuid: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was sent, so that nobody has guessed."""
        return self.token is None and self.uuid is None and self.secret is None

    def read(self) -> Secret | Pair | None:
        """Return what it may be by its form; None: nothing that was ever given out. A token goes before a pair."""
        if self.token is not None:
            return Secret(self.token) if _TOKEN.fullmatch(self.token) else None
        if self.uuid is None or self.secret is None or not _SECRET.fullmatch(self.secret):
            return None
        try:
            return Pair(UUID(self.uuid), Secret(self.secret))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class TokenDraft:
    """A token that is to be made.

    ``client_id`` None: it is of all clients. ``user_id`` None: nobody owns it, it is shared. ``name`` None: a
    default. ``expires_at`` None: never.
    """

    client_id: int | None
    role: Role
    user_id: int | None = None
    name: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A token as people see it: all but the secrets."""

    id: int
    client_id: int | None
    user_id: int | None
    user_email: str | None
    name: str
    role: Role
    first_characters: str
    uuid: UUID | None
    expires_at: datetime | None
    last_used_at: datetime | None
    enabled: bool
    created_at: datetime
    created_by: str


def make_credentials(*, with_uuid: bool, random: Random = secrets.token_bytes) -> Credentials:
    """Return a new token, with a UUID and its secret where these are asked for."""
    token = Secret(b64encode(random(BYTES)).decode())
    if not with_uuid:
        return Credentials(token)
    secret = Secret(urlsafe_b64encode(random(BYTES)).decode())
    return Credentials(token, Pair(UUID(bytes=random(16), version=4), secret))


def is_expired(expires_at: datetime | None, now: datetime) -> bool:
    """Return whether a token that is valid before ``expires_at`` is so no more; None: it never ends."""
    return expires_at is not None and expires_at <= now


def check_expiry(expires_at: datetime | None, now: datetime) -> None:
    """Raise Refused where a token would be made that is expired already."""
    if is_expired(expires_at, now) and expires_at is not None:
        raise Refused(
            f"{words_of(expires_at)} is past; it is {words_of(now)}. Give a time to come.",
            field="expires",
        )


def default_name(user: str, now: datetime) -> str:
    """Return the name of a token that ``user`` gave none."""
    return f"Token by {user}, {now:%b} {now.day}"

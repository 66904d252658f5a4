"""Sessions: people who have signed in to the console, and the links by which they do (spec 9).

What a browser presents, and what a link carries, is 32 random bytes; the database has their SHA-256 alone.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.caller import Caller
from wallarm_notify.domain.token import Secret

IDLE: Final = timedelta(hours=12)
"""A session that was not used for so long has ended."""

LONGEST: Final = timedelta(days=7)
"""So long after its beginning a session has ended, however much it was used."""

LINK_VALID: Final = timedelta(minutes=10)
"""So long a link signs in, once."""

MOST_SESSIONS: Final = 20
"""So many sessions of a person, or of a shared token, are kept: another one ends the oldest."""

USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""How often it is written at most when a session was used."""

_BYTES: Final = 32
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_FORMS: Final = b"forms of the console"


class Way(StrEnum):
    """How somebody signed in: by a link, by a token, or as a trusted proxy says."""

    LINK = "link"
    TOKEN = "token"  # noqa: S105 - a word, no password
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Session:
    """A session: ``user_id`` is who signed in, ``token_id`` by which token; one of both may be None."""

    id: int
    way: Way
    user_id: int | None
    token_id: int | None
    created_at: datetime
    last_used_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A session as people see it.

    ``who`` is the user's e-mail address, or the name of the token that is shared; ``role`` is that one's too.
    """

    session: Session
    who: str
    client_id: int | None
    role: Role

    @property
    def id(self) -> int:
        """Its number."""
        return self.session.id


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in, and in which session; ``email`` is the user's, None: a shared token has none."""

    session: Session
    caller: Caller
    email: str | None


def new_secret() -> Secret:
    """Return what a session, or a link, is known by."""
    return Secret(secrets.token_urlsafe(_BYTES))


def read_secret(text: str) -> Secret | None:
    """Return what ``text`` may be by its form; None: nothing that was ever given out."""
    return Secret(text) if _SECRET.fullmatch(text) else None


def form_token(session: Secret) -> str:
    """Return what each form of a session carries: only who has the session's cookie can have made it."""
    return hmac.digest(session.reveal().encode(), _FORMS, "sha256").hex()


def is_form_token(session: Secret, text: str) -> bool:
    """Return whether ``text`` is what the session's forms carry, in a time that says nothing of it."""
    return hmac.compare_digest(form_token(session).encode(), text.encode())


def is_own(session: Session, own: Session) -> bool:
    """Return whether a session is of whoever has the session ``own``: of that user, or of that shared token."""
    if own.user_id is not None:
        return session.user_id == own.user_id
    return session.user_id is None and session.token_id == own.token_id


def is_over(session: Session, now: datetime) -> bool:
    """Return whether a session lets nobody in any more.

    It was ended, is too old, or was not used for 12 hours.
    """
    if session.ended_at is not None or now - session.created_at >= LONGEST:
        return True
    return now - session.last_used_at >= IDLE


def is_use_to_be_noted(session: Session, now: datetime) -> bool:
    """Return whether the last use that is stored is so long ago that this one is written."""
    return now - session.last_used_at >= USE_NOTED_EVERY

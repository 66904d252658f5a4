"""Documents of users and tokens (spec 9)."""

from datetime import datetime
from uuid import UUID

from typing_extensions import TypedDict

from wallarm_notify.domain.token import Credentials, Token
from wallarm_notify.domain.user import User


class UserDocument(TypedDict):
    """A person who may sign in."""

    id: int
    """The number by which commands and the activity log name the user."""
    client_id: int | None
    """The client that the user belongs to; null: an operator, who belongs to none."""
    email: str
    """The e-mail address, in small letters; no two users have the same."""
    name: str
    """How people know the user."""
    role: str
    """What the user may do, as admin, analytic, auditor."""
    enabled: bool
    """Whether the user and the user's tokens are let in."""
    created_at: datetime
    """When it was created."""
    created_by: str
    """Who created it."""
    last_login_at: datetime | None
    """When the user signed in last; null: never."""


class TokenDocument(TypedDict):
    """A token, without what is secret of it."""

    id: int
    """The number by which commands and the activity log name it."""
    client_id: int | None
    """The client whose it is; null: it is of all clients."""
    user_id: int | None
    """The user whose rights are its limit; null: it is shared."""
    user_email: str | None
    """That user's e-mail address."""
    name: str
    """How people know it."""
    role: str
    """What it allows at most, as admin, analytic, operator, producer."""
    first_characters: str
    """What it begins with."""
    uuid: UUID | None
    """The UUID that, with its secret, stands for it; null: there is none."""
    expires_at: datetime | None
    """From when on it lets nobody in; null: never."""
    last_used_at: datetime | None
    """When it was used last, to the minute; null: never."""
    enabled: bool
    """Whether it lets anybody in; one that was disabled stays so."""
    created_at: datetime
    """When it was created."""
    created_by: str
    """Who created it."""


class MadeTokenDocument(TypedDict):
    """A token that was just made or renewed, with its secrets, which are shown this once."""

    id: int
    """The number by which commands and the activity log name it."""
    token: str
    """The token: 64 characters, to be sent in the header X-WallarmApi-Token."""
    uuid: UUID | None
    """The UUID that older programs send in its place, in X-WallarmAPI-UUID; null: there is none."""
    secret: str | None
    """The secret that they send with it, in X-WallarmAPI-Secret."""
    client_id: int | None
    """The client whose it is; null: it is of all clients."""
    user_id: int | None
    """The user whose rights are its limit; null: it is shared."""
    user_email: str | None
    """That user's e-mail address."""
    name: str
    """How people know it."""
    role: str
    """What it allows at most, as admin, analytic, operator, producer."""
    expires_at: datetime | None
    """From when on it lets nobody in; null: never."""
    created_at: datetime
    """When it was created."""
    created_by: str
    """Who created it."""


def user_document(user: User) -> UserDocument:
    """Return the document of a user."""
    return {
        "id": user.id,
        "client_id": user.client_id,
        "email": user.email,
        "name": user.name,
        "role": str(user.role),
        "enabled": user.enabled,
        "created_at": user.created_at,
        "created_by": user.created_by,
        "last_login_at": user.last_login_at,
    }


def token_document(token: Token) -> TokenDocument:
    """Return the document of a token, without what is secret of it."""
    return {
        "id": token.id,
        "client_id": token.client_id,
        "user_id": token.user_id,
        "user_email": token.user_email,
        "name": token.name,
        "role": str(token.role),
        "first_characters": token.first_characters,
        "uuid": token.uuid,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "enabled": token.enabled,
        "created_at": token.created_at,
        "created_by": token.created_by,
    }


def made_token_document(token: Token, credentials: Credentials) -> MadeTokenDocument:
    """Return the document of a token with its secrets: the only one that ever has them."""
    pair = credentials.pair
    return {
        "id": token.id,
        "token": credentials.token.reveal(),
        "uuid": None if pair is None else pair.uuid,
        "secret": None if pair is None else pair.secret.reveal(),
        "client_id": token.client_id,
        "user_id": token.user_id,
        "user_email": token.user_email,
        "name": token.name,
        "role": str(token.role),
        "expires_at": token.expires_at,
        "created_at": token.created_at,
        "created_by": token.created_by,
    }

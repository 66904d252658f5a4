"""Applications, clients and users as Wallarm's own API shows them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from typing_extensions import TypedDict

from wallarm_notify.domain.application import Application
from wallarm_notify.domain.caller import Caller
from wallarm_notify.domain.client import Client
from wallarm_notify.domain.token import Token
from wallarm_notify.domain.user import User
from wallarm_notify.schemas.documents.original.times import seconds_of, text_of

_CLIENTS: Final = UUID("5d9b5f0e-4b1c-4c51-9a57-0d1f5a3c2b10")
_USERS: Final = UUID("a2f0c8d4-93f3-4e0e-8d0a-7b3c54a1e6f2")
"""What the UUIDs are made from that clients of the original read: numbers are what we have."""

NOBODY: Final = 0
"""The number of a user where there is none."""


class ApplicationDocument(TypedDict):
    """An application."""

    id: int
    """Its number; -1: the one of whatever has none."""
    clientid: int
    """The client whose it is."""
    name: str
    """What people call it."""
    deleted: bool
    """False."""


class ApplicationsAnswer(TypedDict):
    """Applications."""

    status: int
    """200."""
    body: list[ApplicationDocument]
    """Them."""


class ApplicationAnswer(TypedDict):
    """One application."""

    status: int
    """200."""
    body: ApplicationDocument
    """It."""


class OriginalClient(TypedDict):
    """A client."""

    id: int
    """Its number."""
    name: str
    """What people call it."""
    enabled: bool
    """Whether its people and programs are let in."""
    uuid: str
    """The same for the same client always."""
    partnerid: int
    """The client that is its parent; 0: it has none."""
    partner_uuid: str
    """That one's UUID, or none."""


class ClientsAnswer(TypedDict):
    """Clients."""

    status: int
    """200."""
    body: list[OriginalClient]
    """Them."""


class UsersAnswer(TypedDict):
    """Users; the fields are those of ``/v1/user``, with times in seconds."""

    status: int
    """200."""
    body: list[dict[str, Any]]
    """Them."""


class WhoAnswer(TypedDict):
    """Who presents a token."""

    status: int
    """200."""
    body: dict[str, Any]
    """The user, or what a token has that is nobody's."""


def applications_answer(applications: Iterable[Application]) -> ApplicationsAnswer:
    """Return the answer with applications."""
    return {"status": 200, "body": [_application(one) for one in applications]}


def application_answer(application: Application) -> ApplicationAnswer:
    """Return the answer with one application."""
    return {"status": 200, "body": _application(application)}


def clients_answer(clients: Iterable[Client]) -> ClientsAnswer:
    """Return the answer with clients."""
    return {"status": 200, "body": [_client(one) for one in clients]}


def users_answer(users: Iterable[User]) -> UsersAnswer:
    """Return the answer with users."""
    return {
        "status": 200,
        "body": [{**_user(one), "create_at": seconds_of(one.created_at)} for one in users],
    }


def who_answer(caller: Caller, token: Token, user: User | None) -> WhoAnswer:
    """Return the answer to who presents a token; the role is the one that the token gives now."""
    if user is None:
        body = _person(NOBODY, token.name, "", caller.client_id, enabled=True)
        made = token.created_at
    else:
        body, made = _user(user), user.created_at
    role = str(caller.actor.role)
    body |= {"permissions": [role], "actual_permissions": [role], "create_at": text_of(made)}
    return {"status": 200, "body": body}


def _application(one: Application) -> ApplicationDocument:
    return {"id": one.id, "clientid": one.client_id, "name": one.name, "deleted": False}


def _client(one: Client) -> OriginalClient:
    parent = one.parent_id
    return {
        "id": one.id,
        "name": one.name,
        "enabled": one.access,
        "uuid": str(uuid5(_CLIENTS, str(one.id))),
        "partnerid": parent or NOBODY,
        "partner_uuid": "" if parent is None else str(uuid5(_CLIENTS, str(parent))),
    }


def _user(user: User) -> dict[str, Any]:
    role = str(user.role)
    return {
        **_person(user.id, user.name, user.email, user.client_id, enabled=user.enabled),
        "permissions": [role],
        "actual_permissions": [role],
        "last_login_time": seconds_of(user.last_login_at),
    }


def _person(
    number: int, name: str, email: str, client_id: int | None, *, enabled: bool
) -> dict[str, Any]:
    """Return what both calls show of a user; what is not known here has the value of nothing."""
    return {
        "id": number,
        "uuid": str(uuid5(_USERS, str(number))),
        "client_id": client_id or NOBODY,
        "clientid": client_id or NOBODY,
        "enabled": enabled,
        "validated": True,
        "username": email or name,
        "realname": name,
        "email": email,
        **_UNKNOWN,
    }


_UNKNOWN: Final[Mapping[str, Any]] = {
    "mfa_enabled": False,
    "create_by": NOBODY,
    "create_from": "",
    "phone": "",
    "password_changed": 0,
    "login_history": [],
    "timezone": "UTC",
    "results_per_page": 25,
    "default_pool": "",
    "last_read_news_id": 0,
    "search_templates": {},
    "notifications": {},
    "components": ["waf"],
    "language": "en",
    "last_login_time": 0,
    "date_format": "ddmmyy",
    "time_format": "24h",
    "available_authentications": ["default"],
    "secret": "",
}

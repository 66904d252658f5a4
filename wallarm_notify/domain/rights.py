"""Rights: which role may do what to which things (spec 9).

One table decides. Whose things is another question: ``domain.scope`` answers it.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from wallarm_notify.domain.activity import ObjectType
from wallarm_notify.domain.actor import Actor, Role, Source
from wallarm_notify.domain.errors import Forbidden, Refused
from wallarm_notify.domain.scope import EVERY_CLIENT, Scope, only


class Thing(StrEnum):
    """What somebody does something to."""

    INTEGRATIONS = "integrations"
    TRIGGERS = "triggers"
    NOTIFICATIONS = "notifications"
    EVENTS = "events"
    EVENT_TYPES = "event types"
    REJECTED_EVENTS = "rejected events"
    UNDECODABLE_MESSAGES = "undecodable messages"
    SET_ASIDE_CALLS = "calls set aside"
    EVENTS_AHEAD = "events ahead"
    COMPUTATIONS = "computations"
    COVERAGE = "coverage"
    APPLICATIONS = "applications"
    USERS = "users"
    TOKENS = "tokens"
    ACTIVITY = "the activity log"
    CLIENTS = "clients"
    CLOUD_ADDRESSES = "cloud addresses"
    POLICY = "the failure policy"
    LEDGER = "the ledger"
    METRICS = "metrics"
    INFRASTRUCTURE = "infrastructure"


class Verb(StrEnum):
    """What somebody does to it.

    To enable, disable or pause is to update, and so is to renew a token and to cancel a computation. To test is to
    drill too, and to view is also to be shown why.
    """

    VIEW = "view"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    TEST = "test"
    SIMULATE = "simulate"
    PREVIEW = "preview"
    REPLAY = "replay"
    RESUBMIT = "resubmit"
    SEND = "send"


Roles = frozenset[Role]

PARTNERS: Final[Roles] = frozenset(role for role in Role if role.startswith("partner_"))
"""Roles that are had in the children of the own client too."""

OF_ALL_CLIENTS: Final[Roles] = frozenset({Role.OPERATOR, Role.PRODUCER})
"""Roles of no client, which are given on the server's command line alone."""

OF_USERS: Final[Roles] = frozenset(Role) - {Role.PRODUCER, Role.SYSTEM}
"""Roles that a person may have: producers are programs."""

OF_TOKENS: Final[Roles] = frozenset(Role) - {Role.SYSTEM}
"""Roles that a token may have."""

_OPERATOR: Final[Roles] = frozenset({Role.OPERATOR})
_ADMINISTRATORS: Final[Roles] = frozenset(
    {
        Role.ADMINISTRATOR,
        Role.ADMINISTRATOR_EXTENDED,
        Role.PARTNER_ADMINISTRATOR,
        Role.PARTNER_ADMINISTRATOR_EXTENDED,
    }
)
_ANALYSTS: Final[Roles] = frozenset({Role.ANALYST, Role.PARTNER_ANALYST})
_READ_ONLY: Final[Roles] = frozenset({Role.READ_ONLY, Role.PARTNER_READ_ONLY})
# Who deploys sets up what sends events; the original says no more of that role.
_DEVELOPERS: Final[Roles] = frozenset({Role.DEVELOPER, Role.DEPLOY})

_MANAGE: Final[Roles] = _OPERATOR | _ADMINISTRATORS
_INSPECT: Final[Roles] = _MANAGE | _READ_ONLY
_READ: Final[Roles] = _INSPECT | _ANALYSTS
_BUILD: Final[Roles] = _MANAGE | _DEVELOPERS
_EVERYBODY: Final[Roles] = _READ | _DEVELOPERS
_SEND: Final[Roles] = frozenset({Role.OPERATOR, Role.PRODUCER})

RIGHTS: Final[Mapping[Thing, Mapping[Verb, Roles]]] = {
    Thing.INTEGRATIONS: {
        Verb.VIEW: _MANAGE,
        Verb.CREATE: _MANAGE,
        Verb.UPDATE: _MANAGE,
        Verb.DELETE: _MANAGE,
        Verb.TEST: _MANAGE,
    },
    Thing.TRIGGERS: {
        Verb.VIEW: _MANAGE,
        Verb.CREATE: _MANAGE,
        Verb.UPDATE: _MANAGE,
        Verb.DELETE: _MANAGE,
        Verb.SIMULATE: _MANAGE,
    },
    Thing.NOTIFICATIONS: {Verb.VIEW: _READ, Verb.REPLAY: _MANAGE},
    Thing.EVENTS: {Verb.VIEW: _READ, Verb.PREVIEW: _BUILD, Verb.SEND: _SEND},
    Thing.EVENT_TYPES: {Verb.VIEW: _EVERYBODY},
    Thing.REJECTED_EVENTS: {Verb.VIEW: _BUILD, Verb.RESUBMIT: _MANAGE},
    Thing.UNDECODABLE_MESSAGES: {Verb.VIEW: _OPERATOR, Verb.RESUBMIT: _OPERATOR},
    Thing.SET_ASIDE_CALLS: {Verb.VIEW: _OPERATOR, Verb.RESUBMIT: _OPERATOR},
    Thing.EVENTS_AHEAD: {Verb.VIEW: _OPERATOR},
    Thing.COMPUTATIONS: {Verb.VIEW: _MANAGE, Verb.UPDATE: _MANAGE},
    Thing.COVERAGE: {Verb.VIEW: _READ},
    Thing.APPLICATIONS: {
        Verb.VIEW: _READ,
        Verb.CREATE: _MANAGE,
        Verb.UPDATE: _MANAGE,
        Verb.DELETE: _MANAGE,
    },
    Thing.USERS: {Verb.VIEW: _INSPECT, Verb.CREATE: _MANAGE, Verb.UPDATE: _MANAGE},
    Thing.TOKENS: {Verb.VIEW: _MANAGE, Verb.CREATE: _MANAGE, Verb.UPDATE: _MANAGE},
    Thing.ACTIVITY: {Verb.VIEW: _INSPECT},
    Thing.CLIENTS: {Verb.VIEW: _READ, Verb.UPDATE: _OPERATOR},
    Thing.CLOUD_ADDRESSES: {Verb.VIEW: _EVERYBODY},
    Thing.POLICY: {Verb.VIEW: _OPERATOR, Verb.SIMULATE: _OPERATOR},
    Thing.LEDGER: {Verb.VIEW: _OPERATOR},
    Thing.METRICS: {Verb.VIEW: _OPERATOR},
    Thing.INFRASTRUCTURE: {Verb.VIEW: _OPERATOR},
}
"""Who may do what: what is not in it, nobody may."""


_LOGGED: Final[Mapping[ObjectType, Thing]] = {
    ObjectType.INTEGRATION: Thing.INTEGRATIONS,
    ObjectType.TRIGGER: Thing.TRIGGERS,
    ObjectType.CLIENT: Thing.CLIENTS,
    ObjectType.APPLICATION: Thing.APPLICATIONS,
    ObjectType.USER: Thing.USERS,
    ObjectType.TOKEN: Thing.TOKENS,
    ObjectType.SESSION: Thing.USERS,
    ObjectType.REJECTED_EVENT: Thing.REJECTED_EVENTS,
    ObjectType.UNDECODABLE_MESSAGE: Thing.UNDECODABLE_MESSAGES,
    ObjectType.SET_ASIDE_CALL: Thing.UNDECODABLE_MESSAGES,
    ObjectType.ENCRYPTION_KEYS: Thing.INFRASTRUCTURE,
}
"""What somebody must be allowed to view to see the lines of the activity log that are about it."""


def visible_in_log(role: Role) -> frozenset[ObjectType]:
    """Return the types of objects whose lines of the activity log somebody in ``role`` sees.

    A line has what is set of its object, before and after. Whoever may not view that does not see it there either.
    """
    return frozenset(kind for kind, thing in _LOGGED.items() if may(role, thing, Verb.VIEW))


def may(role: Role, thing: Thing, verb: Verb) -> bool:
    """Return whether somebody in ``role`` may do that."""
    return role in RIGHTS[thing].get(verb, ())


def check_right(actor: Actor, thing: Thing, verb: Verb) -> None:
    """Raise Forbidden where ``actor`` may not do that."""
    if not may(actor.role, thing, verb):
        raise Forbidden(f"The role {actor.role} may not {verb} {thing}.")


def check_given(actor: Actor, role: Role, client_id: int | None, *, among: Roles) -> None:
    """Raise where ``actor`` may not give ``role`` to somebody of a client, or give anew what that one has.

    ``client_id`` None: to somebody of no client. Raise Refused where the two do not go together or nobody can have
    it, and Forbidden where it exceeds the actor's own, or it is for the server's command line alone.
    """
    if role not in among:
        raise Refused(f"{role} cannot be given here.", field="role")
    if (role in OF_ALL_CLIENTS) is not (client_id is None):
        raise Refused(
            f"{role} is of all clients, not of one."
            if role in OF_ALL_CLIENTS
            else f"{role} is of one client, not of all.",
            field="role",
        )
    if role in OF_ALL_CLIENTS and actor.source is not Source.COMMAND_LINE:
        raise Forbidden(f"The role {role} is given on the server's command line alone.")
    check_within(actor, role)


def check_within(actor: Actor, role: Role) -> None:
    """Raise Forbidden where somebody in ``role`` may do what ``actor`` may not."""
    if not is_within(role, actor.role):
        raise Forbidden(f"The role {role} exceeds {actor.role}.")


def is_within(role: Role, limit: Role) -> bool:
    """Return whether whoever has ``role`` may do nothing that ``limit`` does not allow, nor to more clients."""
    if role in PARTNERS and limit not in PARTNERS | OF_ALL_CLIENTS:
        return False
    if role in OF_ALL_CLIENTS and limit not in OF_ALL_CLIENTS:
        return False
    return _rights_of(role) <= _rights_of(limit)


def lesser(one: Role, other: Role) -> Role | None:
    """Return which of two roles is within the other; None: neither is."""
    if is_within(one, other):
        return one
    return other if is_within(other, one) else None


def scope_of(role: Role, client_id: int | None, children: Iterable[int]) -> Scope:
    """Return whose things somebody sees who has ``role`` and belongs to a client, which has ``children``.

    ``client_id`` None: to no client, as operators and producers.
    """
    if role in OF_ALL_CLIENTS:
        return EVERY_CLIENT if client_id is None else only([])
    if client_id is None:
        return only([])
    return only([client_id, *(children if role in PARTNERS else ())])


def parse_role(text: str, among: Roles) -> Role:
    """Return the role in ``text``, one of ``among``. Raise Refused, which lists those."""
    for role in among:
        if role == text:
            return role
    listed = ", ".join(role for role in Role if role in among)
    raise Refused(f"give one of {listed}.", field="role")


def _rights_of(role: Role) -> frozenset[tuple[Thing, Verb]]:
    return frozenset(
        (thing, verb)
        for thing, verbs in RIGHTS.items()
        for verb, roles in verbs.items()
        if role in roles
    )

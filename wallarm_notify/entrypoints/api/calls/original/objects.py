"""``/v1/user`` and ``/v1/objects``: who asks, applications, clients and users."""

from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.entrypoints.api.answers import answer
from wallarm_notify.entrypoints.api.calls.original.words import (
    OneOrMore,
    OriginalAsked,
    OriginalSent,
    about,
    client_of,
    clients_of,
    original_words,
)
from wallarm_notify.entrypoints.api.fields import DIGITS, LARGEST_ID, Id, Name
from wallarm_notify.entrypoints.api.parts import Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs, open_to_the_known
from wallarm_notify.schemas.documents.original.integrations import DONE, DoneAnswer
from wallarm_notify.schemas.documents.original.objects import (
    ApplicationAnswer,
    ApplicationsAnswer,
    ClientsAnswer,
    UsersAnswer,
    WhoAnswer,
    application_answer,
    applications_answer,
    clients_answer,
    users_answer,
    who_answer,
)
from wallarm_notify.services.integration_listings import clients_among
from wallarm_notify.services.manage_applications import (
    create_application,
    delete_application,
    list_applications,
    rename_application,
)
from wallarm_notify.services.manage_users import users_among
from wallarm_notify.services.who_am_i import who_am_i

T = TypeVar("T")

LARGEST_LIMIT = 10_000

router = APIRouter(prefix="/v1", tags=["of the original: objects"], route_class=CheckedRoute)

ApplicationId = Annotated[int, Field(ge=-1, le=LARGEST_ID)]
Limit = Annotated[int, Field(ge=0, le=LARGEST_LIMIT), DIGITS]
Offset = Annotated[int, Field(ge=0, le=LARGEST_ID), DIGITS]


class PartSent(OriginalSent):
    """Which part of a listing is asked for."""

    limit: Limit | None = None
    offset: Offset = 0

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Return that part."""
        end = None if self.limit is None else self.offset + self.limit
        return items[self.offset : end]


class ClientsFilter(OriginalSent):
    """Whose things are meant; default: the token's own client's."""

    clientid: OneOrMore | None = None


class ApplicationsSent(PartSent):
    """Which applications are listed."""

    filter: ClientsFilter | None = None


class ApplicationSent(OriginalSent):
    """A new application; without a number it gets the next one."""

    id: ApplicationId | None = None
    clientid: Id | None = None
    name: Name


class ApplicationFilter(ClientsFilter):
    """Which application is meant."""

    id: ApplicationId


class NameSent(OriginalSent):
    """What is changed of an application."""

    name: Name


class ApplicationChangeSent(OriginalSent):
    """Which application is changed, and to what."""

    filter: ApplicationFilter
    fields_sent: Annotated[NameSent, Field(alias="fields")]


class ApplicationDeletionSent(OriginalSent):
    """Which application is deleted."""

    filter: ApplicationFilter


class ClientFilter(OriginalSent):
    """Which clients are listed; default: all that the token sees."""

    id: OneOrMore | None = None
    enabled: bool | None = None


class ClientsSent(PartSent):
    """Which clients are listed."""

    filter: ClientFilter | None = None


class ClientsAsked(OriginalAsked):
    """Which clients are listed."""

    number: Annotated[Id | None, Field(alias="filter[id]")] = None
    limit: Limit | None = None
    offset: Offset = 0


class UserFilter(ClientsFilter):
    """Which users are listed; default: all that the token sees."""

    id: Id | None = None


class UsersSent(PartSent):
    """Which users are listed."""

    filter: UserFilter | None = None


@router.post("/user", response_model=WhoAnswer)
@open_to_the_known
def who(call: Called) -> Response:
    """Show who presents a token, and of which client."""
    return answer(who_answer(call.caller, *who_am_i(call.pages, call.caller)))


@router.post("/objects/pool", response_model=ApplicationsAnswer)
@needs(Thing.APPLICATIONS, Verb.VIEW)
def list_pools(call: Called, sent: ApplicationsSent) -> Response:
    """List applications, the default one among them."""
    whose = clients_of(call, None if sent.filter is None else sent.filter.clientid)
    found = list_applications(call.pages, call.scope, whose)
    return answer(applications_answer(sent.of(found)))


@router.post("/objects/pool/create", response_model=ApplicationAnswer)
@needs(Thing.APPLICATIONS, Verb.CREATE)
def create_pool(call: Called, sent: ApplicationSent) -> Response:
    """Store a new application."""
    whose = client_of(call, sent.clientid)
    with original_words():
        made = create_application(
            *(call.ctx, call.actor, call.scope, whose), application_id=sent.id, name=sent.name
        )
    return answer(application_answer(made))


@router.post("/objects/pool/update", response_model=ApplicationAnswer)
@needs(Thing.APPLICATIONS, Verb.UPDATE)
def rename_pool(call: Called, sent: ApplicationChangeSent) -> Response:
    """Give an application another name."""
    (whose,) = clients_of(call, sent.filter.clientid)[:1]
    number = sent.filter.id
    with about("pool", number):
        changed = rename_application(
            *(call.ctx, call.actor, call.scope, whose, number), name=sent.fields_sent.name
        )
    return answer(application_answer(changed))


@router.post("/objects/pool/delete", response_model=DoneAnswer)
@needs(Thing.APPLICATIONS, Verb.DELETE)
def delete_pool(call: Called, sent: ApplicationDeletionSent) -> Response:
    """Delete an application; asked again, it is done already."""
    (whose,) = clients_of(call, sent.filter.clientid)[:1]
    number = sent.filter.id
    with about("pool", number):
        delete_application(call.ctx, call.actor, call.scope, whose, number)
    return answer(DONE)


@router.get("/objects/client", response_model=ClientsAnswer)
@needs(Thing.CLIENTS, Verb.VIEW)
def list_clients_asked(call: Called, asked: Annotated[ClientsAsked, Query()]) -> Response:
    """List the clients that the token sees, or one of them."""
    part = PartSent(limit=asked.limit, offset=asked.offset)
    return answer(clients_answer(part.of(clients_among(call.pages, call.scope, asked.number))))


@router.post("/objects/client", response_model=ClientsAnswer)
@needs(Thing.CLIENTS, Verb.VIEW)
def list_clients_sent(call: Called, sent: ClientsSent) -> Response:
    """List the clients that the token sees, or some of them."""
    wanted = sent.filter or ClientFilter()
    ids = wanted.id
    only_one = ids[0] if ids is not None and len(ids) == 1 else None
    found = clients_among(call.pages, call.scope, only_one)
    if ids is not None:
        found = [one for one in found if one.id in ids]
    if wanted.enabled is not None:
        found = [one for one in found if one.access is wanted.enabled]
    return answer(clients_answer(sent.of(found)))


@router.post("/objects/user", response_model=UsersAnswer)
@needs(Thing.USERS, Verb.VIEW)
def list_users_sent(call: Called, sent: UsersSent) -> Response:
    """List the users that the token sees, or some of them."""
    wanted = sent.filter or UserFilter()
    named = None if wanted.clientid is None else clients_of(call, wanted.clientid)
    only_one = named[0] if named is not None and len(named) == 1 else None
    found = users_among(call.pages, call.scope, user_id=wanted.id, client_id=only_one)
    if named is not None:
        found = [one for one in found if one.client_id in named]
    return answer(users_answer(sent.of(found)))

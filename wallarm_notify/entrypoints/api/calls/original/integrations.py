"""``/v2/integration``: integrations, as Terraform's provider and others make and change them."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.event import Subscription
from wallarm_notify.domain.integration import (
    Draft,
    IntegrationChange,
    IntegrationKey,
    KeyMask,
    parse_region,
)
from wallarm_notify.domain.original import (
    TYPE,
    changed_key_of,
    check_type,
    key_of,
    subscriptions_of,
)
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.entrypoints.api.answers import answer
from wallarm_notify.entrypoints.api.calls.integrations import NO_REASON
from wallarm_notify.entrypoints.api.calls.original.words import (
    MOST_SENT,
    Anything,
    OriginalAsked,
    OriginalSent,
    about,
    client_of,
    original_words,
)
from wallarm_notify.entrypoints.api.fields import (
    KEY_PATTERN,
    Id,
    Name,
    PathId,
    Region,
    one_of,
    text_like,
)
from wallarm_notify.entrypoints.api.parts import Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs
from wallarm_notify.schemas.documents.original.integrations import (
    DONE,
    DoneAnswer,
    IntegrationAnswer,
    IntegrationsAnswer,
    integration_answer,
    integrations_answer,
)
from wallarm_notify.services.integration_listings import integrations_of_client
from wallarm_notify.services.manage_integrations import (
    apply_integration,
    create_integration,
    ensure_integration_deleted,
)

router = APIRouter(
    prefix="/v2/integration", tags=["of the original: integrations"], route_class=CheckedRoute
)


class ClientAsked(OriginalAsked):
    """Whose integrations are listed."""

    clientid: Annotated[Id | None, Field(description="Default: the token's own client.")] = None


class EventSent(OriginalSent):
    """A kind of events, and whether the integration is notified of it."""

    event: str
    active: bool


Events = Annotated[list[EventSent], Field(max_length=MOST_SENT)]


class OriginalIntegrationSent(OriginalSent):
    """A new integration."""

    name: Name | None = None
    active: bool = True
    target: Annotated[
        Anything,
        text_like(pattern=KEY_PATTERN),
        Field(description="PagerDuty integration key, of 32 characters."),
    ]
    events: Events | None = None
    type: Annotated[str, one_of([TYPE])] = TYPE
    clientid: Annotated[Id | None, Field(description="Default: the token's own client.")] = None
    region: Annotated[Region | None, Field(description="us or eu; default: by the cloud.")] = None


class OriginalIntegrationChangeSent(OriginalSent):
    """What is changed of an integration; what is not named, or null, stays."""

    name: Name | None = None
    active: bool | None = None
    target: Annotated[Anything, Field(description="A new key, or what was read.")] = None
    events: Events | None = None
    type: Annotated[str, one_of([TYPE])] = TYPE
    region: Region | None = None


@router.get("", response_model=IntegrationsAnswer)
@needs(Thing.INTEGRATIONS, Verb.VIEW)
def list_them(call: Called, asked: Annotated[ClientAsked, Query()]) -> Response:
    """List all integrations of a client."""
    whose = client_of(call, asked.clientid)
    return answer(integrations_answer(integrations_of_client(call.pages, call.scope, whose)))


@router.post("", response_model=IntegrationAnswer)
@needs(Thing.INTEGRATIONS, Verb.CREATE)
def create(call: Called, sent: OriginalIntegrationSent) -> Response:
    """Store a new integration."""
    client_id = client_of(call, sent.clientid)
    with original_words():
        check_type(sent.type)
        draft = Draft(
            client_id=client_id,
            region=None if sent.region is None else parse_region(sent.region),
            subscriptions=_subscriptions(sent.events or []),
            enabled=sent.active,
            name=sent.name,
        )
        made = create_integration(call.ctx, call.actor, call.scope, draft, key_of(sent.target))
    return answer(integration_answer(made))


@router.put("/{integration_id}", response_model=IntegrationAnswer)
@needs(Thing.INTEGRATIONS, Verb.UPDATE)
def change(call: Called, integration_id: PathId, sent: OriginalIntegrationChangeSent) -> Response:
    """Change an integration, in one transaction; a value that stands already is no error."""
    with about("integration", integration_id):
        check_type(sent.type)
        given = None if sent.target is None else changed_key_of(sent.target)
        wanted = IntegrationChange(
            name=sent.name,
            enabled=sent.active,
            key=given if isinstance(given, IntegrationKey) else None,
            kept_key=given if isinstance(given, KeyMask) else None,
            subscriptions=None if sent.events is None else _subscriptions(sent.events),
            region=None if sent.region is None else parse_region(sent.region),
            reason=NO_REASON,
        )
        applied = apply_integration(call.ctx, call.actor, call.scope, integration_id, wanted)
    return answer(integration_answer(applied.integration))


@router.delete("/{integration_id}", response_model=DoneAnswer)
@needs(Thing.INTEGRATIONS, Verb.DELETE)
def delete(call: Called, integration_id: PathId) -> Response:
    """Delete an integration with all its settings, for ever; asked again, it is done already."""
    with about("integration", integration_id):
        ensure_integration_deleted(
            *(call.ctx, call.actor, call.scope, integration_id), reason=NO_REASON
        )
    return answer(DONE)


def _subscriptions(events: list[EventSent]) -> tuple[Subscription, ...]:
    return subscriptions_of((one.event, one.active) for one in events)

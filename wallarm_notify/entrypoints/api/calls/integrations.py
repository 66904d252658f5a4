"""Integrations: listed, made, changed, switched, tested, drilled and deleted."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.integration import (
    Draft,
    Integration,
    IntegrationChange,
    IntegrationKey,
    IntegrationState,
    parse_region,
    parse_subscriptions,
)
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.summary_form import parse_summary_form
from wallarm_notify.entrypoints.api.answers import answer, page_answer
from wallarm_notify.entrypoints.api.fields import (
    Asked,
    Id,
    Key,
    Moment,
    Name,
    Paged,
    PathId,
    Reason,
    Region,
    Sent,
    SubscriptionWord,
    SummaryWord,
)
from wallarm_notify.entrypoints.api.parts import Call, Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs
from wallarm_notify.schemas.documents.health import ExplanationDocument, explanation_document
from wallarm_notify.schemas.documents.integrations import (
    AlertAnswersDocument,
    DeletedIntegrationDocument,
    DisabledDocument,
    DrillDocument,
    EnabledDocument,
    HourDocument,
    IntegrationDocument,
    alert_answers_document,
    deleted_integration_document,
    disabled_document,
    drill_document,
    enabled_document,
    hour_document,
    integration_document,
)
from wallarm_notify.schemas.documents.listing import Listing, listing
from wallarm_notify.services.drill import drill
from wallarm_notify.services.explain import explain
from wallarm_notify.services.integration_listings import (
    hours_of_integration,
    list_integrations,
    show_integration,
)
from wallarm_notify.services.manage_integrations import (
    apply_integration,
    create_integration,
    delete_integration,
    disable_integration,
    enable_integration,
)
from wallarm_notify.services.send_test_alerts import (
    AlertsTested,
    Ways,
    send_test_alerts,
    send_test_alerts_unsaved,
)

NO_REASON = "no reason given"

MOST_SENT = 50
"""So many words of a list are read at most."""

router = APIRouter(
    prefix="/notify/v1/integrations", tags=["integrations"], route_class=CheckedRoute
)


class IntegrationsAsked(Paged):
    """Which integrations are listed."""

    client_id: Annotated[Id | None, Field(description="Only this client's.")] = None
    state: Annotated[
        list[Literal["enabled", "disabled", "disabled_automatically"]],
        Field(default_factory=list, max_length=3, description="Only in one of these states."),
    ]


class HoursAsked(Asked):
    """From which hour on notifications are counted."""

    since: Moment


class ExplanationAsked(Asked):
    """What is explained: the failure ratio of now, or what decided the last automatic disabling."""

    last_disabling: bool = False


class ReasonAsked(Asked):
    """Why it is done, which subscribers of system are sent."""

    reason: Reason = NO_REASON


class KeySent(Sent):
    """An integration key and where it is used."""

    client_id: Annotated[Id | None, Field(description="Default: the token's own client.")] = None
    key: Annotated[Key, Field(description="PagerDuty integration key, of 32 characters.")]
    region: Annotated[Region, Field(description="PagerDuty's service region: us or eu.")] = "us"


class IntegrationSent(KeySent):
    """A new integration."""

    name: Name | None = None
    subscriptions: Annotated[
        list[SubscriptionWord],
        Field(
            default_factory=list,
            max_length=MOST_SENT,
            description="security_issue stands for its five risks.",
        ),
    ]
    summary: Annotated[SummaryWord | None, Field(description="original, brief or full.")] = None
    enabled: bool = True


class IntegrationChangeSent(Sent):
    """What is changed of an integration; what is not named, or null, stays."""

    name: Name | None = None
    region: Region | None = None
    subscriptions: Annotated[list[SubscriptionWord] | None, Field(max_length=MOST_SENT)] = None
    key: Key | None = None
    summary: SummaryWord | None = None


class DisablingSent(Sent):
    """Why an integration is disabled, and when it is enabled by itself; null: somebody has to."""

    reason: Reason = NO_REASON
    until: Annotated[Moment | None, Field(strict=False)] = None


class TestSent(Sent):
    """How an integration is tested; ``close`` closes the alerts at once after PagerDuty took them."""

    close: bool = False


class UnsavedTestSent(KeySent, TestSent):
    """A key that is tested before it is saved."""


class MadeIntegrationDocument(IntegrationDocument):
    """An integration that has just been made or changed."""

    warnings: list[str]
    """What may surprise, a sentence each."""


@router.get("", response_model=Listing[IntegrationDocument])
@needs(Thing.INTEGRATIONS, Verb.VIEW)
def list_them(call: Called, asked: Annotated[IntegrationsAsked, Query()]) -> Response:
    """List integrations, with how many notifications failed in the last 24 hours."""
    page = list_integrations(
        call.pages,
        call.scope,
        client_id=asked.client_id,
        states=[IntegrationState(state) for state in asked.state],
        limit=asked.limit,
        cursor=asked.after,
    )
    return page_answer(page, integration_document)


@router.post("", response_model=MadeIntegrationDocument, status_code=201)
@needs(Thing.INTEGRATIONS, Verb.CREATE)
def create(call: Called, sent: IntegrationSent) -> Response:
    """Store a new integration."""
    draft = Draft(
        client_id=call.client(sent.client_id),
        region=parse_region(sent.region),
        subscriptions=parse_subscriptions(sent.subscriptions),
        enabled=sent.enabled,
        name=sent.name,
        summary=None if sent.summary is None else parse_summary_form(sent.summary),
    )
    key = IntegrationKey.parse(sent.key.get_secret_value())
    made = create_integration(call.ctx, call.actor, call.scope, draft, key)
    return answer(_made_document(made), 201)


@router.post("/test", response_model=AlertAnswersDocument)
@needs(Thing.INTEGRATIONS, Verb.TEST)
def test_unsaved(call: Called, sent: UnsavedTestSent) -> Response:
    """Send three test alerts by a key that is not saved, and show PagerDuty's answers, within 20 s."""
    client_id = call.client(sent.client_id)
    region, key = parse_region(sent.region), IntegrationKey.parse(sent.key.get_secret_value())
    with call.parts.slow_calls.one_of(client_id):
        tested = send_test_alerts_unsaved(
            *(call.ctx, call.scope, client_id, region, key), ways=_ways(call, sent)
        )
    return _tested(tested)


@router.get("/{integration_id}", response_model=IntegrationDocument)
@needs(Thing.INTEGRATIONS, Verb.VIEW)
def show(call: Called, integration_id: PathId) -> Response:
    """Show one integration."""
    return answer(integration_document(show_integration(call.pages, call.scope, integration_id)))


@router.patch("/{integration_id}", response_model=MadeIntegrationDocument)
@needs(Thing.INTEGRATIONS, Verb.UPDATE)
def update(call: Called, integration_id: PathId, sent: IntegrationChangeSent) -> Response:
    """Change an integration, in one transaction; what waits is sent by a new key, region or form of summaries."""
    words = sent.subscriptions
    change = IntegrationChange(
        name=sent.name,
        region=None if sent.region is None else parse_region(sent.region),
        subscriptions=None if words is None else parse_subscriptions(words),
        key=None if sent.key is None else IntegrationKey.parse(sent.key.get_secret_value()),
        summary=None if sent.summary is None else parse_summary_form(sent.summary),
    )
    applied = apply_integration(call.ctx, call.actor, call.scope, integration_id, change)
    return answer(_made_document(applied.integration))


@router.delete("/{integration_id}", response_model=DeletedIntegrationDocument)
@needs(Thing.INTEGRATIONS, Verb.DELETE)
def delete(
    call: Called, integration_id: PathId, asked: Annotated[ReasonAsked, Query()]
) -> Response:
    """Delete an integration with all its settings, for ever."""
    done = delete_integration(call.ctx, call.actor, call.scope, integration_id, reason=asked.reason)
    return answer(deleted_integration_document(integration_id, done))


@router.post("/{integration_id}/enable", response_model=EnabledDocument)
@needs(Thing.INTEGRATIONS, Verb.UPDATE)
def enable(call: Called, integration_id: PathId) -> Response:
    """Enable an integration, with a clean failure window; what was not sent can be replayed."""
    return answer(
        enabled_document(*enable_integration(call.ctx, call.actor, call.scope, integration_id))
    )


@router.post("/{integration_id}/disable", response_model=DisabledDocument)
@needs(Thing.INTEGRATIONS, Verb.UPDATE)
def disable(call: Called, integration_id: PathId, sent: DisablingSent) -> Response:
    """Disable an integration, for good or until a time (a pause); what waits is cancelled."""
    disabled, done = disable_integration(
        *(call.ctx, call.actor, call.scope, integration_id), reason=sent.reason, until=sent.until
    )
    return answer(disabled_document(disabled, done))


@router.post("/{integration_id}/test", response_model=AlertAnswersDocument)
@needs(Thing.INTEGRATIONS, Verb.TEST)
def test(call: Called, integration_id: PathId, sent: TestSent) -> Response:
    """Send three test alerts and show PagerDuty's answers, within 20 s; they may page whoever is on call."""
    whose = show_integration(call.pages, call.scope, integration_id).client_id
    with call.parts.slow_calls.one_of(whose):
        tested = send_test_alerts(call.ctx, call.scope, integration_id, _ways(call, sent))
    return _tested(tested)


@router.post("/{integration_id}/drill", response_model=DrillDocument)
@needs(Thing.INTEGRATIONS, Verb.TEST)
def prove(call: Called, integration_id: PathId) -> Response:
    """Prove an integration's key and way without paging anybody."""
    whose = show_integration(call.pages, call.scope, integration_id).client_id
    with call.parts.slow_calls.one_of(whose):
        done = drill(call.ctx, call.scope, integration_id, call.parts.wiring.send_resolve)
    return answer(drill_document(done))


@router.get("/{integration_id}/hours", response_model=Listing[HourDocument])
@needs(Thing.INTEGRATIONS, Verb.VIEW)
def count_by_hour(
    call: Called, integration_id: PathId, asked: Annotated[HoursAsked, Query()]
) -> Response:
    """Count by the hour what became of an integration's notifications."""
    found = hours_of_integration(call.pages, call.scope, integration_id, asked.since)
    return answer(listing([hour_document(one) for one in found]))


@router.get("/{integration_id}/failure-ratio", response_model=ExplanationDocument)
@needs(Thing.INTEGRATIONS, Verb.VIEW)
def explain_ratio(
    call: Called, integration_id: PathId, asked: Annotated[ExplanationAsked, Query()]
) -> Response:
    """Show the failure ratio and the guards that decide whether an integration is disabled."""
    found = explain(call.pages, call.scope, integration_id, last_time=asked.last_disabling)
    return answer(explanation_document(found))


def _ways(call: Call, sent: TestSent) -> Ways:
    wiring = call.parts.wiring
    return Ways(wiring.send_test_alert, wiring.send_resolve, closes=sent.close)


def _tested(tested: AlertsTested) -> Response:
    return answer(alert_answers_document(tested.answers, tested.other_region, tested.closed))


def _made_document(integration: Integration) -> MadeIntegrationDocument:
    return {**integration_document(integration), "warnings": list(integration.warnings)}

"""How it goes and who changed what: the ledger, metrics, clients, and the activity log."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.entrypoints.api.answers import answer, page_answer
from wallarm_notify.entrypoints.api.fields import Id, Paged
from wallarm_notify.entrypoints.api.parts import Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs
from wallarm_notify.entrypoints.metrics import exposition
from wallarm_notify.schemas.documents.activity import ActivityDocument, activity_document
from wallarm_notify.schemas.documents.clients import ClientDocument, client_document
from wallarm_notify.schemas.documents.ledger import LedgerDocument, ledger_document
from wallarm_notify.schemas.documents.listing import Listing
from wallarm_notify.schemas.documents.operation import OperationDocument, operation_document
from wallarm_notify.services.activity import list_activity
from wallarm_notify.services.integration_listings import list_clients
from wallarm_notify.services.ledger import balance
from wallarm_notify.services.measure import measure
from wallarm_notify.services.operation import show_operation

router = APIRouter(tags=["operation"], route_class=CheckedRoute)
_prefix = "/notify/v1"


@router.get(f"{_prefix}/ledger", response_model=LedgerDocument)
@needs(Thing.LEDGER, Verb.VIEW)
def show_ledger(call: Called) -> Response:
    """Show whether all that was received has ended or is on its way."""
    return answer(ledger_document(balance(call.pages, call.scope)))


@router.get(f"{_prefix}/clients", response_model=Listing[ClientDocument])
@needs(Thing.CLIENTS, Verb.VIEW)
def list_all_clients(call: Called, asked: Annotated[Paged, Query()]) -> Response:
    """List clients that have a record or had an integration, by their ids."""
    page = list_clients(call.pages, call.scope, limit=asked.limit, cursor=asked.after)
    return page_answer(page, client_document)


class ActivityAsked(Paged):
    """Which changes are listed."""

    client_id: Annotated[Id | None, Field(description="Only of this client's objects.")] = None


@router.get(f"{_prefix}/activity", response_model=Listing[ActivityDocument])
@needs(Thing.ACTIVITY, Verb.VIEW)
def list_changes(call: Called, asked: Annotated[ActivityAsked, Query()]) -> Response:
    """List changes, the newest first: who made them, with the values before and after."""
    page = list_activity(
        *(call.pages, call.scope, call.actor.role),
        client_id=asked.client_id,
        cursor=asked.after,
        limit=asked.limit,
    )
    return page_answer(page, activity_document)


@router.get(f"{_prefix}/health", response_model=OperationDocument)
@needs(Thing.INFRASTRUCTURE, Verb.VIEW)
def show_health(call: Called) -> Response:
    """Show how the installation works: readiness, nodes, queues, lateness by cycle, and outages."""
    operation = show_operation(call.pages, call.scope)
    return answer(operation_document(operation, call.parts.readiness.show()))


@router.get("/metrics", response_class=PlainTextResponse)
@needs(Thing.METRICS, Verb.VIEW)
def show_metrics(call: Called) -> Response:
    """Show the figures of all clients together in Prometheus' text form."""
    figures = partial(measure, call.pages, call.scope)
    return PlainTextResponse(exposition(figures), media_type="text/plain; version=0.0.4")

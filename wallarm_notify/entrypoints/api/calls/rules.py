"""What rules cover, and what can be chosen for them: coverage, event types, conditions, cloud addresses."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.client import CLOUDS
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.entrypoints.api.answers import answer
from wallarm_notify.entrypoints.api.fields import Asked, Id
from wallarm_notify.entrypoints.api.parts import Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs
from wallarm_notify.schemas.documents.clients import CloudDocument, cloud_document
from wallarm_notify.schemas.documents.coverage import CoverageDocument, coverage_document
from wallarm_notify.schemas.documents.event_types import EventTypeDocument, event_type_documents
from wallarm_notify.schemas.documents.listing import Listing, listing
from wallarm_notify.schemas.documents.triggers import ConditionDocument, condition_document
from wallarm_notify.services.coverage import show_coverage

router = APIRouter(prefix="/notify/v1", tags=["rules"], route_class=CheckedRoute)


class CoverageAsked(Asked):
    """Whose rules are looked at."""

    client_id: Annotated[Id | None, Field(description="Default: the token's own client.")] = None


class CloudsAsked(Asked):
    """Which clouds are listed."""

    cloud: Annotated[Literal["us", "eu", "me"] | None, Field(description="Only this one.")] = None


@router.get("/coverage", response_model=CoverageDocument)
@needs(Thing.COVERAGE, Verb.VIEW)
def show_what_is_covered(call: Called, asked: Annotated[CoverageAsked, Query()]) -> Response:
    """Show who is notified of which events by a client's rules as they stand, and of which nobody is."""
    found = show_coverage(call.pages, call.scope, call.client(asked.client_id))
    return answer(coverage_document(found))


@router.get("/event-types", response_model=Listing[EventTypeDocument])
@needs(Thing.EVENT_TYPES, Verb.VIEW)
def list_event_types(call: Called) -> Response:  # noqa: ARG001 - whoever asks
    """List the types of events, and the fields of each."""
    return answer(listing(event_type_documents()))


@router.get("/trigger-conditions", response_model=Listing[ConditionDocument])
@needs(Thing.EVENT_TYPES, Verb.VIEW)
def list_conditions(call: Called) -> Response:  # noqa: ARG001 - whoever asks
    """List the conditions that a trigger can have, and the filters that each takes."""
    return answer(listing([condition_document(one) for one in Condition]))


@router.get("/cloud-addresses", response_model=Listing[CloudDocument])
@needs(Thing.CLOUD_ADDRESSES, Verb.VIEW)
def list_cloud_addresses(call: Called, asked: Annotated[CloudsAsked, Query()]) -> Response:  # noqa: ARG001 - whoever asks
    """List the public addresses of the clouds, for allow-lists."""
    chosen = CLOUDS if asked.cloud is None else (asked.cloud,)
    return answer(listing([cloud_document(one) for one in chosen]))

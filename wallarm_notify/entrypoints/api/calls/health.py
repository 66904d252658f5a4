"""Health: whether this process is alive, and whether alerts are delivered."""

from fastapi import APIRouter
from starlette.responses import Response
from typing_extensions import TypedDict

from wallarm_notify.entrypoints.api.answers import answer
from wallarm_notify.entrypoints.api.parts import Parts
from wallarm_notify.entrypoints.api.route import CheckedRoute, open_to_all
from wallarm_notify.schemas.documents.readiness import ReadinessDocument, readiness_document

router = APIRouter(tags=["health"], route_class=CheckedRoute)


class AliveDocument(TypedDict):
    """A process that serves."""

    alive: bool
    """True."""


@router.get("/healthz", response_model=AliveDocument)
@open_to_all
async def show_alive() -> Response:
    """Say that this process serves requests, whatever else is well."""
    return answer(AliveDocument(alive=True))


@router.get(
    "/readyz",
    response_model=ReadinessDocument,
    responses={503: {"model": ReadinessDocument, "description": "Not ready"}},
)
@open_to_all
def show_ready(parts: Parts) -> Response:
    """Say of each part whether it is there and keeps up; it names no client."""
    found = parts.readiness.show()
    return answer(readiness_document(found), 200 if found.is_ready else 503)

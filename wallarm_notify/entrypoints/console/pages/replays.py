"""Replays: what is listed is counted and sent again, and how far that has come.

Whoever asked for it may leave, and find it again.
"""

from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.replay_job import at_the_rate_limit
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.entrypoints.api.fields import PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.pages.notifications import (
    ListAsked,
    integrations_of,
    summary_of,
)
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.services.integration_listings import show_integration
from wallarm_notify.services.notification_story import list_rows
from wallarm_notify.services.replay import count_replayable
from wallarm_notify.services.replay_jobs import (
    cancel_replay_job,
    create_replay_job,
    show_replay_job,
)

router = APIRouter(route_class=PageRoute)


SAMPLE: Final = 5
"""So many of what is to be sent again are shown."""


@router.get("/notifications/replay")
@needs(Thing.NOTIFICATIONS, Verb.REPLAY)
def ask(visit: Visited, asked: Annotated[ListAsked, Query()]) -> Response:
    """Show how many of the listed notifications can be sent again, and how long that takes."""
    return _asking(visit, asked)


@router.post("/notifications/replay")
@needs(Thing.NOTIFICATIONS, Verb.REPLAY)
def begin(visit: Visited, asked: Annotated[ListAsked, Query()]) -> Response:
    """Have them sent again."""
    integration_id = _integration_id(visit, asked)
    if integration_id is None or asked.not_replayed_by or not asked.replayed_states:
        return _asking(visit, asked, status=400)
    try:
        wanted = asked.replayed(integration_id)
        job = create_replay_job(visit.ctx, visit.actor, visit.scope, wanted)
    except NotFound:
        raise
    except Refused as error:
        return _asking(visit, asked, status=400, refused=error.sentence)
    return visit.go(f"/replays/{job.id}")


def _integration_id(visit: Visit, asked: ListAsked) -> int | None:
    """Return the integration that is chosen, or the only one there is."""
    if asked.integration_id:
        return int(asked.integration_id)
    found = integrations_of(visit)
    return found[0].id if len(found) == 1 else None


def _asking(
    visit: Visit, asked: ListAsked, *, status: int = 200, refused: str | None = None
) -> Response:
    integration_id = _integration_id(visit, asked)
    if integration_id is None or asked.not_replayed_by or not asked.replayed_states:
        return visit.page(
            "notifications_replay.html",
            status=status,
            asked=asked,
            integration=None,
            integrations=integrations_of(visit),
        )
    integration = show_integration(visit.pages, visit.scope, integration_id)
    chosen = asked.wanted(visit.client_id)
    listed = replace(chosen, integration_id=integration_id, states=asked.replayed_states)
    wanted = asked.replayed(integration_id)
    number = count_replayable(visit.pages, visit.scope, wanted) if integration.enabled else 0
    rows = list_rows(visit.pages, visit.scope, listed, limit=SAMPLE).items if number else ()
    shown_alert = visit.console.parts.wiring.shown_alert
    return visit.page(
        "notifications_replay.html",
        status=status,
        asked=asked,
        integration=integration,
        number=number,
        rows=[(row, summary_of(row, shown_alert)) for row in rows],
        takes=at_the_rate_limit(number, visit.ctx.settings.rate_limit_per_minute),
        refused=refused,
    )


@router.get("/replays/{replay_id}")
@needs(Thing.NOTIFICATIONS, Verb.VIEW)
def show(visit: Visited, replay_id: PathId) -> Response:
    """Show how far a replay has come; to htmx that part alone."""
    job = show_replay_job(visit.pages, visit.scope, replay_id)
    is_there = _is_there(visit, job.wanted.integration_id)
    if visit.request.headers.get("hx-request") == "true":
        return visit.part("replay.html", "progress", job=job, integration_is_there=is_there)
    return visit.page("replay.html", job=job, integration_is_there=is_there)


@router.post("/replays/{replay_id}/cancel")
@needs(Thing.NOTIFICATIONS, Verb.REPLAY)
def cancel(visit: Visited, replay_id: PathId) -> Response:
    """Cancel a replay; what is sent by now stays so."""
    cancel_replay_job(visit.ctx, visit.actor, visit.scope, replay_id)
    return visit.go(f"/replays/{replay_id}")


def _is_there(visit: Visit, integration_id: int) -> bool:
    """Return whether an integration is not deleted: a link to one that is would lead nowhere."""
    try:
        show_integration(visit.pages, visit.scope, integration_id)
    except NotFound:
        return False
    return True

"""The overview: whether paging works, what needs somebody, and the last 24 hours; or the first steps."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from wallarm_notify.domain.advice import advice_on
from wallarm_notify.domain.coverage import Extent
from wallarm_notify.domain.drill import Drilled
from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.integration_card import Card
from wallarm_notify.domain.overview import COUNTED_UP_TO, SHOWN, Overview
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.views import HOUR, EndedInHour
from wallarm_notify.entrypoints.api.fields import PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.charts import stacked
from wallarm_notify.entrypoints.console.pages.integration_form import answer_words
from wallarm_notify.entrypoints.console.pages.integrations import answer_of
from wallarm_notify.entrypoints.console.pages.notifications import summary_of
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.services.coverage import show_coverage
from wallarm_notify.services.drill import drill
from wallarm_notify.services.integration_listings import show_integration
from wallarm_notify.services.overview import show_overview
from wallarm_notify.task_names import QUEUES

router = APIRouter(route_class=PageRoute)

_TICKS: Final = 4


@router.get("/overview")
@needs(Thing.COVERAGE, Verb.VIEW)
def show(visit: Visited) -> Response:
    """Show whether paging works and what needs somebody."""
    return _overview(visit)


@router.post("/overview/drill/{integration_id}")
@needs(Thing.INTEGRATIONS, Verb.TEST)
def prove(visit: Visited, integration_id: PathId) -> Response:
    """Prove an integration's key and way, which pages nobody."""
    integration = show_integration(visit.pages, visit.scope, integration_id)
    parts = visit.console.parts
    with parts.slow_calls.one_of(integration.client_id):
        done = drill(visit.ctx, visit.scope, integration_id, parts.wiring.send_resolve)
    return _overview(visit, drilled=(integration, done))


def _overview(visit: Visit, drilled: tuple[Integration, Drilled] | None = None) -> Response:
    parts = visit.console.parts
    found = show_overview(*(visit.pages, visit.scope, visit.actor.role, visit.client_id), QUEUES)
    given: dict[str, Any] = {"found": found, "drilled": drilled, "answer_words": answer_words}
    if drilled is not None:
        answer = drilled[1].answer
        given["advice"] = advice_on(answer.reason, answer.status, answer.response)
    if found.is_first_run:
        return visit.page("first_steps.html", **given)
    hours = found.hours
    return visit.page(
        "overview.html",
        **given,
        many=COUNTED_UP_TO,
        shown=SHOWN,
        rows=[(row, summary_of(row, parts.wiring.shown_alert)) for row in found.last],
        accepted=sum(one.delivered for one in hours),
        failed=sum(one.failed for one in hours),
        unsent=sum(map(unsent_in, hours)),
        bars=stacked(
            [
                [one.delivered for one in hours],
                [one.failed for one in hours],
                [unsent_in(one) for one in hours],
            ]
        ),
        ticks=[hours[n * (len(hours) - 1) // _TICKS].hour for n in range(_TICKS + 1)],
        marked=_marked(found.switched_off, hours),
        holes=_holes(visit, found),
        answer_of=answer_of,
        unsent_in=unsent_in,
    )


def unsent_in(hour: EndedInHour) -> int:
    """Return how many notifications ended unsent in an hour: the integration was off, or they were cancelled."""
    return hour.skipped + hour.cancelled


def _marked(cards: Sequence[Card], hours: Sequence[EndedInHour]) -> tuple[Card, float] | None:
    """Return the last integration that switched itself off, and where on the strip; None: none did so lately."""
    first, width = hours[0].hour, len(hours) * HOUR
    times = {card.integration.disabled_at: card for card in cards}
    at = max((at for at in times if at is not None and at >= first), default=None)
    return None if at is None else (times[at], round(100 * ((at - first) / width), 2))


def _holes(visit: Visit, found: Overview) -> int:
    """Return of how many kinds of events nobody is told, of a single client; 0 where nobody is told of anything."""
    client_id = visit.shell.only_client
    if client_id is None or client_id in found.untold:
        return 0
    coverage = show_coverage(visit.pages, visit.scope, client_id)
    return sum(one.extent is Extent.NONE for one in coverage.kinds)

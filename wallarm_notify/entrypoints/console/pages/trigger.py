"""One trigger: its firings, each with the events that it counted and what it sent."""

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.subjects import words_of
from wallarm_notify.domain.triggers.firing import MOST_EVENTS_NAMED
from wallarm_notify.domain.triggers.sentence import sentence_of
from wallarm_notify.domain.views import EventFilter, ShownEvent, ShownFiring
from wallarm_notify.domain.why_words import NOUNS
from wallarm_notify.entrypoints.api.fields import Asked, PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.charts import bars
from wallarm_notify.entrypoints.console.pages.triggers import days_until
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.services.event_listings import list_events
from wallarm_notify.services.trigger_listings import show_trigger
from wallarm_notify.services.trigger_rows import show_trigger_row

router = APIRouter(route_class=PageRoute)

FIRINGS: Final = 20
"""So many firings are on a page."""


class FiringsAsked(Asked):
    """Which firings are shown, and of which one the events."""

    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$")] = None
    firing: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$")] = None
    client_id: str | None = None

    def opening(self, number: int) -> str:
        """Return the query by which the page shows the events of a firing on it."""
        return f"?firing={number}{f'&after={self.after}' if self.after else ''}"


@router.get("/triggers/{trigger_id}")
@needs(Thing.TRIGGERS, Verb.VIEW)
def show(visit: Visited, trigger_id: PathId, asked: Annotated[FiringsAsked, Query()]) -> Response:
    """Show a trigger with a page of its firings, the newest first, and the events of one."""
    starts = days_until(visit.times)
    row = show_trigger_row(visit.pages, visit.scope, trigger_id, starts)
    cursor = None if asked.after is None else int(asked.after)
    _, page = show_trigger(visit.pages, visit.scope, trigger_id, FIRINGS, cursor)
    opened = next((one for one in page.items if str(one.number) == asked.firing), None)
    return visit.page(
        "trigger.html",
        row=row,
        trigger=row.trigger,
        sentence=sentence_of(row.trigger.criteria, row.names, row.applications),
        noun=row.trigger.criteria.condition.terms.counted
        or NOUNS[row.trigger.criteria.condition.terms.event_type],
        days=[one.astimezone(visit.times.zone) for one in starts[:-1]],
        chart=bars(row.days),
        page=page,
        asked=asked,
        opened=opened,
        events=_events_of(visit, opened),
        words_of=words_of,
        names={one.id: one.name for one in row.notified},
        most_named=MOST_EVENTS_NAMED,
    )


def _events_of(visit: Visit, firing: ShownFiring | None) -> Sequence[ShownEvent]:
    """Return the events that a firing names, as far as they are kept."""
    if firing is None:
        return ()
    wanted = EventFilter(client_id=firing.firing.client_id, sought=str(firing.firing.id))
    page, _ = list_events(visit.pages, visit.scope, wanted, limit=MOST_EVENTS_NAMED)
    return page.items

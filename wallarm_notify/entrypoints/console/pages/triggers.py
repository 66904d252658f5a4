"""Triggers: each as a sentence, with how often it fired lately, and its switch."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.triggers.row import TriggerRow
from wallarm_notify.domain.triggers.sentence import sentence_of, sentence_words
from wallarm_notify.entrypoints.api.fields import Asked, PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.charts import bars
from wallarm_notify.entrypoints.console.pages.notifications import PAUSES
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.times import Times
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.services.manage_triggers import delete_trigger, disable_trigger, enable_trigger
from wallarm_notify.services.trigger_rows import (
    count_triggers,
    list_trigger_rows,
    show_trigger_row,
)

router = APIRouter(route_class=PageRoute)

ROWS: Final = 25
"""So many triggers are on a page."""

DAYS: Final = 7
"""So many days of firings are shown, today the last."""

LONGEST_SENTENCE: Final = 300
"""So much of a sentence is in a row; the whole is on the trigger's page."""

_STATES: Final = {"all": None, "enabled": True, "disabled": False}


class RowsAsked(Asked):
    """Which triggers are shown."""

    show: Literal["all", "enabled", "disabled"] = "all"
    text: Annotated[str, Field(max_length=200)] = ""
    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$")] = None
    client_id: str | None = None

    def path(self, **changes: str | int | None) -> str:
        """Return the path of this listing with other filters; one that is None or empty is dropped."""
        given = {**self.model_dump(exclude={"after"}), **changes}
        kept = {name: value for name, value in given.items() if value not in (None, "", "all")}
        return f"/triggers?{urlencode(kept)}" if kept else "/triggers"


class SwitchAsked(Asked):
    """For how many hours a page offers to disable a trigger; empty: until somebody enables it."""

    hours: Literal["", "1"] = ""
    client_id: str | None = None


@router.get("/triggers")
@needs(Thing.TRIGGERS, Verb.VIEW)
def show_all(visit: Visited, asked: Annotated[RowsAsked, Query()]) -> Response:
    """Show triggers by their ids."""
    starts = days_until(visit.times)
    page = list_trigger_rows(
        *(visit.pages, visit.scope, starts),
        client_id=visit.client_id,
        enabled=_STATES[asked.show],
        text=asked.text.strip() or None,
        limit=ROWS,
        cursor=None if asked.after is None else int(asked.after),
    )
    return visit.page(
        "triggers.html",
        rows=page.items,
        page=page,
        asked=asked,
        counts=count_triggers(visit.pages, visit.scope, visit.client_id),
        days=[one.astimezone(visit.times.zone) for one in starts[:-1]],
        bars=bars,
        sentence_of=_short,
    )


@router.get("/triggers/{trigger_id}/disable")
@needs(Thing.TRIGGERS, Verb.UPDATE)
def ask_to_disable(
    visit: Visited, trigger_id: PathId, asked: Annotated[SwitchAsked, Query()]
) -> Response:
    """Show what disabling a trigger comes to, and ask for how long."""
    return _disabling(visit, trigger_id, asked.hours)


@router.post("/triggers/{trigger_id}/disable")
@needs(Thing.TRIGGERS, Verb.UPDATE)
def disable(visit: Visited, trigger_id: PathId) -> Response:
    """Disable a trigger, for good or for some hours."""
    hours = visit.text("hours")
    if hours not in dict(PAUSES):
        return _disabling(visit, trigger_id, "", "choose one of these.")
    until = visit.times.now + timedelta(hours=int(hours)) if hours else None
    try:
        disable_trigger(visit.ctx, visit.actor, visit.scope, trigger_id, until=until)
    except Refused as error:
        if error.field != "until":
            raise
        return _disabling(visit, trigger_id, hours, error.sentence)
    return visit.go(f"/triggers/{trigger_id}")


@router.post("/triggers/{trigger_id}/enable")
@needs(Thing.TRIGGERS, Verb.UPDATE)
def enable(visit: Visited, trigger_id: PathId) -> Response:
    """Enable a trigger, which counts afresh."""
    enable_trigger(visit.ctx, visit.actor, visit.scope, trigger_id)
    return visit.go(f"/triggers/{trigger_id}")


@router.get("/triggers/{trigger_id}/delete")
@needs(Thing.TRIGGERS, Verb.DELETE)
def ask_to_delete(visit: Visited, trigger_id: PathId) -> Response:
    """Show what is lost with a trigger, and ask."""
    row = show_trigger_row(visit.pages, visit.scope, trigger_id, days_until(visit.times))
    return visit.page("trigger_delete.html", row=row, trigger=row.trigger)


@router.post("/triggers/{trigger_id}/delete")
@needs(Thing.TRIGGERS, Verb.DELETE)
def delete(visit: Visited, trigger_id: PathId) -> Response:
    """Delete a trigger for ever."""
    delete_trigger(visit.ctx, visit.actor, visit.scope, trigger_id)
    return visit.go("/triggers")


def days_until(times: Times) -> list[datetime]:
    """Return when each of the last days began where the reader is, and when today ends."""
    today = times.now.astimezone(times.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return [today + timedelta(days=n) for n in range(1 - DAYS, 2)]


def _short(row: TriggerRow) -> str:
    words = sentence_words(sentence_of(row.trigger.criteria, row.names, row.applications))
    return words if len(words) <= LONGEST_SENTENCE else f"{words[:LONGEST_SENTENCE]}…"


def _disabling(visit: Visit, trigger_id: int, hours: str, error: str | None = None) -> Response:
    row = show_trigger_row(visit.pages, visit.scope, trigger_id)
    return visit.page(
        "trigger_disable.html",
        status=200 if error is None else 400,
        trigger=row.trigger,
        pauses=(PAUSES[-1], *PAUSES[:-1]),
        hours=hours,
        error=error,
    )

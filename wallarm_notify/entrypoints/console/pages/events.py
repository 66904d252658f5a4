"""Events: found by what people have of one, and why somebody was told of it, or nobody."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.event import EVENT_TYPES, check_event_type
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.remedies import remedied
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.triggers.condition import CONDITIONS_OF
from wallarm_notify.domain.views import CameTo, EventFilter
from wallarm_notify.domain.why import Absent, Reason, Why
from wallarm_notify.domain.why_words import (
    absence_words,
    after_acceptance,
    answer_parts,
    other_words,
)
from wallarm_notify.domain.words import duration_of
from wallarm_notify.entrypoints.api.fields import DIGITS, Asked, Moment
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.event_words import facts_of, title_of
from wallarm_notify.entrypoints.console.excerpts import fits, within
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visit, Visited, client_number
from wallarm_notify.entrypoints.console.why_rows import why_rows
from wallarm_notify.services.event_listings import list_events
from wallarm_notify.services.why import why
from wallarm_notify.services.would_have_sent import try_trigger

router = APIRouter(route_class=PageRoute)

ROWS: Final = 40
"""So many events are on a page."""

MOST_NEWER: Final = 100
"""So many newer ones are counted at most."""

LINES: Final = 20
"""So many integrations and triggers are on the page of one event."""

LONGEST_COPIED: Final = 4000
"""Up to so many bytes an event is held by a button that copies it."""

SHOWN: Final[Mapping[str, tuple[str, CameTo | None]]] = {
    "all": ("All", None),
    "notified": ("Made notifications", CameTo.NOTIFIED),
    "counted": ("Counted", CameTo.COUNTED),
    "nobody": ("Told nobody", CameTo.NOBODY),
}
"""What can be shown: the words, and what the events came to."""


class EventsAsked(Asked):
    """Which events are listed."""

    show: Literal["all", "notified", "counted", "nobody"] = "all"
    find: Annotated[str, Field(max_length=500)] = ""
    type: Annotated[str, Field(max_length=100)] = ""
    since: Moment | None = None
    until: Moment | None = None
    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$")] = None
    newer_than: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$")] = None
    client_id: str | None = None

    @property
    def sought(self) -> str:
        """What is looked for, without blanks around it."""
        return self.find.strip()

    def wanted(self, client_id: int | None) -> EventFilter:
        """Return the filter that is meant, of a client or of all. Raise Refused."""
        return EventFilter(
            client_id=client_id,
            event_type=check_event_type(self.type) if self.type else None,
            sought=self.sought or None,
            came=Period(self.since, self.until),
            came_to=SHOWN[self.show][1],
        )

    def path(self, **changes: Any) -> str:
        """Return the path of this listing with other filters; one that is None or empty is dropped."""
        given = {**self.model_dump(mode="json", exclude={"after", "newer_than"}), **changes}
        kept = {name: value for name, value in given.items() if value not in (None, "", "all")}
        return f"/events?{urlencode(kept)}" if kept else "/events"

    @property
    def dropped(self) -> list[tuple[str, str, str]]:
        """The filters in words, each with its value and the path of the listing without it."""
        given = self.model_dump(mode="json")
        return [
            (words, str(given[name]), self.path(**{name: None}))
            for name, words in _FILTERS.items()
            if given[name] not in (None, "")
        ]


_FILTERS: Final = {"find": "Has", "type": "Type", "since": "Since", "until": "Until"}


class OneAsked(Asked):
    """Whose event is shown, from which line on, and whether it was just sent."""

    client_id: str | None = None
    lines_from: Annotated[int, Field(ge=0, le=100_000), DIGITS] = 0
    sent: Literal["1"] | None = None


@router.get("/events")
@needs(Thing.EVENTS, Verb.VIEW)
def show_all(visit: Visited, asked: Annotated[EventsAsked, Query()]) -> Response:
    """Show events, the newest first, or how many are newer than what a page shows."""
    if asked.sought in EVENT_TYPES:
        return visit.go(asked.path(find=None, type=asked.sought))
    wanted = asked.wanted(visit.client_id)
    if asked.newer_than is not None:
        known = int(asked.newer_than)
        found, _ = list_events(visit.pages, visit.scope, wanted, limit=MOST_NEWER)
        newer = sum(one.id > known for one in found.items)
        return visit.part("events.html", "newer", newer=newer, known=known, asked=asked)
    page, around = list_events(
        *(visit.pages, visit.scope, wanted),
        limit=ROWS,
        cursor=None if asked.after is None else int(asked.after),
    )
    return visit.page(
        "events.html",
        page=page,
        around=around,
        asked=asked,
        shown=SHOWN,
        types=list(EVENT_TYPES),
        title_of=title_of,
        newer=0,
        known=page.items[0].id if page.items else 0,
    )


@router.get("/events/{event_id}")
@needs(Thing.EVENTS, Verb.VIEW)
def show(visit: Visited, event_id: UUID, asked: Annotated[OneAsked, Query()]) -> Response:
    """Show why somebody was told of an event, or nobody; of several clients the list shows whose it is."""
    if visit.shell.only_client is None:
        return visit.go(f"/events?find={event_id}")
    return _shown(visit, visit.shell.only_client, event_id, asked)


@router.post("/events/{event_id}/would-have-sent")
@needs(Thing.TRIGGERS, Verb.SIMULATE)
def compute(visit: Visited, event_id: UUID, asked: Annotated[OneAsked, Query()]) -> Response:
    """Have it computed how often a trigger would have fired without what kept the event from it."""
    client_id = visit.shell.only_client
    if client_id is None:
        raise NotFound(f"There is no event {event_id}.")
    trigger_id = client_number(visit.text("trigger_id")) or 0
    try:
        try_trigger(visit.ctx, visit.actor, visit.scope, (client_id, event_id), trigger_id)
    except NotFound:
        raise
    except Refused as error:
        return _shown(visit, client_id, event_id, asked, (trigger_id, error.sentence))
    return visit.go(_path(event_id, asked.lines_from))


def _path(event_id: UUID, lines_from: int = 0) -> str:
    """Return the path of an event's page, from a line on."""
    return f"/events/{event_id}" + (f"?lines_from={lines_from}" if lines_from else "")


def _shown(
    visit: Visit,
    client_id: int,
    event_id: UUID,
    asked: OneAsked,
    refused: tuple[int, str] | None = None,
) -> Response:
    found = why(visit.pages, visit.scope, client_id, event_id)
    if isinstance(found, Absent):
        return _absent(visit, found, asked)
    return visit.page(
        "event.html",
        status=200 if refused is None else 400,
        **_values(visit, found, asked.lines_from),
        refused=refused or (None, ""),
    )


def _absent(visit: Visit, found: Absent, asked: OneAsked) -> Response:
    """Return what is known of an id without an event: nothing is, so it is not there, unless it was just sent."""
    is_unknown = found.causes[0].reason is Reason.NOT_HERE
    if is_unknown and asked.sent is None:
        raise NotFound(absence_words(found)[0])
    return visit.page(
        "event_absent.html",
        event_id=found.event_id,
        sentences=absence_words(found),
        is_awaited=is_unknown,
        rejected=[one for one in found.causes if one.reason in (Reason.REJECTED, Reason.CONFLICT)],
    )


def _values(visit: Visit, found: Why, lines_from: int) -> dict[str, Any]:
    """Return what the page of an event is made of."""
    times, event = visit.times, found.event
    heading, rest = answer_parts(found, times.beside)
    lines = remedied(found)
    shown = lines[lines_from : lines_from + LINES]
    body = json.dumps(event.body, indent=2, ensure_ascii=False)
    following = lines_from + LINES
    return {
        "why": found,
        "event": event,
        "title": title_of(event),
        "heading": heading,
        "rest": rest,
        "kind": _kind_of(found),
        "taken_in": _taken_in(found),
        "lines": lines,
        "rows": why_rows(visit, found, shown),
        "facts": facts_of(event),
        "condition": CONDITIONS_OF.get(event.type),
        "body": within(body, 12_000),
        "copied": body if fits(body, LONGEST_COPIED) else None,
        "after": after_acceptance(found, times.beside),
        "others": other_words(found),
        "lines_from": lines_from,
        "here_path": _path(event.id, lines_from),
        "first_path": _path(event.id) if lines_from else None,
        "following": _path(event.id, following) if len(lines) > following else None,
    }


def _kind_of(found: Why) -> str:
    """Return the colour of the answer: red only where an alert of it did not reach PagerDuty."""
    reasons = {line.reason for line in found.lines}
    if Reason.ACCEPTED in reasons:
        return "good"
    if reasons & {Reason.WAITING, Reason.RETRYING}:
        return "odd"
    return "bad" if reasons & {Reason.FAILED, Reason.SKIPPED, Reason.CANCELLED} else "off"


def _taken_in(found: Why) -> str:
    """Return how long after it happened an event was taken in, in words."""
    late = (found.received_at - found.event.occurred_at).total_seconds()
    return f"{duration_of(late)} later" if late > 0 else "at once"

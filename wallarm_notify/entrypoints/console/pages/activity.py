"""The activity log: who changed what, when, with what was there before and after."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.activity import Action, Activity, ActivityFilter, Change, ObjectType
from wallarm_notify.domain.activity_words import change_words, changed_fields, spaced
from wallarm_notify.domain.actor import Source
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.rights import Thing, Verb, visible_in_log
from wallarm_notify.domain.roles import role_words
from wallarm_notify.entrypoints.api.fields import PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.pages.settings import ROWS, RowsAsked
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import HEADERS, Visit, Visited
from wallarm_notify.services.activity import export_activity, list_activity, show_activity

router = APIRouter(route_class=PageRoute)

MOST_EXPORTED: Final = 10_000
"""So many lines are in a file at most."""

ENDS_EARLY: Final = "Lines before {} are not in this file: choose days before that for them."

_FORMULA: Final = re.compile(r"(^|[;,\t\r\n])(?=\s*[=+@-]|[\t\r])")
"""Where a formula would begin: where a spreadsheet reads by semicolons, amid what is one cell here."""

SHOWN_FIELDS: Final = 3
"""So many changed fields are in a row of the log; the page of the line has all of them."""

_COLUMNS: Final = (
    *("time", "who", "role", "by way of", "action", "object type", "object", "client"),
    *("before", "after"),
)
_PAGES: Final = {
    ObjectType.INTEGRATION: "/integrations/{integration_id}",
    ObjectType.TRIGGER: "/triggers/{trigger_id}",
    ObjectType.USER: "/settings/users/{user_id}",
    ObjectType.TOKEN: "/settings/tokens/{token_id}",
}
"""Where what was changed has a page of its own."""


class LinesAsked(RowsAsked):
    """Which lines of the log are shown; ``who`` is a user's number, 0 whoever is no user."""

    what: Annotated[str, Field(max_length=40)] = ""
    action: Annotated[str, Field(max_length=40)] = ""
    by: Annotated[str, Field(max_length=40)] = ""
    who: Annotated[str, Field(pattern=r"^[0-9]{0,18}$")] = ""
    since: Annotated[str, Field(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")] = ""
    until: Annotated[str, Field(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")] = ""

    def wanted(self, zone: tzinfo) -> ActivityFilter:
        """Return which lines are meant; days are those of the reader's zone. Raise Refused."""
        return ActivityFilter(
            object_types=_one_of(self.what, ObjectType, "what"),
            actions=_one_of(self.action, Action, "action"),
            sources=_one_of(self.by, Source, "by"),
            user_ids=frozenset({int(self.who)}) if self.who else None,
            period=Period(_day(self.since, zone), _day(self.until, zone, timedelta(days=1))),
        )

    def path(self, base: str = "/settings/activity", **changes: Any) -> str:
        """Return the path of the same lines with other filters; one that is empty is dropped."""
        given = {**self.model_dump(exclude={"after"}), **changes}
        kept = {name: value for name, value in given.items() if value not in (None, "")}
        return f"{base}?{urlencode(kept)}" if kept else base

    @property
    def is_filtered(self) -> bool:
        """Whether some lines are left out."""
        return any((self.what, self.action, self.by, self.who, self.since, self.until))


@router.get("/settings/activity")
@needs(Thing.ACTIVITY, Verb.VIEW)
def show_all(visit: Visited, asked: Annotated[LinesAsked, Query()]) -> Response:
    """Show who changed what, the newest first."""
    page = list_activity(
        *(visit.pages, visit.scope, visit.actor.role),
        client_id=visit.client_id,
        cursor=asked.cursor,
        limit=ROWS,
        wanted=asked.wanted(visit.times.zone),
    )
    seen = visible_in_log(visit.actor.role)
    return visit.page(
        "activity.html",
        page=page,
        asked=asked,
        most=MOST_EXPORTED,
        shown_fields=SHOWN_FIELDS,
        types=[("", "Anything"), *((one.value, _words(one)) for one in ObjectType if one in seen)],
        actions=[("", "Any action"), *((one.value, _words(one)) for one in Action)],
        sources=[("", "Any way"), *((one.value, _words(one)) for one in Source)],
        change_words=_sentence,
        changed_fields=changed_fields,
        spaced=spaced,
    )


@router.get("/settings/activity.csv")
@needs(Thing.ACTIVITY, Verb.VIEW)
def export(visit: Visited, asked: Annotated[LinesAsked, Query()]) -> Response:
    """Return the lines that are filtered as a file, the newest first.

    Where it ends early, its last line says so.
    """
    page = export_activity(
        *(visit.pages, visit.scope, visit.actor.role),
        client_id=visit.client_id,
        cursor=asked.cursor,
        limit=MOST_EXPORTED,
        wanted=asked.wanted(visit.times.zone),
    )
    name = f"activity-{datetime.now(UTC):%Y-%m-%d}.csv"
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(
        as_csv(page.items, page.searched_back_to), 200, headers, "text/csv; charset=utf-8"
    )


@router.get("/settings/activity/{line_id}")
@needs(Thing.ACTIVITY, Verb.VIEW)
def show(visit: Visited, line_id: PathId) -> Response:
    """Show one line: what was there before and after, side by side."""
    line = show_activity(visit.pages, visit.scope, visit.actor.role, line_id)
    return visit.page(
        "activity_line.html",
        line=line,
        words=_sentence(line.change),
        fields=changed_fields(line.change),
        spaced=spaced,
        role_words=role_words,
        page_of_it=_page_of(visit, line.change),
    )


def as_csv(lines: Sequence[Activity], back_to: datetime | None = None) -> str:
    """Return lines of the log as comma-separated values, times in UTC.

    What a spreadsheet would take for a formula gets an apostrophe before it, whichever separator it reads by.
    ``back_to``: there may be older lines than of that time, which a last line says.
    """
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_COLUMNS)
    for line in lines:
        actor, change = line.actor, line.change
        rows.writerow(
            [
                *(_utc(line.at), _cell(actor.name)),
                *(actor.role.value, actor.source.value, change.action.value),
                *(change.object_type.value, change.object_id, change.client_id),
                *(_json_cell(change.before), _json_cell(change.after)),
            ]
        )
    if back_to is not None:
        rows.writerow([ENDS_EARLY.format(_utc(back_to))])
    return text.getvalue()


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _cell(text: str) -> str:
    return _FORMULA.sub(r"\1'", text)


def _json_cell(side: Mapping[str, Any]) -> str:
    # The other separators that a spreadsheet may go by are escaped in JSON anyway, or stand between quotes here.
    return json.dumps(side, ensure_ascii=False).replace(";", "\\u003b")


def _page_of(visit: Visit, change: Change) -> str | None:
    """Return the path of the page of what was changed; None: it has none, or is deleted."""
    path = _PAGES.get(change.object_type)
    if path is None or change.action is Action.DELETED or path not in visit.console.paths:
        return None
    return f"{path.rpartition('/')[0]}/{change.object_id}"


def _sentence(change: Change) -> str:
    words = change_words(change)
    return f"{words[:1].upper()}{words[1:]}"


def _words(name: str) -> str:
    return spaced(name).capitalize()


def _one_of(text: str, kinds: Any, field: str) -> frozenset[Any] | None:
    """Return the one that is meant by its word; None: any. Raise Refused."""
    if not text:
        return None
    if text not in {one.value for one in kinds}:
        raise Refused("choose one of the list.", field=field)
    return frozenset({kinds(text)})


def _day(text: str, zone: tzinfo, later: timedelta = timedelta()) -> datetime | None:
    """Return when a day begins in a zone, or so much ``later``; None: no day was given. Raise Refused."""
    if not text:
        return None
    try:
        return (datetime.combine(date.fromisoformat(text), time(), zone) + later).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(f"«{text}» is no day.", field="since") from None

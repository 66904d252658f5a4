"""``wallarm-notify activity``: who changed what, when (spec 9)."""

from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.table import Column
from rich.text import Text

from wallarm_notify.domain.activity import Activity, Change
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.triggers.filters import Operator
from wallarm_notify.domain.words import duration_of
from wallarm_notify.entrypoints.cli.options import (
    ID,
    example,
    json_option,
    paged,
    read_cursor,
)
from wallarm_notify.entrypoints.cli.output import (
    fixed,
    number,
    plain,
    print_page,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.schemas.documents.activity import activity_document
from wallarm_notify.services.activity import list_activity

_NOTHING = "none"

_CHANGES = 36
"""Characters that most fields with their values before and after fit into."""


@click.group(epilog=example("wallarm-notify activity list --client 1"))
def activity() -> None:
    """Who changed what, when."""


@activity.command("list", epilog=example("wallarm-notify activity list --client 1 --json"))
@click.option("--client", "client_id", type=ID, help="Only what is this client's.")
@paged
@json_option
def list_changes(client_id: int | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List changes, newest first: who made them, and what was before and after."""
    before = read_cursor(cursor)
    page = list_activity(
        wiring().context, EVERY_CLIENT, client_id=client_id, cursor=before, limit=limit
    )
    print_page(
        page,
        as_json=as_json,
        document=activity_document,
        columns=[
            fixed("Time"),
            "Who",
            "What",
            number("Client"),
            Column("Changes", overflow="fold", min_width=_CHANGES),
        ],
        row=lambda line: (
            line.at,
            _who(line),
            _what(line.change),
            line.change.client_id,
            _changes(line.change),
        ),
        nothing="No changes.",
    )


def _who(line: Activity) -> str:
    actor = line.actor
    return f"{actor.name} ({_words(actor.role)}, {_words(actor.source)})"


def _what(change: Change) -> str:
    which = "" if change.object_id is None else f" {change.object_id}"
    return f"{change.action} {_words(change.object_type)}{which}"


def _changes(change: Change) -> Text:
    return Text("\n".join(map(plain, _lines(change))))


def _lines(change: Change) -> Iterator[str]:
    """Yield a line for each field: both values of one that differs, what is set of something that came or went."""
    before, after = change.before, change.after
    for name in {**before, **after}:
        values = [_value(name, side[name]) for side in (before, after) if name in side]
        if values != [_NOTHING]:
            yield f"{_words(name)}: {' → '.join(values)}"


def _value(name: str, value: Any) -> str:
    match name, value:
        case _, None | "" | []:
            return _NOTHING
        case _, bool():
            return "yes" if value else "no"
        case "threshold", {"count": count, "period": period}:
            return f"more than {count} in {duration_of(period)}"
        case "filters", list():
            return "; ".join(map(_filter, value))
        case _, list():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _filter(one: Mapping[str, Any]) -> str:
    sign = "=" if one["operator"] == Operator.EQ else "!="
    return f"{one['id']}{sign}{','.join(map(str, one['values']))}"


def _words(name: str) -> str:
    return name.replace("_", " ")

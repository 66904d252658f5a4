"""``wallarm-notify activity``: who changed what, when (spec 9)."""

import click
from rich.text import Text

from wallarm_notify.domain.activity import Activity, Change
from wallarm_notify.domain.activity_words import change_lines, change_words, spaced
from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.entrypoints.cli.options import (
    ID,
    example,
    json_option,
    paged,
    read_cursor,
)
from wallarm_notify.entrypoints.cli.output import plain, print_page
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.tables import fixed, number, sentence
from wallarm_notify.schemas.documents.activity import activity_document
from wallarm_notify.services.activity import list_activity

_CHANGES = 36
"""Characters that are enough for most fields with their values before and after."""


@click.group(epilog=example("wallarm-notify activity list --client 1"))
def activity() -> None:
    """Show who changed what, and when."""


@activity.command("list", epilog=example("wallarm-notify activity list --client 1 --json"))
@click.option("--client", "client_id", type=ID, help="Only changes of this client's objects.")
@paged
@json_option
def list_changes(client_id: int | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List changes, newest first: who made them, with the values before and after."""
    before = read_cursor(cursor)
    page = list_activity(
        *(wiring().context, EVERY_CLIENT, Role.OPERATOR),
        client_id=client_id,
        cursor=before,
        limit=limit,
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
            sentence("Changes", _CHANGES),
        ],
        row=lambda line: (
            line.at,
            _who(line),
            change_words(line.change),
            line.change.client_id,
            _changes(line.change),
        ),
        nothing="No changes.",
    )


def _who(line: Activity) -> str:
    actor = line.actor
    return f"{actor.name} ({spaced(actor.role)}, {spaced(actor.source)})"


def _changes(change: Change) -> Text:
    return Text("\n".join(map(plain, change_lines(change))))

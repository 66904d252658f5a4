"""``wallarm-notify events``: sending events, their types, and what could not be taken in."""

from collections.abc import Mapping
from pathlib import Path

import click
from rich.progress import Progress

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.emission import Emission
from wallarm_notify.entrypoints.cli.event_listing import list_events
from wallarm_notify.entrypoints.cli.list_or_show import ListOrShow
from wallarm_notify.entrypoints.cli.options import (
    ID,
    example,
    json_option,
    paged,
    read_cursor,
)
from wallarm_notify.entrypoints.cli.output import (
    error_console,
    print_fields,
    print_json,
    print_line,
    print_listing,
    print_note,
    print_page,
    print_table,
)
from wallarm_notify.entrypoints.cli.parts import read_settings, wiring
from wallarm_notify.entrypoints.cli.previews import check, preview
from wallarm_notify.entrypoints.cli.program import FAILED
from wallarm_notify.entrypoints.cli.resubmission import resubmit
from wallarm_notify.entrypoints.cli.tables import fixed, number, sentence
from wallarm_notify.entrypoints.cli.why import show
from wallarm_notify.schemas.documents.events import (
    ahead_document,
    rejection_document,
    rejection_item,
    set_aside_document,
    undecodable_document,
)
from wallarm_notify.services.listings import (
    count_undecodable,
    list_ahead,
    list_rejections,
    list_set_aside,
    list_undecodable,
    show_rejection,
    show_set_aside,
    show_undecodable,
)

LONG_FILE = 200_000
"""Bytes of a file from which on progress is shown."""

MOST_GIVEN = 100
"""The most ids, given to events without one, that are printed for people."""

BEGINNING = 80
"""Characters of a call that a listing shows to people."""

_file = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.group(epilog=example("wallarm-notify events emit events.jsonl"))
def events() -> None:
    """Send and find events, show who was notified of one and why, and what could not be taken in."""


events.add_command(list_events)
events.add_command(resubmit)
events.add_command(show)
events.add_command(check)
events.add_command(preview)


@events.command(
    epilog=example(
        "wallarm-notify events emit events.jsonl",
        'echo \'{"type": "rule.created", "client_id": 1, "rule_id": 7}\' | wallarm-notify events emit -',
    )
)
@click.argument("file", type=_file)
@json_option
@click.pass_context
def emit(ctx: click.Context, *, file: Path, as_json: bool) -> None:
    """Enqueue the events of FILE, one JSON object a line.

    A wrong line is reported and left out; the others are sent, and the exit status is 1. An event
    without id or occurred_at gets one.
    """
    from wallarm_notify.producer import Producer  # noqa: PLC0415 - Celery, only here

    console = error_console()
    size = 0 if str(file) == "-" else file.stat().st_size
    hidden = not console.is_terminal or (size < LONG_FILE and str(file) != "-")
    settings = read_settings()
    with (
        Producer(
            settings.broker(),
            queue_type=settings.events_queue_type,
            ca_file=settings.trusted(),
            redis=settings.redis_setup,
        ) as producer,
        click.open_file(str(file), "rb") as source,
        Progress(console=console, disable=hidden, transient=True) as progress,
    ):
        task = progress.add_task("Sending", total=size or None)
        emission = Emission(producer, str(file))
        for done in emission.run(source):
            progress.update(task, completed=done)
    if as_json:
        given = [{"line": line, "id": str(id_)} for line, id_ in emission.given.items()]
        print_json({"sent": emission.sent, "refused": emission.refused, "given": given})
    else:
        for line, id_ in list(emission.given.items())[:MOST_GIVEN]:
            print_line(f"{file}:{line} was given the id {id_}.")
        if (more := len(emission.given) - MOST_GIVEN) > 0:
            were = "was given an id" if more == 1 else "were given ids"
            print_line(f"{counted(more, 'further event')} {were}; --json lists them all.")
        print_line(
            f"{counted(emission.sent, 'event')} sent, {counted(emission.refused, 'line')} refused."
        )
    if emission.refused:
        ctx.exit(FAILED)


@events.command(epilog=example("wallarm-notify events types"))
@json_option
def types(as_json: bool) -> None:
    """List the types of events and their fields; needs no setting."""
    from wallarm_notify.schemas.documents.event_types import event_type_documents  # noqa: PLC0415 - pydantic

    items = event_type_documents()
    if as_json:
        print_listing(items)
        return
    print_table(
        [fixed("Type"), fixed("Subscription"), "Fields"],
        [
            (
                item["type"],
                item["subscription"] or "triggers only",
                ", ".join([*item["required"], *(f"[{field}]" for field in item["optional"])]),
            )
            for item in items
        ],
        nothing="",
    )
    print_line(
        "Fields in brackets are optional. All have id, client_id, type and occurred_at, and may have actor."
    )


@events.command(epilog=example("wallarm-notify events schema > event.schema.json"))
@click.option("--json", "_as_json", is_flag=True, help="The output is always JSON.")
def schema(_as_json: bool) -> None:
    """Print the JSON Schema of an event, for producers in any language; needs no setting."""
    from wallarm_notify.schemas.catalogue import json_schema  # noqa: PLC0415 - pydantic, only here

    print_json(json_schema())


@events.command(
    cls=ListOrShow,
    epilog=example(
        "wallarm-notify events rejected list --limit 10",
        "wallarm-notify events rejected show 5",
    ),
)
@click.argument("rejected_id", metavar="[ID]", type=ID, required=False)
@paged
@json_option
def rejected(rejected_id: int | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List the rejected events, each with the reason, newest first.

    With an ID, show one with all that was kept of it.
    """
    if rejected_id is not None:
        shown = show_rejection(wiring().context, EVERY_CLIENT, rejected_id)
        _show(rejection_document(shown), as_json=as_json)
        return
    before = read_cursor(cursor)
    ctx = wiring().context
    page = list_rejections(ctx, EVERY_CLIENT, limit=limit, cursor=before)
    undecodable = count_undecodable(ctx, EVERY_CLIENT)
    print_page(
        page,
        as_json=as_json,
        document=rejection_item,
        columns=[
            number("ID"),
            fixed("Received"),
            number("Client", spare=True),
            fixed("Type"),
            sentence("Reason"),
        ],
        row=lambda r: (r.id, r.received_at, r.client_id, r.type, r.reason),
        nothing="No rejected events.",
    )
    if undecodable:
        print_note(
            f"Besides: {counted(undecodable, 'message')} that could not be decoded; see: "
            "wallarm-notify events undecodable"
        )


@events.command(
    cls=ListOrShow,
    epilog=example(
        "wallarm-notify events undecodable list --limit 10",
        "wallarm-notify events undecodable show 3",
    ),
)
@click.argument("message_id", metavar="[ID]", type=ID, required=False)
@paged
@json_option
def undecodable(message_id: int | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List the messages that no events could be read from, newest first.

    With an ID, show one with all that was kept of it.
    """
    if message_id is not None:
        message = show_undecodable(wiring().context, EVERY_CLIENT, message_id)
        _show(undecodable_document(message), as_json=as_json)
        return
    before = read_cursor(cursor)
    print_page(
        list_undecodable(wiring().context, EVERY_CLIENT, limit=limit, cursor=before),
        as_json=as_json,
        document=undecodable_document,
        columns=[
            number("ID"),
            fixed("Received"),
            number("Bytes"),
            "Content type",
            sentence("Reason"),
        ],
        row=lambda m: (m.id, m.received_at, m.bytes, m.content_type, m.reason),
        nothing="No undecodable messages.",
    )


@events.command(
    "set-aside",
    cls=ListOrShow,
    epilog=example(
        "wallarm-notify events set-aside list --limit 10",
        "wallarm-notify events set-aside show 2",
    ),
)
@click.argument("call_id", metavar="[ID]", type=ID, required=False)
@paged
@json_option
def set_aside(call_id: int | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List the calls that were set aside because workers died of them, newest first.

    With an ID, show one with its whole body.
    """
    if call_id is not None:
        call = show_set_aside(wiring().context, EVERY_CLIENT, call_id)
        _show(set_aside_document(call), as_json=as_json)
        return
    before = read_cursor(cursor)
    print_page(
        list_set_aside(wiring().context, EVERY_CLIENT, limit=limit, cursor=before),
        as_json=as_json,
        document=set_aside_document,
        columns=[
            number("ID"),
            fixed("Set aside"),
            fixed("Tried again"),
            number("Bytes"),
            sentence("Beginning"),
        ],
        row=lambda c: (c.id, c.set_aside_at, c.retry_at, c.bytes, c.body[:BEGINNING]),
        nothing="No call is set aside.",
    )


@events.command(epilog=example("wallarm-notify events ahead"))
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def ahead(limit: int, as_json: bool) -> None:
    """List the events that are kept apart because their time is ahead of the database's clock.

    The one that is taken in next comes first. An event is taken in once it is at most 5 minutes ahead.
    """
    print_page(
        list_ahead(wiring().context, EVERY_CLIENT, limit=limit),
        as_json=as_json,
        document=ahead_document,
        columns=[number("Client", spare=True), fixed("Type"), "Taken in", fixed("Event")],
        row=lambda e: (e.client_id, e.type, e.taken_in_at, e.id),
        nothing="No events are kept apart.",
    )


def _show(document: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        print_fields(
            (name.replace("_", " ").capitalize(), value) for name, value in document.items()
        )

"""``wallarm-notify events``: sending events, what they may be, and those that were rejected."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import EVENT_TYPES, Event, Rejection
from wallarm_notify.entrypoints.cli.emission import LONGEST_LINE, Emission, read_object
from wallarm_notify.entrypoints.cli.options import (
    ID,
    example,
    json_option,
    paged,
    read_cursor,
)
from wallarm_notify.entrypoints.cli.output import (
    counted,
    errors,
    fixed,
    note,
    number,
    print_json,
    print_listing,
    print_more,
    print_table,
    say,
)
from wallarm_notify.entrypoints.cli.parts import read_settings, wiring
from wallarm_notify.entrypoints.cli.program import FAILED
from wallarm_notify.services.listings import ShownRejection

LONG_FILE = 200_000
"""Bytes from which on progress is shown."""

_file = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.group(epilog=example("wallarm-notify events emit events.jsonl"))
def events() -> None:
    """Sending events, what they may be, and those that were rejected."""


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

    A line that is wrong is told of and left out; the others are sent, and the exit status is 1. An
    event without id or occurred_at is given them.
    """
    from wallarm_notify.producer import Producer  # noqa: PLC0415 - Celery, only here

    console = errors()
    size = 0 if str(file) == "-" else file.stat().st_size
    hidden = not console.is_terminal or (size < LONG_FILE and str(file) != "-")
    settings = read_settings()
    with (
        Producer(
            settings.broker(),
            queue_type=settings.events_queue_type,
            ca_file=settings.trusted(),
        ) as producer,
        click.open_file(str(file), "rb") as source,
        Progress(console=console, disable=hidden, transient=True) as progress,
    ):
        task = progress.add_task("Sending", total=size or None)
        emission = Emission(producer, str(file))
        for done in emission.run(source):
            progress.update(task, completed=done)
    if as_json:
        print_json({"sent": emission.sent, "refused": emission.refused})
    else:
        say(f"{counted(emission.sent, 'event')} sent, {counted(emission.refused, 'line')} refused.")
    if emission.refused:
        ctx.exit(FAILED)


@events.command(epilog=example("wallarm-notify events types"))
@json_option
def types(as_json: bool) -> None:
    """List the types of events and their fields; needs no setting."""
    items = _types()
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
    say(
        "Fields in brackets are optional. All have id, client_id, type and occurred_at, and may have actor."
    )


@events.command(epilog=example("wallarm-notify events schema > event.schema.json"))
@click.option("--json", "_as_json", is_flag=True, help="It is always JSON.")
def schema(_as_json: bool) -> None:
    """Print the JSON Schema of an event, for producers in any language; needs no setting."""
    from wallarm_notify.schemas import json_schema  # noqa: PLC0415 - pydantic, only here

    print_json(json_schema())


@events.command(epilog=example("wallarm-notify events rejected --limit 10"))
@paged
@json_option
def rejected(limit: int, cursor: str | None, as_json: bool) -> None:
    """List the events that were rejected and why, newest first."""
    before = read_cursor(cursor)
    rows, undecodable = wiring().plain_store.transact(
        lambda tx: (tx.rejections(before, limit + 1), tx.undecodable_count())
    )
    shown = rows[:limit]
    following = str(shown[-1].id) if len(rows) > limit else None
    if as_json:
        print_listing([_document(r) for r in shown], following)
    else:
        print_table(
            [number("ID"), fixed("Received"), number("Client"), fixed("Type"), "Reason"],
            [(r.id, r.received_at, r.client_id, r.type, r.reason) for r in shown],
            nothing="No rejected events.",
        )
        print_more(following)
    if undecodable:
        note(f"Besides, {counted(undecodable, 'message')} could not be decoded and are kept.")


@events.command(epilog=example("wallarm-notify events ahead"))
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def ahead(limit: int, as_json: bool) -> None:
    """List the events kept apart as their time is ahead of the database's clock, the next one first.

    They are taken in when they are 5 minutes ahead or less.
    """
    rows = wiring().plain_store.transact(lambda tx: tx.events_ahead(limit))
    if as_json:
        print_listing([asdict(r) for r in rows])
        return
    print_table(
        [number("Client"), fixed("Type"), fixed("Taken in"), "Event"],
        [(r.client_id, r.type, r.taken_in_at, r.id) for r in rows],
        nothing="No events are kept apart.",
    )


@events.command(
    epilog=example(
        "wallarm-notify events resubmit 5",
        "wallarm-notify events resubmit 5 --file mended.json",
    )
)
@click.argument("rejected_id", metavar="ID", type=ID)
@click.option(
    "--file", type=_file, help="The event, mended: one JSON object; - for standard input."
)
@json_option
def resubmit(rejected_id: int, file: Path | None, as_json: bool) -> None:
    """Take in a rejected event after all, as it is or mended."""
    parts = wiring(rings=True)
    if file is None:
        text = parts.resubmit.body(rejected_id).encode()
    else:
        with click.open_file(str(file), "rb") as source:
            text = source.read(LONGEST_LINE + 1)
    event = _read(text)
    routed = parts.resubmit.submit(rejected_id, event)
    if as_json:
        print_json(
            {
                "id": rejected_id,
                "event_id": event.id,
                "matched": bool(routed.matched),
                "notifications": len(routed.pending),
                "skipped": routed.skipped,
            }
        )
    else:
        say(f"Rejected event {rejected_id} is event {event.id} now: {routed.words}.")


def _read(text: bytes) -> Event:
    from wallarm_notify.schemas import read_event  # noqa: PLC0415 - pydantic, only here

    match read_event(read_object(text)):
        case Rejection() as rejection:
            raise Refused(rejection.reason)
        case event:
            return event


def _document(r: ShownRejection) -> dict[str, Any]:
    return {
        "id": r.id,
        "reason": r.reason,
        "event_id": r.event_id,
        "client_id": r.client_id,
        "type": r.type,
        "cut": r.cut,
        "received_at": r.received_at,
        "text": r.text,
    }


def _types() -> list[dict[str, Any]]:
    """Each type with the fields that its schema has beyond those of every event."""
    from wallarm_notify.schemas import EventObject, json_schema  # noqa: PLC0415 - pydantic, only here

    schema = json_schema()
    common = {"type", *EventObject.model_fields}
    items = []
    for name, place in schema["discriminator"]["mapping"].items():
        kind, model = EVENT_TYPES[name], schema["$defs"][re.sub(".*/", "", place)]
        required = [field for field in model["required"] if field not in common]
        items.append(
            {
                "type": name,
                "subscription": (
                    "security_issue_<risk>"
                    if name == "security_issue.detected"
                    else kind.subscription
                ),
                "notification_type": kind.notification_type,
                "headline": kind.headline or None,
                "required": required,
                "optional": [f for f in model["properties"] if f not in {*common, *required}],
            }
        )
    order = list(EVENT_TYPES)
    return sorted(items, key=lambda item: order.index(item["type"]))

"""``wallarm-notify events check`` and ``preview``: events that are looked at, stored nowhere and sent nowhere."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from rich.text import Text

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.preview_words import end_words, sentence_of
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.emission import LONGEST_LINE, lines_of, read_object
from wallarm_notify.entrypoints.cli.options import example, json_option
from wallarm_notify.entrypoints.cli.output import plain, print_fields, print_json, print_line
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.program import FAILED
from wallarm_notify.schemas.documents.preview import (
    CheckDocument,
    FaultDocument,
    PreviewDocument,
    previewed_event_document,
)
from wallarm_notify.services.preview import PreviewedEvent, preview_events

MOST_PREVIEWED: Final = 100

_file = click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)


@click.command(epilog=example("wallarm-notify events check events.jsonl"))
@_file
@json_option
@click.pass_context
def check(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Print every fault of the events of FILE, one JSON object a line.

    They are checked as they are when they come in: each must have an id and occurred_at. Nothing is sent or
    stored, and no setting is needed. The exit status is 1 if there is a fault.
    """
    faults: list[FaultDocument] = []
    valid = 0
    for line, read in _checked(file):
        if isinstance(read, Event):
            valid += 1
        else:
            faults += [{"line": line, "fault": fault} for fault in read]
    faulty = len({one["line"] for one in faults})
    if as_json:
        print_json(CheckDocument(valid=valid, faulty=faulty, faults=faults))
    else:
        _print_faults(file, faults)
        print_line(
            f"{counted(valid, 'valid event')}, {counted(len(faults), 'fault')} in {counted(faulty, 'line')}."
        )
    if faults:
        ctx.exit(FAILED)


@click.command(epilog=example("wallarm-notify events preview events.jsonl"))
@_file
@json_option
@click.pass_context
def preview(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Show who would be told of the events of FILE by the rules of now, and the alerts.

    One JSON object a line, at most 100. An event without id or occurred_at gets one, as with emit. Nothing is
    stored and nothing sent: what a trigger has counted so far is not looked at.
    """
    faults: list[FaultDocument] = []
    events: list[tuple[int, Event]] = []
    for line, read in _checked(file, completes=True):
        if isinstance(read, Event):
            events.append((line, read))
        else:
            faults += [{"line": line, "fault": fault} for fault in read]
        if len(events) > MOST_PREVIEWED:
            raise Refused(f"at most {MOST_PREVIEWED} events are shown at once.", field=str(file))
    found: list[PreviewedEvent] = []
    if events:
        parts = wiring()
        found = preview_events(
            parts.context, EVERY_CLIENT, [event for _, event in events], parts.shown_alert
        )
    _print_previews(file, [line for line, _ in events], found, faults, as_json=as_json)
    if faults:
        ctx.exit(FAILED)


def _checked(file: Path, *, completes: bool = False) -> Iterator[tuple[int, Event | list[str]]]:
    """Yield each line's number with its event or its faults; ``completes`` adds a missing id and time."""
    from wallarm_notify.schemas.check import EventCheck  # noqa: PLC0415 - pydantic, only here

    check_of_events = EventCheck(datetime.now(UTC), completes=completes)
    with click.open_file(str(file), "rb") as source:
        for line, (text, _) in enumerate(lines_of(source), 1):
            if text is None:
                yield line, [f"The line is longer than {LONGEST_LINE} bytes."]
                continue
            if not text.strip():
                continue
            try:
                obj = read_object(text)
            except Refused as error:
                yield line, [str(error)]
                continue
            yield line, check_of_events.read(line, obj)


def _print_faults(file: Path, faults: list[FaultDocument]) -> None:
    for one in faults:
        print_line(f"{file}:{one['line']}: {one['fault']}")


def _print_previews(
    file: Path,
    lines: list[int],
    found: list[PreviewedEvent],
    faults: list[FaultDocument],
    *,
    as_json: bool,
) -> None:
    if as_json:
        items = [
            previewed_event_document(line, one.event, one.shown)
            for line, one in zip(lines, found, strict=True)
        ]
        print_json(PreviewDocument(items=items, faults=faults))
        return
    _print_faults(file, faults)
    for line, one in zip(lines, found, strict=True):
        _print_preview(file, line, one)
    if found:
        print_line("Nothing was stored and nothing sent. --json has the whole alerts.")


def _print_preview(file: Path, line: int, one: PreviewedEvent) -> None:
    event = one.event
    sentence = sentence_of(way for way, _ in one.ways)
    print_line(f"{file}:{line}: {event.type} of client {event.client_id}. {sentence}")
    if not one.ways:
        print_line(f"No rule is for it: wallarm-notify coverage --client {event.client_id}")
    for way, alert in one.ways:
        print_line(f"- {end_words(way, event)}")
        if alert is not None:
            payload = alert.body["payload"]
            print_fields(
                [
                    ("  Incident list", alert.glances.incident),
                    ("  Push", alert.glances.push),
                    ("  SMS", alert.glances.sms),
                    ("  Details", _lines(payload["custom_details"]["description"])),
                ]
            )
    print_line("")


def _lines(text: str) -> Text:
    """Return a text of several lines, each safe on a terminal."""
    return Text("\n".join(map(plain, text.strip().splitlines())))

"""``wallarm-notify events list``: events found by what people have of one."""

from collections.abc import Sequence

import click
from rich.text import Text

from wallarm_notify.domain.event import check_event_type
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.subjects import words_of
from wallarm_notify.domain.views import EventFilter, EventsAround, ShownEvent
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.options import (
    ID,
    LINE,
    example,
    in_period,
    json_option,
    paged,
    read_cursor,
    read_period,
)
from wallarm_notify.entrypoints.cli.output import plain, print_json, print_page, time_of
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.tables import fixed, number
from wallarm_notify.schemas.documents.event_listing import event_item, events_document
from wallarm_notify.services.event_listings import list_events as list_of_events


@click.command(
    "list",
    epilog=example(
        "wallarm-notify events list 203.0.113.7 --client 1 --since 2h",
        "wallarm-notify events list --notification 17",
        "wallarm-notify events list --client 1 --since 2026-03-01T02:00 --until 2026-03-01T03:00",
    ),
)
@click.argument("sought", metavar="[FIND]", type=LINE, required=False)
@click.option("--client", "client_id", type=ID, help="Only this client's.")
@click.option("--type", "event_type", type=LINE, help="Only those of this type.")
@click.option(
    "--notification", "notification_id", type=ID, help="Only what this notification was made of."
)
@in_period
@paged
@json_option
def list_events(
    *,
    sought: str | None,
    client_id: int | None,
    event_type: str | None,
    notification_id: int | None,
    since: str | None,
    until: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List events, newest first: when each came in, what it is about, and how many notifications it made.

    FIND is what you have of one, whole: an issue's, an attack's or a rule's id, an IP address, a host, an e-mail
    address, a name, a title, the event_id or firing_id of an alert, or its dedup key.
    """
    wanted = EventFilter(
        client_id=client_id,
        event_type=None if event_type is None else check_event_type(event_type),
        sought=None if sought is None else _text(sought),
        notification_id=notification_id,
        came=read_period(since, until),
    )
    if sought is not None and notification_id is not None:
        raise click.UsageError("Give either FIND or --notification.")
    before = read_cursor(cursor)
    page, around = list_of_events(
        wiring().context, EVERY_CLIENT, wanted, limit=limit, cursor=before
    )
    if as_json:
        print_json(events_document(page, around))
        return
    client = [number("Client")] if client_id is None else []
    print_page(
        page,
        as_json=False,
        document=event_item,
        columns=[fixed("Came in"), *client, fixed("Event"), "About", number("Notified")],
        row=lambda e: _row(e, with_client=client_id is None),
        nothing="No events." if around is None else _nothing(wanted, around),
    )


def _text(sought: str) -> str:
    text = sought.strip()
    if not text:
        raise click.UsageError("FIND is empty; leave it out to list all.")
    return text


def _row(shown: ShownEvent, *, with_client: bool) -> Sequence[object]:
    event = shown.event
    return (
        _lines(time_of(shown.received_at).replace(" ", "\n")),
        *([event.client_id] if with_client else []),
        _lines(f"{event.type}\n{event.id}"),
        words_of(event),
        _lines(f"{shown.notifications}{'' if not shown.counted else chr(10) + 'counted'}"),
    )


def _lines(text: str) -> Text:
    return Text("\n".join(map(plain, text.split("\n"))))


def _nothing(wanted: EventFilter, around: EventsAround) -> str:
    """Return the sentence of an empty listing: how much was searched, and what there is around it."""
    whose = "" if wanted.client_id is None else f" of client {wanted.client_id}"
    if around.oldest is None or around.newest is None:
        return f"No events{whose} are stored."
    stored = f"those stored came from {time_of(around.oldest)} to {time_of(around.newest)}"
    since, until = wanted.came.since, wanted.came.until
    time = "".join(
        f" {word} {time_of(moment)}"
        for word, moment in (("since", since), ("before", until))
        if moment is not None
    )
    if not around.number:
        return f"No events{whose} came in{time}; {stored}."
    more = "over " if around.more else ""
    return f"Nothing found among {more}{counted(around.number, 'event')}{whose}{time}; {stored}."

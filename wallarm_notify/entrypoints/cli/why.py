"""``wallarm-notify events show``: who was notified of an event, and why all others were not."""

from uuid import UUID

import click
from rich.text import Text

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.why import Absent, Line, Reason, Why
from wallarm_notify.domain.why_words import (
    absence_words,
    after_acceptance,
    answer_of,
    is_counted,
    line_words,
    name_of,
    other_words,
)
from wallarm_notify.entrypoints.cli.options import ID, example, json_option
from wallarm_notify.entrypoints.cli.output import print_fields, print_json, print_line, print_table
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.program import FAILED
from wallarm_notify.entrypoints.cli.states import state_text
from wallarm_notify.entrypoints.cli.tables import number
from wallarm_notify.schemas.documents.why import why_document
from wallarm_notify.services.why import why


@click.command(
    epilog=example(
        "wallarm-notify events show 7b0c6a52-0001-4000-8000-00000000000a --client 1",
    )
)
@click.argument("event_id", metavar="ID", type=click.UUID)
@click.option("--client", "client_id", type=ID, required=True, help="Whose event it is.")
@json_option
@click.pass_context
def show(ctx: click.Context, *, event_id: UUID, client_id: int, as_json: bool) -> None:
    """Show who was notified of an event, and why all others were not.

    The first line is the answer. A line for each integration and trigger of the client follows, by the rules that the
    event was routed by. Where nothing is known of the ID, the exit status is 1.
    """
    found = why(wiring().context, EVERY_CLIENT, client_id, event_id)
    if as_json:
        print_json(why_document(found))
    elif isinstance(found, Absent):
        for sentence in absence_words(found):
            print_line(sentence)
    else:
        _print(found)
    if isinstance(found, Absent) and found.causes[0].reason is Reason.NOT_HERE:
        ctx.exit(FAILED)


def _print(found: Why) -> None:
    print_line(answer_of(found))
    print_line("")
    event = found.event
    print_fields(
        (
            ("Event", event.id),
            ("Type", event.type),
            ("Client", event.client_id),
            ("Occurred", event.occurred_at),
            ("Received", found.received_at),
            ("Rules", _rules(found)),
        )
    )
    print_table(
        ["Integration or trigger", "State", number("Notif."), "Why"],
        [
            (
                name_of(line),
                _state_of(line),
                line.notification and line.notification.id,
                line_words(line, found),
            )
            for line in found.lines
        ],
        nothing="The client had no integrations and no triggers.",
    )
    for sentence in after_acceptance(found):
        print_line(sentence)
    if any(line.reason is Reason.WAITING for line in found.lines) and found.rate_limit:
        print_line(
            f"At most {found.rate_limit} a minute are sent for one key, by the setting of now."
        )
    for sentence in other_words(found):
        print_line(sentence)


def _state_of(line: Line) -> Text | str:
    n = line.notification
    if n is not None:
        return state_text(n)
    return "Counted" if is_counted(line) else "Not notified"


def _rules(found: Why) -> str:
    if found.as_they_were:
        return f"version {found.rules_version}, by which it was routed"
    return (
        f"version {found.rules_version}, that of now: the event came before earlier ones were kept"
    )

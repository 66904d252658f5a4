"""``wallarm-notify ledger``: whether everything received is accounted for."""

import click

from wallarm_notify.domain.ledger import Ledger
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.options import example, json_option
from wallarm_notify.entrypoints.cli.output import (
    complain,
    number,
    print_json,
    print_table,
    say,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.program import FAILED
from wallarm_notify.schemas.documents.ledger import ledger_document
from wallarm_notify.services.ledger import balance


@click.command(epilog=example("wallarm-notify ledger --json"))
@json_option
@click.pass_context
def ledger(ctx: click.Context, as_json: bool) -> None:
    """Show whether everything received has ended or is on its way; exit status 1 if not."""
    drawn = balance(wiring().context, EVERY_CLIENT)
    if as_json:
        print_json(ledger_document(drawn))
        for finding in drawn.findings:
            complain(f"the ledger does not balance: {finding}")
    else:
        _print(drawn)
    if not drawn.balanced:
        ctx.exit(FAILED)


def _print(drawn: Ledger) -> None:
    rows = [
        ("events received", drawn.received),
        ("  rejected", drawn.rejected),
        ("  unmatched", drawn.unmatched),
        ("  matched", drawn.matched),
        ("notifications", sum(drawn.notifications.values())),
        *((f"  {state}", n) for state, n in drawn.notifications.items()),
    ]
    print_table(["Ledger", number("Count")], rows, nothing="")
    if drawn.undecodable:
        say(
            f"Beside received: {counted(drawn.undecodable, 'message')} that could not be decoded; see: "
            "wallarm-notify events undecodable"
        )
    for count, what in (
        (drawn.rejected_not_kept, "rejected event"),
        (drawn.undecodable_not_kept, "undecodable message"),
    ):
        if count:
            say(f"Not kept, as too many were that day: {counted(count, what)}.")
    if drawn.set_aside:
        say(
            f"Beside received: {counted(drawn.set_aside, 'call')} set aside, as workers died of it; see: "
            "wallarm-notify events set-aside"
        )
    if drawn.ahead:
        say(
            f"Beside received: {counted(drawn.ahead, 'event')} kept apart, as its time is still ahead; see: "
            "wallarm-notify events ahead"
        )
    if drawn.balanced:
        say("It balances.")
        return
    say("It does not balance:")
    for finding in drawn.findings:
        say(f"- {finding}")

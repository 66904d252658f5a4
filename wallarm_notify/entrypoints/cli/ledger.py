"""``wallarm-notify ledger``: whether every event that was received is accounted for."""

import click
from rich.progress import Progress

from wallarm_notify.domain.ledger import Ledger
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.options import example, json_option
from wallarm_notify.entrypoints.cli.output import (
    error_console,
    print_diagnostic,
    print_json,
    print_line,
    print_table,
    time_of,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.program import FAILED
from wallarm_notify.entrypoints.cli.tables import number
from wallarm_notify.schemas.documents.ledger import ledger_document
from wallarm_notify.services.ledger import balance, recount


@click.command(epilog=example("wallarm-notify ledger --json"))
@json_option
@click.option(
    "--recount", "counts_rows", is_flag=True, help="Count every row, which may take minutes."
)
@click.pass_context
def ledger(ctx: click.Context, as_json: bool, counts_rows: bool) -> None:
    """Show whether all that was received has ended or is on its way; exit status 1 if not."""
    shown = _recounted() if counts_rows else balance(wiring().context, EVERY_CLIENT)
    if as_json:
        print_json(ledger_document(shown))
        for finding in shown.findings:
            print_diagnostic(f"the ledger does not balance: {finding}")
    else:
        _print(shown, is_recount=counts_rows)
    if not shown.balanced:
        ctx.exit(FAILED)


def _recounted() -> Ledger:
    """Return the ledger with every row counted, and show how far that has come."""
    console = error_console()
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("Counting", total=None)

        def show(what: str, done: int, of: int) -> None:
            progress.update(task, description=f"Counting {what}", completed=done, total=of)

        return recount(wiring().context, EVERY_CLIENT, show)


def _print(shown: Ledger, *, is_recount: bool) -> None:
    rows = [
        ("events received", shown.received),
        ("  rejected", shown.rejected),
        ("  unmatched", shown.unmatched),
        ("  matched", shown.matched),
        ("notifications", sum(shown.notifications.values())),
        *((f"  {state}", n) for state, n in shown.notifications.items()),
    ]
    print_table(["Ledger", number("Count")], rows, nothing="")
    if shown.undecodable:
        print_line(
            f"Beside received: {counted(shown.undecodable, 'message')} that could not be decoded; see: "
            "wallarm-notify events undecodable"
        )
    for count, what in (
        (shown.rejected_not_kept, "rejected event"),
        (shown.undecodable_not_kept, "undecodable message"),
    ):
        if count:
            print_line(f"Not kept, as too many were that day: {counted(count, what)}.")
    if shown.set_aside:
        print_line(
            f"Beside received: {counted(shown.set_aside, 'call')} set aside, as workers died of it; see: "
            "wallarm-notify events set-aside"
        )
    if shown.ahead:
        print_line(
            f"Beside received: {counted(shown.ahead, 'event')} kept apart, as its time is still ahead; see: "
            "wallarm-notify events ahead"
        )
    if is_recount:
        print_line("Every row was counted.")
    elif shown.checked_at is None:
        print_line("Not checked against its rows yet: PRUNE does so, once a day.")
    else:
        print_line(f"Last checked against its rows: {time_of(shown.checked_at)}.")
    if shown.balanced:
        print_line("It balances.")
        return
    print_line("It does not balance:")
    for finding in shown.findings:
        print_line(f"- {finding}")

"""``wallarm-notify db``: the database's schema, and what is to be decided after a restore."""

from datetime import UTC

import click
from rich.progress import Progress, TaskID

from wallarm_notify.domain.restore import Restored
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.options import (
    LINE,
    acting,
    example,
    json_option,
    read_since,
    user_option,
)
from wallarm_notify.entrypoints.cli.output import (
    error_console,
    print_json,
    print_line,
    print_table,
    time_of,
)
from wallarm_notify.entrypoints.cli.parts import read_settings, wiring
from wallarm_notify.entrypoints.cli.tables import fixed, number
from wallarm_notify.schemas.documents.restore import restored_document
from wallarm_notify.services.restore import cancel_may_be_sent, show_restored


@click.group(epilog=example("wallarm-notify db upgrade"))
def db() -> None:
    """Manage the database's schema, and what is to be decided after a restore."""


@db.command(epilog=example("wallarm-notify db upgrade"))
@json_option
def upgrade(as_json: bool) -> None:
    """Upgrade the database to this program's version; do nothing where it has that already."""
    from wallarm_notify.store import migrations  # noqa: PLC0415 - SQLAlchemy and Alembic, only here

    console = error_console()
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def show(table: str, done: int, total: int) -> None:
            if table not in tasks:
                tasks[table] = progress.add_task(f"Copying {table}")
            progress.update(tasks[table], completed=done, total=total)

        before, after = migrations.upgrade(read_settings().database(), show)
    if as_json:
        print_json({"from": before, "to": after})
    elif before == after:
        print_line(f"The database has version {after} already.")
    else:
        print_line(f"The database is upgraded from {before or 'empty'} to version {after}.")


@db.command(
    epilog=example(
        "wallarm-notify db restored",
        "wallarm-notify db restored --cancel --lost-at 2026-03-01T09:30",
    )
)
@click.option(
    "--cancel",
    is_flag=True,
    help="Cancel what may have been sent already, so that a person replays what was not.",
)
@click.option(
    "--lost-at",
    type=LINE,
    help="When the former database was lost, in UTC where it names no zone: what was due later cannot have been "
    "sent. Now, where it is left out.",
)
@user_option
@json_option
def restored(*, cancel: bool, lost_at: str | None, user: str, as_json: bool) -> None:
    """Show what a restored database would send that may have been sent after the backup.

    For after a restore, before workers start. Without --cancel it changes nothing.
    """
    moment = None if lost_at is None else read_since(lost_at, "lost-at")
    ctx = wiring().context
    if cancel:
        found = cancel_may_be_sent(ctx, acting(user), EVERY_CLIENT, moment)
    else:
        found = show_restored(ctx, EVERY_CLIENT, moment)
    if as_json:
        print_json(restored_document(found))
    else:
        _print_restored(found)


def _print_restored(found: Restored) -> None:
    if found.known_until is None:
        print_line("The database is empty.")
        return
    print_line(
        f"The last that this database knows of was at {time_of(found.known_until)}; what came later is not in it."
    )
    if not found.notifications and not found.replays:
        print_line("Nothing that may have been sent since is open: workers can start.")
        return
    print_table(
        [fixed("integration"), fixed("client"), "name", number("notifications"), fixed("oldest")],
        [
            (one.id, one.client_id, one.name, one.notifications, time_of(one.since))
            for one in found.may_be_sent
        ],
        nothing="No notification is open that may have been sent since.",
    )
    replays = counted(found.replays, "open replay")
    what = f"{counted(found.notifications, 'notification')} and {replays}"
    if found.cancelled_at is None:
        print_line(
            f"{what} may have been done since the backup. Workers do them again, under the former dedup keys: "
            "PagerDuty adds them to alerts that are still open, and those that were resolved page again. To decide on "
            "each before workers start: wallarm-notify db restored --cancel"
        )
        return
    print_line(
        f"{what} cancelled. What was not sent is sent by: wallarm-notify notifications replay --integration "
        f"ID --state cancelled --ended-since {found.cancelled_at.astimezone(UTC).isoformat(timespec='seconds')}"
    )

"""``wallarm-notify db``: the database's schema."""

import click
from rich.progress import Progress, TaskID

from wallarm_notify.entrypoints.cli.options import example, json_option
from wallarm_notify.entrypoints.cli.output import error_console, print_json, print_line
from wallarm_notify.entrypoints.cli.parts import read_settings


@click.group(epilog=example("wallarm-notify db upgrade"))
def db() -> None:
    """Manage the database's schema."""


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

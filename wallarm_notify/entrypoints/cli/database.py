"""``wallarm-notify db``: the database's schema."""

import click

from wallarm_notify.entrypoints.cli.options import example, json_option
from wallarm_notify.entrypoints.cli.output import print_json, say
from wallarm_notify.entrypoints.cli.parts import read_settings


@click.group(epilog=example("wallarm-notify db upgrade"))
def db() -> None:
    """The database's schema."""


@db.command(epilog=example("wallarm-notify db upgrade"))
@json_option
def upgrade(as_json: bool) -> None:
    """Bring the database to this program's version; harmless where it has it."""
    from wallarm_notify.store import migrations  # noqa: PLC0415 - Alembic, only here

    before, after = migrations.upgrade(read_settings().database())
    if as_json:
        print_json({"from": before, "to": after})
    elif before == after:
        say(f"The database has version {after} already.")
    else:
        say(f"The database is upgraded from {before or 'empty'} to version {after}.")

"""``wallarm-notify db``: the database's schema."""

import click

from wallarm_notify.entrypoints.cli.options import example, json_option
from wallarm_notify.entrypoints.cli.output import print_json, print_line
from wallarm_notify.entrypoints.cli.parts import read_settings


@click.group(epilog=example("wallarm-notify db upgrade"))
def db() -> None:
    """Manage the database's schema."""


@db.command(epilog=example("wallarm-notify db upgrade"))
@json_option
def upgrade(as_json: bool) -> None:
    """Upgrade the database to this program's version; do nothing where it has that already."""
    from wallarm_notify.store import migrations  # noqa: PLC0415 - SQLAlchemy, only here

    before, after = migrations.upgrade(read_settings().database())
    if as_json:
        print_json({"from": before, "to": after})
    elif before == after:
        print_line(f"The database has version {after} already.")
    else:
        print_line(f"The database is upgraded from {before or 'empty'} to version {after}.")

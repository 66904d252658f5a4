"""The page of the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from reference.markdown import block, page
from wallarm_notify.entrypoints.cli import cli
from wallarm_notify.entrypoints.cli.output import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator

INTRODUCTION: Final = """
Each command as `--help` shows it. All of them exit with 0 where it is done, 1 where it is refused or fails, and 2
where the command is used wrongly; with `--json` they print one JSON document.
"""

WIDTH: Final = 100


def commands_page() -> str:
    """Return the page: each command, with its help."""
    parts = [_part(path, command) for path, command in every_command(cli)]
    return page("Commands", INTRODUCTION, parts)


def every_command(
    group: click.Group, *path: str
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield each command below ``group`` that is no group itself, by its path."""
    for name in sorted(group.commands):
        command = group.commands[name]
        if isinstance(command, click.Group):
            yield from every_command(command, *path, name)
        else:
            yield (*path, name), command


def _part(path: tuple[str, ...], command: click.Command) -> str:
    name = " ".join((PROGRAM, *path))
    shown = click.Context(command, info_name=name, max_content_width=WIDTH, terminal_width=WIDTH)
    return f"## {' '.join(path)}\n\n{block(command.get_help(shown).strip())}"

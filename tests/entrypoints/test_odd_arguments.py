"""Whatever a command is given: an exit status of 0, 1 or 2, and never a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoints.test_cli_program import every_command
from wallarm_notify.entrypoints.cli import cli

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine

GO_ON = {("demo",), ("sandbox",), ("metrics",), ("db", "upgrade")}
"""These serve until they are stopped, or are no business of a fuzz test."""

COMMANDS = [path for path in every_command() if path not in GO_ON]
WORDS = st.text(st.characters(exclude_characters="\0"), max_size=12) | st.sampled_from(
    [
        *("", " ", "-", "--", "-1", "0", "1", "2", "99999999999999999999", "1e9", "NaN", "null"),
        *(
            "1,2",
            ",",
            "a=b",
            "pool!=3",
            "attack_type=sqli",
            "1 in 1h",
            "-1 in 1h",
            "9 in 9999999999w",
        ),
        *(
            "2h",
            "1970-01-01T00:00:00Z",
            "9999-12-31T23:59:59+14:00",
            "us",
            "system",
            "\u202e",
            "\x1b[31m",
        ),
        *(
            "attacks_exceeded",
            "user_created",
            "security_issue.detected",
            "failed",
            "/dev/null",
            ".",
        ),
    ]
)


def options_of(path: tuple[str, ...]) -> list[str]:
    """The options that a command knows."""
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return [option for parameter in command.params for option in parameter.opts if option[0] == "-"]


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_argument_is_too_odd(line: CommandLine, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(COMMANDS))
    known = [option for option in options_of(path) if option != "--key"]
    words = st.sampled_from(known) | WORDS if known else WORDS
    arguments = data.draw(st.lists(words, max_size=6))
    result = line(*path, *arguments, stdin=data.draw(st.binary(max_size=50)))
    assert result.exit_code in (0, 1, 2), result.output
    assert "Traceback" not in result.output

"""Odd arguments: each command exits with 0, 1 or 2, and never with a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoints.test_cli_program import every_command
from wallarm_notify.entrypoints.cli import cli

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine

NOT_TESTED = {
    ("console",),
    ("demo",),
    ("sandbox",),
    ("serve",),
    ("up",),
    ("metrics",),
    ("flower",),
    ("db", "upgrade"),
    ("doctor",),
}
"""Commands that serve until they are stopped, or that a fuzz test must not run."""

COMMANDS = [path for path in every_command() if path not in NOT_TESTED]
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


def command_of(path: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


def value_of(parameter: click.Parameter) -> st.SearchStrategy[str]:
    """Return values that are mostly valid for a parameter, so that not only the parser is tested."""
    if isinstance(parameter.type, click.Choice):
        return st.sampled_from(list(parameter.type.choices))
    if parameter.type.name in ("number", "integer range"):
        return st.sampled_from(["1", "2", "7"]) | WORDS
    return WORDS


@st.composite
def arguments_of(draw: st.DrawFn, path: tuple[str, ...]) -> list[str]:
    """Return options of the command, each with some value, and arguments; sometimes anything."""
    words: list[str] = []
    for parameter in command_of(path).params:
        if isinstance(parameter, click.Argument):
            words += draw(
                st.lists(value_of(parameter), min_size=int(parameter.required), max_size=2)
            )
        elif "--key" in parameter.opts:
            words += draw(st.sampled_from([[], ["--key", "-"]]))
        elif draw(st.booleans()) or parameter.required:
            is_flag = isinstance(parameter, click.Option) and parameter.is_flag
            words += [parameter.opts[0], *([] if is_flag else [draw(value_of(parameter))])]
    return [*words, *draw(st.lists(WORDS, max_size=1))] if draw(st.integers(0, 4)) == 0 else words


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_argument_makes_a_traceback(line: CommandLine, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(COMMANDS))
    arguments = data.draw(arguments_of(path))
    result = line(*path, *arguments, stdin=data.draw(ANSWERS))
    assert result.exit_code in (0, 1, 2), result.output
    assert "Traceback" not in result.output


ANSWERS = st.binary(max_size=50) | st.sampled_from(
    [b"0123456789abcdef0123456789abcdef\n", b"y\n", b'{"type": "rule.created", "client_id": 1}\n']
)

"""Options that several commands have, and the reading of what they are given."""

import getpass
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TextIO, TypeVar

import click

from wallarm_notify.domain.actor import Actor, operator
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.integration import (
    IntegrationKey,
    parse_region,
    parse_subscriptions,
)
from wallarm_notify.entrypoints.cli.output import complain

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

MOST_LISTED: Final = 1000
LARGEST_ID: Final = 2**63 - 1

_DURATION: Final = re.compile(r"([0-9]{1,9}[smhdw])+")
_UNITS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_STDIN_AT_MOST: Final = 10_000
_NOBODY: Final = "command line"


class _Id(click.ParamType[int]):
    """A positive whole number that a database can hold."""

    name = "number"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number; a usage error for anything else."""
        if isinstance(value, int):
            return value
        if not re.fullmatch(r"[0-9]{1,19}", value) or not 1 <= int(value) <= LARGEST_ID:
            self.fail(f"'{value}' is not a positive whole number.", param, ctx)
        return int(value)


class _Line(click.ParamType[str]):
    """Text that a database can hold."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text; a usage error for bytes that are none."""
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail("this is no valid UTF-8.", param, ctx)
        return value


ID: Final = _Id()
LINE: Final = _Line()


def current_user() -> str:
    """The account this program runs under."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return _NOBODY


def _warn_of_what_others_see(
    _: click.Context, __: click.Parameter, value: str | None
) -> str | None:
    if value and value != "-":
        complain(
            "a key that follows --key is seen by others in the list of processes, and stays in the shell's history; "
            "give --key - and type it when asked, or send it through standard input."
        )
    return value


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
key_option = click.option(
    "--key",
    callback=_warn_of_what_others_see,
    help="PagerDuty integration key; - reads it from standard input, or asks for it.",
)
region_option = click.option("--region", type=LINE, help="PagerDuty service region: us or eu.")
subscribe_option = click.option(
    "--subscribe", type=LINE, help="Subscriptions, separated by commas; none for none."
)
user_option = click.option(
    "--user", type=LINE, default=current_user, help="Who does it; default: you."
)


def paged(command: CommandT) -> CommandT:
    """Adds --limit and --cursor."""
    command = click.option("--cursor", type=LINE, help="Go on where a listing ended.")(command)
    return click.option(
        "--limit",
        type=click.IntRange(1, MOST_LISTED),
        default=50,
        show_default=True,
        help="At most so many.",
    )(command)


def example(*lines: str) -> str:
    """The epilog of a command's help: how it is used."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def read_cursor(text: str | None) -> int | None:
    """The id in a cursor. Raises Refused."""
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise Refused(
            f"«{text}» is none; give what the listing before named as next.", field="cursor"
        )
    return int(text)


def read_key(text: str) -> IntegrationKey:
    """The key in an option; ``-`` takes it from standard input. Raises Refused, never repeating it."""
    if text == "-":
        if _has_terminal(sys.stdin):
            text = click.prompt("Integration key", hide_input=True, err=True)
        else:
            given = b"" if sys.stdin is None else sys.stdin.buffer.read(_STDIN_AT_MOST)
            text = given.decode("utf-8", "replace")
    return IntegrationKey.parse(text)


def read_ids(text: str, option: str) -> tuple[int, ...]:
    """The ids in an option, separated by commas. Raises Refused that names the ``option``."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if not re.fullmatch(r"[0-9]{1,19}", word, re.ASCII) or not 1 <= int(word) <= LARGEST_ID:
            raise Refused(f"«{word}» is no id; give whole numbers, as 1,2.", field=option)
    return tuple(map(int, words))


def acting(user: str) -> Actor:
    """The operator in an option. Raises Refused for a blank name, or one that cannot be kept."""
    if not user.strip():
        raise Refused("give a name.", field="user")
    return operator(user)


def read_region(text: str) -> str:
    """``us`` or ``eu``. Raises Refused."""
    return parse_region(text.strip())


def read_subscriptions(text: str) -> tuple[str, ...]:
    """The subscriptions in an option. Raises Refused."""
    if text.strip() == "none":
        return ()
    return parse_subscriptions(word.strip() for word in text.split(",") if word.strip())


def read_duration(text: str, option: str) -> timedelta:
    """How long ``12h``, ``51m8s`` or ``0`` is. Raises Refused that names the ``option``."""
    if text == "0":
        return timedelta()
    if not _DURATION.fullmatch(text):
        raise Refused(f"«{text}» is no duration; give one as 30s, 10m, 6h or 51m8s.", field=option)
    try:
        return _duration_of(text)
    except OverflowError:
        raise Refused(f"{text} is too long.", field=option) from None


def read_since(text: str, option: str = "since") -> datetime:
    """A time with zone, or as long ago as ``2h`` says. Raises Refused that names the ``option``."""
    try:
        if _DURATION.fullmatch(text):
            return datetime.now(UTC) - _duration_of(text)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Refused(
        f"«{text}» is no time; give one with its zone, as 2026-03-01T09:30:00Z, or how long "
        "ago, as 2h or 7d.",
        field=option,
    )


def _duration_of(text: str) -> timedelta:
    parts = re.findall(r"([0-9]+)([smhdw])", text)
    return sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta())


def is_agreed(question: str, *, yes: bool) -> bool:
    """Whether a person agrees; without a terminal there is nobody to ask."""
    if yes or not (_has_terminal(sys.stdin) and _has_terminal(sys.stderr)):
        return True
    return click.confirm(question, err=True)


def _has_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()

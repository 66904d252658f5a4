"""Options that several commands have, and the functions that read their values."""

import getpass
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TextIO, TypeVar
from uuid import UUID

import click

from wallarm_notify.domain.actor import Actor, operator
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.integration import (
    IntegrationKey,
    parse_region,
    parse_subscriptions,
)
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.summary_form import SummaryForm, parse_summary_form
from wallarm_notify.entrypoints.cli.output import print_diagnostic

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

MOST_LISTED: Final = 1000
LARGEST_ID: Final = 2**63 - 1

_UNIT: Final = "weeks?|days?|hours?|minutes?|min|seconds?|sec|[smhdw]"
_DURATION: Final = re.compile(rf"[0-9]{{1,9}} ?({_UNIT})( ?[0-9]{{1,9}} ?({_UNIT}))*")
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
        """Return the number. Raise a usage error for anything else."""
        if isinstance(value, int):
            return value
        if not re.fullmatch(r"[0-9]{1,19}", value) or not 1 <= int(value) <= LARGEST_ID:
            self.fail(f"'{value}' is not a positive whole number.", param, ctx)
        return int(value)


class _Line(click.ParamType[str]):
    """Text that a database can hold."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text. Raise a usage error for bytes that are no valid UTF-8."""
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail("this is no valid UTF-8.", param, ctx)
        return value


class _EventId(click.ParamType[UUID]):
    """The id that a producer gave an event."""

    name = "UUID"

    def convert(
        self, value: str | UUID, param: click.Parameter | None, ctx: click.Context | None
    ) -> UUID:
        """Return the id. Raise a usage error for what is none."""
        try:
            return value if isinstance(value, UUID) else UUID(value)
        except ValueError:
            self.fail(f"'{value}' is no UUID, as events have for their id.", param, ctx)


ID: Final = _Id()
EVENT_ID: Final = _EventId()
LINE: Final = _Line()


def current_user() -> str:
    """Return the account that this program runs under."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return _NOBODY


def _warn_of_what_others_see(
    _: click.Context, __: click.Parameter, value: str | None
) -> str | None:
    if value and value != "-":
        print_diagnostic(
            "a key that follows --key is seen by others in the list of processes, and stays in the shell's history; "
            "give --key - and type it when asked, or send it through standard input."
        )
    return value


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
key_option = click.option(
    "--key",
    callback=_warn_of_what_others_see,
    help="PagerDuty integration key; - reads it from standard input, or asks for it.",
)
region_option = click.option("--region", type=LINE, help="PagerDuty service region: us or eu.")
subscribe_option = click.option(
    "--subscribe", type=LINE, help="Subscriptions, separated by commas; 'none' for no subscription."
)
summary_option = click.option(
    "--summary",
    type=LINE,
    help="What a phone shows of an alert: original (the words of Wallarm's own integration), brief (what happened "
    "to what) or full (both).",
)
until_option = click.option(
    "--until",
    "until_text",
    metavar="TIME",
    type=LINE,
    help="Enable it by itself then: a time with its date, in UTC where it names no zone, or how long from now, "
    "as 2h. Default: it stays disabled.",
)
user_option = click.option(
    "--user",
    type=LINE,
    default=current_user,
    help="The name in the activity log; default: your account.",
)


def paged(command: CommandT) -> CommandT:
    """Add --limit and --cursor to a command."""
    command = click.option(
        "--cursor", type=LINE, help="Continue a listing: the cursor that it ended with."
    )(command)
    return click.option(
        "--limit",
        type=click.IntRange(1, MOST_LISTED),
        default=50,
        show_default=True,
        help="How many to list at most.",
    )(command)


def in_period(command: CommandT) -> CommandT:
    """Add --since and --until to a command."""
    command = click.option("--until", type=LINE, help="Only before then, given as --since.")(
        command
    )
    return click.option(
        "--since",
        type=LINE,
        help="Only from then on: a time, in UTC where it names no zone, or how long ago, as 2h or 7d.",
    )(command)


def example(*lines: str) -> str:
    """Return the end of a command's help: examples of its use."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def read_cursor(text: str | None) -> int | None:
    """Return the id in a cursor; None: from the beginning. Raise Refused."""
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise Refused(
            f"«{text}» is none; give what the listing before named as next.", field="cursor"
        )
    return int(text)


def read_key(text: str) -> IntegrationKey:
    """Return the key in an option; ``-`` reads it from standard input. Raise Refused, without the key."""
    if text == "-":
        if _has_terminal(sys.stdin):
            text = click.prompt("Integration key", hide_input=True, err=True)
        else:
            given = b"" if sys.stdin is None else sys.stdin.buffer.read(_STDIN_AT_MOST)
            text = given.decode("utf-8", "replace")
    return IntegrationKey.parse(text)


def read_ids(text: str, option: str) -> tuple[int, ...]:
    """Return the ids in an option, separated by commas. Raise Refused that names the ``option``."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if not re.fullmatch(r"[0-9]{1,19}", word, re.ASCII) or not 1 <= int(word) <= LARGEST_ID:
            raise Refused(f"«{word}» is no id; give whole numbers, as 1,2.", field=option)
    return tuple(map(int, words))


def acting(user: str, option: str = "user") -> Actor:
    """Return the operator in an option. Raise Refused for a blank name, or one that cannot be stored."""
    if not user.strip():
        raise Refused("give a name.", field=option)
    return operator(user, option)


def read_region(text: str) -> str:
    """Return the region in an option, ``us`` or ``eu``. Raise Refused."""
    return parse_region(text.strip())


def read_summary_form(text: str) -> SummaryForm:
    """Return the form of summaries in an option. Raise Refused."""
    return parse_summary_form(text.strip())


def read_subscriptions(text: str) -> tuple[str, ...]:
    """Return the subscriptions in an option. Raise Refused, for an empty text too: a shell variable may be empty."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise Refused("give at least one, or 'none' for no subscription.", field="subscriptions")
    return () if words == ["none"] else parse_subscriptions(words)


def read_duration(text: str, option: str) -> timedelta:
    """Return the duration in an option, as ``12h``, ``1 hour``, ``51m8s`` or ``0``.

    Raise Refused that names the ``option``.
    """
    if text == "0":
        return timedelta()
    if not _DURATION.fullmatch(text):
        raise Refused(
            f"«{text}» is no duration; give one as 30s, 10m, 6h, 51m8s or 2 days.", field=option
        )
    try:
        return _duration_of(text)
    except OverflowError:
        raise Refused(f"{text} is too long.", field=option) from None


def read_since(text: str, option: str = "since") -> datetime:
    """Return the time in an option: a date, a time, or how long ago, as ``2h``. Without a zone it is in UTC.

    Raise Refused that names the ``option``.
    """
    try:
        if _DURATION.fullmatch(text):
            return datetime.now(UTC) - _duration_of(text)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Refused(
        f"«{text}» is no time; give one as 2026-03-01 or 2026-03-01T09:30, in UTC where it names no "
        "zone, or how long ago, as 2h or 7d.",
        field=option,
    )


def read_until(text: str, option: str = "until") -> datetime:
    """Return the time to come in an option: with its date, or how long from now, as ``2h``.

    Without a zone it is in UTC. Raise Refused that names the ``option``.
    """
    try:
        if _DURATION.fullmatch(text):
            return datetime.now(UTC) + _duration_of(text)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Refused(
        f"«{text}» is no time with a date; give one as 2026-03-01T09:30, in UTC where it names no zone, or "
        "how long from now, as 2h or 3d.",
        field=option,
    )


def read_period(since: str | None, until: str | None) -> Period:
    """Return the time between two options, of which either may be left out. Raise Refused."""
    return Period(
        None if since is None else read_since(since),
        None if until is None else read_since(until, "until"),
    )


def _duration_of(text: str) -> timedelta:
    parts = re.findall(r"([0-9]+) ?([a-z])", text)
    return sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta())


def is_agreed(question: str, *, yes: bool) -> bool:
    """Return whether a person agrees, or has said ``yes`` before.

    Raise click.UsageError without a terminal, where nobody can be asked: what is piped in is no answer.
    """
    if yes:
        return True
    if not can_ask():
        raise click.UsageError(f"{question} Nobody can be asked here. To do it, add --yes.")
    return click.confirm(question, err=True)


def can_ask() -> bool:
    """Return whether there is a terminal, at which a person can be asked."""
    return _has_terminal(sys.stdin) and _has_terminal(sys.stderr)


def _has_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()

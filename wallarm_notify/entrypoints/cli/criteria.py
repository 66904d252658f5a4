"""The options of a trigger's criteria, and what the command line prints of them."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.triggers.cells import Window
from wallarm_notify.domain.triggers.condition import (
    Condition,
    Filter,
    check_number,
    read_condition,
    read_filter,
)
from wallarm_notify.domain.triggers.filters import Operator
from wallarm_notify.domain.triggers.trigger import Criteria, Threshold, check_threshold
from wallarm_notify.entrypoints.cli.options import LINE, read_duration
from wallarm_notify.entrypoints.cli.output import time_of

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_FILTER: Final = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*(!=|=)(.*)", re.DOTALL)
_THRESHOLD: Final = re.compile(r"\s*(-?[0-9]{1,18})\s+in\s+(\S(?:.*\S)?)\s*", re.ASCII)
_OPERATORS: Final = {"=": Operator.EQ, "!=": Operator.NE}


def criteria_options(command: CommandT) -> CommandT:
    """Add --condition, --filter and --threshold to a command."""
    for option in (
        click.option(
            "--threshold",
            type=LINE,
            help="Fire for more than so many events in a time, as '30 in 1h'.",
        ),
        click.option(
            "--filter",
            "filters",
            type=LINE,
            multiple=True,
            help="A filter, as 'attack_type=sqli,xss' or 'pool!=3'. Give it once for each filter; an event has to pass "
            "all of them. They replace all earlier ones.",
        ),
        click.option("--condition", type=LINE, help=f"One of {', '.join(Condition)}."),
    ):
        command = option(command)
    return command


def read_condition_option(text: str) -> Condition:
    """Return the condition in an option. Raise Refused."""
    return read_condition(text.strip())


def read_filters(condition: Condition, texts: Sequence[str]) -> tuple[Filter, ...]:
    """Return the filters in options, for ``condition``. Raise Refused."""
    check_number(texts)
    return tuple(_read_filter(condition, text) for text in texts)


def _read_filter(condition: Condition, text: str) -> Filter:
    parts = _FILTER.fullmatch(text)
    if parts is None:
        raise Refused(
            f"«{text}» is none; give it as 'attack_type=sqli,xss' or 'pool!=3'.", field="filter"
        )
    filter_id, sign, values = parts.groups()
    return read_filter(
        condition, filter_id, _OPERATORS[sign], [value.strip() for value in values.split(",")]
    )


def read_threshold(text: str) -> Threshold:
    """Return the threshold in an option. Raise Refused."""
    parts = _THRESHOLD.fullmatch(text)
    if parts is None:
        raise Refused(
            f"«{text}» is none; give it as '30 in 1h' or '30 in 1 hour'.", field="threshold"
        )
    return check_threshold(int(parts[1]), read_duration(parts[2], "threshold"))


def filters_text(criteria: Criteria) -> str:
    """Return the filters as text for people, in the form of the option."""
    return "; ".join(_filter_text(one) for one in criteria.filters) or "none"


def _filter_text(one: Filter) -> str:
    sign = "=" if one.operator is Operator.EQ else "!="
    return f"{one.id}{sign}{','.join(map(str, one.values))}"


def window_text(window: Window | None) -> str:
    """Return a window as text for people."""
    return "" if window is None else f"{time_of(window.start)} to {time_of(window.end)}"

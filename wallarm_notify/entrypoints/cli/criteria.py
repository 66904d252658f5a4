"""How a trigger's criteria are given on the command line, and shown."""

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
_THRESHOLD: Final = re.compile(r"\s*(-?[0-9]{1,18})\s+in\s+(\S+)\s*", re.ASCII)
_OPERATORS: Final = {"=": Operator.EQ, "!=": Operator.NE}


def criteria_options(command: CommandT) -> CommandT:
    """Adds --condition, --filter and --threshold."""
    for option in (
        click.option(
            "--threshold", type=LINE, help="More than so many in a time, as '30 in 1h', fires."
        ),
        click.option(
            "--filter",
            "filters",
            type=LINE,
            multiple=True,
            help="As 'attack_type=sqli,xss' or 'pool!=3'; several must all hold, and replace all there were.",
        ),
        click.option("--condition", type=LINE, help=f"One of {', '.join(Condition)}."),
    ):
        command = option(command)
    return command


def read_condition_option(text: str) -> Condition:
    """The condition in an option. Raises Refused."""
    return read_condition(text.strip())


def read_filters(condition: Condition, texts: Sequence[str]) -> tuple[Filter, ...]:
    """The filters in options, for ``condition``. Raises Refused."""
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
    """The threshold in an option. Raises Refused."""
    parts = _THRESHOLD.fullmatch(text)
    if parts is None:
        raise Refused(f"«{text}» is none; give it as '30 in 1h'.", field="threshold")
    return check_threshold(int(parts[1]), read_duration(parts[2], "threshold"))


def filters_text(criteria: Criteria) -> str:
    """The filters for people, as the option takes them."""
    return "; ".join(_filter_text(one) for one in criteria.filters) or "none"


def _filter_text(one: Filter) -> str:
    sign = "=" if one.operator is Operator.EQ else "!="
    return f"{one.id}{sign}{','.join(map(str, one.values))}"


def window_text(window: Window | None) -> str:
    """A window for people."""
    return "" if window is None else f"{time_of(window.start)} to {time_of(window.end)}"

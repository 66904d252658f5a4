"""Texts that alerts and their summaries share: an event's values, as people read them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from wallarm_notify.domain.triggers.trigger import period_words

_PAIRS: Final = (("before", "after"), ("from", "to"), ("old", "new"), ("previous", "current"))
"""The names under which producers give the value before a change and the one after it."""

_LONGEST_VALUE: Final = 60

_LONGEST_PERIOD: Final = 10_000_000_000
"""Seconds of a threshold's period that are words; more cannot be a time."""

_OPERATORS: Final = {"eq": "is", "ne": "is not"}
"""How a filter of a trigger compares."""


def line_of(value: Any) -> str:
    """Return ``value`` in one line, so that no value can forge lines of the text."""
    return "" if value is None else " ".join(str(value).split())


def endpoint(body: Mapping[str, Any], *, longest_path: int | None = None) -> str:
    """Return ``GET example.com/users``, the path cut to ``longest_path`` characters."""
    path = line_of(body["path"])
    path = path if path.startswith("/") else f"/{path}"
    if longest_path is not None and len(path) > longest_path:
        path = f"{path[: longest_path - 1]}…"
    return f"{line_of(body['method'])} {line_of(body['host'])}{path}"


def changes_of(body: Mapping[str, Any]) -> str:
    """Return what has changed, with the values: ``mode: monitoring → blocking, enabled: yes → no``."""
    changes = body.get("changes")
    if not isinstance(changes, Mapping):
        return ""
    return ", ".join(_change(line_of(name), value) for name, value in changes.items())


def _change(name: str, value: Any) -> str:
    pair = _pair_of(value)
    if pair is not None:
        return f"{name}: {_shown(pair[0])} → {_shown(pair[1])}"
    # Of some fields, as a comment, only that they changed is for everybody.
    return name if value in ({}, None) else f"{name}: {_shown(value)}"


def _pair_of(value: Any) -> tuple[Any, Any] | None:
    if isinstance(value, Mapping):
        for before, after in _PAIRS:
            if before in value and after in value:
                return value[before], value[after]
    return None


def _shown(value: Any) -> str:
    """Return a value as people read it, 60 characters of it at most."""
    match value:
        case None | "" | []:
            text = "none"
        case Mapping() if not value:  # ``{}`` as a pattern means any mapping
            text = "none"
        case {"count": int(count), "period": int(period)} if 0 < period < _LONGEST_PERIOD:
            text = f"{count} in {period_words(timedelta(seconds=period))}"
        case {"id": str(name), "operator": str(operator), "values": values}:
            text = f"{line_of(name)} {_OPERATORS.get(operator, line_of(operator))} {_shown(values)}"
        case bool():
            text = "yes" if value else "no"
        case list():
            between = "; " if any(isinstance(one, Mapping) for one in value) else ", "
            text = between.join(map(_shown, value))
        case Mapping():
            text = ", ".join(_change(line_of(name), item) for name, item in value.items())
        case _:
            text = line_of(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"

"""Sentences for people about a wrong event or call; no value is repeated at length."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from wallarm_notify.domain.canonical import key_text, scalar_text
from wallarm_notify.domain.event import EVENT_TYPES

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

CONTRACT: Final = (
    "events.ingest takes one argument, the keyword «events» (or the same as sole positional "
    "argument): a list of event objects"
)
"""The form of a call (spec 2)."""

AS_TIME: Final = "must be a date and time with a time zone, as 2026-03-01T09:30:00Z"

SHOWN_CHARACTERS: Final = 60
"""The most characters of a name or a value that a sentence repeats."""

_NAMED_ERRORS: Final = 5

_RULES: Final = {
    "missing": "is required",
    "string_type": "must be a text",
    "string_pattern_mismatch": "must not be blank",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "timezone_aware": AS_TIME,
}
"""The sentence for each kind of pydantic's errors whose own text is not for people."""

_OF_TYPE: Final = frozenset({"union_tag_not_found", "union_tag_invalid"})
_WITHOUT_VALUE: Final = frozenset({"union_tag_not_found", "missing"})


def event_complaint(error: "ValidationError") -> str:
    """Return one sentence with the first five wrong fields of an event, and the number of others."""
    errors = error.errors(include_url=False)
    named = "; ".join(_complaint(one) for one in errors[:_NAMED_ERRORS])
    more = len(errors) - _NAMED_ERRORS
    return f"{named}; and {more} more." if more > 0 else f"{named}."


def every_complaint(error: "ValidationError") -> list[str]:
    """Return a sentence for each wrong field of an event."""
    return [f"{_complaint(one)}." for one in error.errors(include_url=False)]


def every_rule(error: "ValidationError") -> list[tuple[tuple[str | int, ...], str]]:
    """Return where each wrong field of an event is, and what it must be, not what it was."""
    return [
        (("type",) if one["type"] in _OF_TYPE else one["loc"][1:], f"{_rule(one)}.")
        for one in error.errors(include_url=False)
    ]


def call_complaint(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return what is wrong with the arguments of a call of ``events.ingest``."""
    if len(args) + len(kwargs) == 1 and (args or "events" in kwargs):
        given = args[0] if args else kwargs["events"]
        return f"{CONTRACT}; «events» was {shown(given)}."
    names = ", ".join(shown_name(key_text(name)) for name in list(kwargs)[:_NAMED_ERRORS]) or "none"
    return f"{CONTRACT}; given were {len(args)} positional arguments and these keywords: {names}."


def place_at(path: str) -> str:
    """Return the place in an event that ``path`` leads to, as ``.changes.mode[1]``."""
    return path.removeprefix(".") or "The event"


def shown_name(name: str) -> str:
    """Return a field's name as people can read it, whatever its characters."""
    readable = (name if name.isprintable() else json.dumps(name)[1:-1]) or '""'
    return readable if len(readable) <= SHOWN_CHARACTERS else f"{readable[:SHOWN_CHARACTERS]}…"


def shown(value: Any) -> str:
    """Return a value for use in a sentence: short, and storable."""
    match value:
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case str():
            return f"«{shown_name(value)}»"
        case _:
            return shown_name(scalar_text(value))


def _complaint(error: "ErrorDetails") -> str:
    kind = error["type"]
    # The first step of the path is the event's type, which chose the model.
    place = place_at("".join(_step(step) for step in error["loc"][1:]))
    if kind in _OF_TYPE:
        place = "type"
    if kind in _WITHOUT_VALUE:
        return f"{place} {_rule(error)}"
    value = error["input"]["type"] if kind in _OF_TYPE else error["input"]
    return f"{place} {_rule(error)}, not {shown(value)}"


def _rule(error: "ErrorDetails") -> str:
    """Return what a field must be, without what it was."""
    kind, context = error["type"], error.get("ctx", {})
    rule = _RULES.get(kind) or error["msg"]
    if kind == "union_tag_not_found":
        rule = f"is required; permitted are {', '.join(EVENT_TYPES)}"
    elif kind == "union_tag_invalid":
        rule = f"must be one of {', '.join(EVENT_TYPES)}"
    elif kind == "literal_error":
        rule = f"must be {context['expected'].replace(chr(39), '')}"
    elif kind == "greater_than_equal":
        rule = f"must be at least {context['ge']}"
    elif kind == "less_than_equal":
        rule = f"must be at most {context['le']}"
    elif kind.startswith(("datetime_", "date_")):
        rule = AS_TIME
    return rule


def _step(step: int | str) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{shown_name(step)}"

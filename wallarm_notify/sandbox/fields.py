"""Reading a control document field by field, with one clear sentence for what is wrong."""

import math
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

LONGEST = timedelta(days=1)


class RefusedError(Exception):
    """A control request is not permitted; the text says what is."""


def only(document: Any, permitted: Collection[str], what: str) -> Mapping[str, Any]:
    """Return `document` as an object that has no field beyond `permitted`; else RefusedError."""
    if not isinstance(document, dict):
        raise RefusedError(f"{what} must be a JSON object.")
    for name in document:
        if name not in permitted:
            names = ", ".join(sorted(permitted))
            raise RefusedError(f"{what} has an unknown field {name!r}; permitted are: {names}.")
    return document


def seconds(document: Mapping[str, Any], name: str) -> timedelta | None:
    """Return a duration given in seconds, None when it is absent or null; else RefusedError."""
    value = document.get(name)
    if value is None:
        return None
    longest = int(LONGEST.total_seconds())
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value <= longest:
        raise RefusedError(f"{name!r} must be a number of seconds from 0 to {longest}, or null.")
    return timedelta(seconds=value)


def whole(document: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    """Return a whole number in the range, None when it is absent or null; else RefusedError."""
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RefusedError(f"{name!r} must be a whole number from {least} to {most}.")
    return value


def flag(document: Mapping[str, Any], name: str, *, otherwise: bool) -> bool:
    """Return a true or false, `otherwise` when it is absent; else RefusedError."""
    value = document.get(name, otherwise)
    if not isinstance(value, bool):
        raise RefusedError(f"{name!r} must be true or false.")
    return value


def text(document: Mapping[str, Any], name: str) -> str:
    """Return a text that must be there; else RefusedError."""
    value = document.get(name)
    if not isinstance(value, str):
        raise RefusedError(f"{name!r} must be a text.")
    return value

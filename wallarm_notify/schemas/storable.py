"""What of an event can be stored: its size, and what is JSON and yet refused by jsonb (engine 20)."""

import re
from typing import Any, Final

from wallarm_notify.domain.canonical import key_text
from wallarm_notify.schemas.complaints import place_at, shown_name

MAX_EVENT_BYTES: Final = 256_000
"""Bytes of UTF-8 an event may have, as JSON without blanks (spec 2: 256 kB)."""

KEPT_BYTES: Final = 64_000
"""Bytes of UTF-8 kept of what is larger than that."""

MAX_DEPTH: Final = 32
"""Objects and lists within one another, the event itself included."""

MAX_DIGITS: Final = 4_300
"""Digits a number may have: what Python prints and reads back; jsonb would hold 131,072."""

_TOO_LARGE: Final = 10**MAX_DIGITS
"""Worked out once: at each of a hundred thousand numbers it would take four seconds."""

_TOO_MANY_DIGITS: Final = re.compile(rf"(?<![0-9])[0-9]{{{MAX_DIGITS + 1}}}")
"""Begins only where digits begin: else it would look at each of them so many times."""

_Step = tuple[Any, Any]
"""A step down into a value: the one before it, and a field's name or a place in a list."""


def may_be_unstorable(obj: Any, text: str) -> bool:
    """Tell whether ``unstorable`` has to look at ``obj``; ``text``, its JSON, alone clears all but a few events."""
    return (
        (text.count("{") + text.count("[") > MAX_DEPTH and is_deep(obj, MAX_DEPTH))
        or "NaN" in text
        or "Infinity" in text
        or (len(text) > MAX_DIGITS and _TOO_MANY_DIGITS.search(text) is not None)
    )


def is_deep(value: Any, levels: int) -> bool:
    """Tell whether lists and objects lie within one another over so many levels."""
    level = [value] if isinstance(value, dict | list | tuple) else []
    for _ in range(levels):
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list | tuple)]
        if not level:
            return False
    return True


def unstorable(obj: Any) -> str | None:
    """Return what in ``obj`` the database cannot hold, and where, as a sentence; None: nothing."""
    rest: list[tuple[Any, _Step | None, int]] = [(obj, None, 1)]
    while rest:
        value, step, depth = rest.pop()
        if not isinstance(value, dict | list | tuple):
            if fault := _fault_of(value):
                return f"{place_at(_path(step))} {fault}."
            continue
        if depth > MAX_DEPTH:
            return f"{place_at(_path(step))} is nested over {MAX_DEPTH} levels deep."
        if isinstance(value, dict) and (fault := next(filter(None, map(_fault_of, value)), None)):
            return f"A field's name in {place_at(_path(step)).lower()} {fault}."
        items = value.items() if isinstance(value, dict) else enumerate(value)
        rest += reversed([(item, (step, key), depth + 1) for key, item in items])
    return None


def _fault_of(value: Any) -> str | None:
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
            return "is NaN or infinite, which is no JSON number"
    elif isinstance(value, int) and abs(value) >= _TOO_LARGE:
        return f"is a number of over {MAX_DIGITS} digits"
    return None


def _path(step: _Step | None) -> str:
    """Write a path once it is needed: written at every step, deep ones would be written very often."""
    steps = []
    while step is not None:
        step, key = step
        is_place = isinstance(key, int) and not isinstance(key, bool)
        steps.append(f"[{key}]" if is_place else f".{shown_name(key_text(key))}")
    return "".join(reversed(steps))

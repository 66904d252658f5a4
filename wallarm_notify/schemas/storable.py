"""What the database can store of an event: its size, and JSON that jsonb refuses (engine 20)."""

import re
from typing import Any, Final

from wallarm_notify.domain.canonical import key_text
from wallarm_notify.schemas.complaints import place_at, shown_name

MAX_EVENT_BYTES: Final = 256_000
"""The most bytes of an event in UTF-8, as JSON without blanks (spec 2: 256 kB)."""

KEPT_BYTES: Final = 64_000
"""The bytes in UTF-8 that are kept of a larger event."""

MAX_DEPTH: Final = 32
"""The deepest nesting of objects and lists, the event itself included."""

MAX_DIGITS: Final = 4_300
"""The most digits of a number that Python prints and reads back; jsonb would take 131,072."""

_TOO_LARGE: Final = 10**MAX_DIGITS
"""The smallest number with too many digits. It is computed once: for each number it would take 40 µs."""

_TOO_MANY_DIGITS: Final = re.compile(rf"(?<![0-9])[0-9]{{{MAX_DIGITS + 1}}}")
"""Too many digits, matched only from the first digit on: otherwise the time would be quadratic."""

_Step = tuple[Any, Any]
"""A step down into a value: the step before it, and a field's name or an index of a list."""


def may_be_unstorable(obj: Any, text: str) -> bool:
    """Return whether ``unstorable`` has to check ``obj``; its JSON ``text`` alone excludes all but a few events."""
    return (
        (text.count("{") + text.count("[") > MAX_DEPTH and is_deep(obj, MAX_DEPTH))
        or "NaN" in text
        or "Infinity" in text
        or (len(text) > MAX_DIGITS and _TOO_MANY_DIGITS.search(text) is not None)
    )


def is_deep(value: Any, levels: int) -> bool:
    """Return whether lists and objects are nested over at least so many levels."""
    level = [value] if isinstance(value, dict | list | tuple) else []
    for _ in range(levels):
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list | tuple)]
        if not level:
            return False
    return True


def unstorable(obj: Any) -> str | None:
    """Return what in ``obj`` the database cannot store, and where, as a sentence; None if it can store all."""
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
    """Return a path as text. It is made only when needed: at every step, deep paths would be made very often."""
    steps = []
    while step is not None:
        step, key = step
        is_place = isinstance(key, int) and not isinstance(key, bool)
        steps.append(f"[{key}]" if is_place else f".{shown_name(key_text(key))}")
    return "".join(reversed(steps))

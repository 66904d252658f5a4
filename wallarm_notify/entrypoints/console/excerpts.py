"""Excerpts: as much of a long text as a page may hold."""

import json
from html import escape
from typing import Final

LINES: Final = 18
"""So many lines are shown at first."""

LONGEST_LINE: Final = 160
"""So long are they shown at first."""

MOST: Final = 20_000
"""So many bytes of HTML a text may come to, of the 60 kB of a page."""


def first_lines(text: str) -> str:
    """Return the first lines of a text, as long as a page shows at once."""
    lines = text.splitlines()
    shown = [
        line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…" for line in lines[:LINES]
    ]
    return "\n".join([*shown, *(["  …"] if len(lines) > LINES else [])])


def fits(text: str, most: int = MOST) -> bool:
    """Return whether a page may hold a text whole."""
    return len(text) <= most and _size_of(text) <= most


def within(text: str, most: int = MOST) -> str:
    """Return a text, or as much of its beginning as a page may hold."""
    if fits(text, most):
        return text
    taken = room = 0
    for character in text:
        room += _size_of(character)
        if room > most:
            break
        taken += 1
    return f"{text[:taken]}…"


def indented(text: str) -> str:
    """Return JSON with a line for each field.

    What is none, or could become another value, stays as it is.
    """
    try:
        shown = json.dumps(json.loads(text), indent=2, ensure_ascii=False, allow_nan=False)
        shown.encode()  # half of a surrogate pair cannot be written
    except (ValueError, RecursionError):
        return text
    return shown


def _size_of(text: str) -> int:
    """Return how many bytes a text takes in a page: a mark is written as several characters there."""
    return len(escape(text).encode(errors="replace"))

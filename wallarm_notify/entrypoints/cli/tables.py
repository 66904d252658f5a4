"""How tables give way on narrow terminals: nothing is broken inside a word, a number or a date."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, chop_cells

LONGEST_WORD: Final = 36
"""Characters of the longest word that is never broken: a UUID."""

BETWEEN: Final = 2
"""Characters between two columns."""

SENTENCE: Final = 16
"""Characters in which a sentence can be read."""

_JOINED: Final = re.compile(r"(?<=\d) (?=%|(?:ms|s|min|h|d|kB|seconds?|minutes?|hours?|days?)\b)")
"""The blank between a number and its unit."""

_NO_BREAK: Final = "\N{NO-BREAK SPACE}"

_PIECE: Final = re.compile(r".+?(?:[,;&?/{}\[\]()]+|:(?=\D)|$)")
"""What a word is made of that is too long: each piece ends with punctuation that is in no number or date."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    One that is ``whole`` is never wrapped; any other is wrapped between words, and has room for ``least``
    characters if its content fills them. A ``spare`` one is left out where there is no room, as it is less
    needed; the others stay.
    """

    title: str
    whole: bool = False
    right: bool = False
    spare: bool = False
    least: int = 0


def fixed(title: str, *, spare: bool = False) -> Column:
    """Return a column that is never wrapped."""
    return Column(title, whole=True, spare=spare)


def number(title: str, *, spare: bool = False) -> Column:
    """Return a column of numbers, which are never wrapped."""
    return Column(title, whole=True, right=True, spare=spare)


def sentence(title: str, least: int = SENTENCE) -> Column:
    """Return a column of sentences, which have room to be read."""
    return Column(title, least=least)


def widths_of(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int
) -> dict[int, int] | None:
    """Return the places of the columns that a table in ``room`` characters shows, with their widths.

    Those that are wrapped are narrowed, the widest first, then spare ones are left out, from left to right.
    None: there is too little room for the others.
    """
    cells = [[column.title, *values] for column, *values in zip(columns, *rows, strict=True)]
    bounds = [_bounds(column, texts) for column, texts in zip(columns, cells, strict=True)]
    shown = list(range(len(columns)))
    spare = [place for place in shown if columns[place].spare]
    room += BETWEEN
    while sum(bounds[place][0] + BETWEEN for place in shown) > room:
        if not spare:
            return None
        shown.remove(spare.pop(0))
    return _narrowed({place: bounds[place] for place in shown}, room - BETWEEN * len(shown))


def _narrowed(bounds: dict[int, tuple[int, int]], room: int) -> dict[int, int]:
    """Return a width for each place, between its bounds; together they fit into ``room``."""
    widths = {place: min(widest, max(room, least)) for place, (least, widest) in bounds.items()}
    while sum(widths.values()) > room:
        widest = max((p for p in widths if widths[p] > bounds[p][0]), key=lambda p: (widths[p], p))
        widths[widest] -= 1
    return widths


def folded(text: str, width: int) -> list[str]:
    """Return ``text`` in lines of at most ``width`` characters, broken between words.

    A word that is longer than a line is broken after punctuation, and anywhere else only if it has none.
    """
    return [line for paragraph in text.split("\n") for line in _lines(paragraph, width)]


def _bounds(column: Column, texts: Sequence[str]) -> tuple[int, int]:
    """Return the least width of a column, and the width in which none of its lines is wrapped."""
    widest = max(cell_len(line) for text in texts for line in text.split("\n"))
    if column.whole:
        return widest, widest
    longest = max(cell_len(piece) for text in texts for piece in _unbroken(text))
    return min(widest, max(longest, column.least)), widest


def _unbroken(text: str) -> Iterator[str]:
    """Yield what of ``text`` is never broken."""
    for word in _words(text.replace("\n", " ")):
        if cell_len(word) <= LONGEST_WORD:
            yield word
        else:
            yield from (piece[:LONGEST_WORD] for piece in _PIECE.findall(word))


def _words(paragraph: str) -> list[str]:
    return _JOINED.sub(_NO_BREAK, paragraph).split(" ")


def _lines(paragraph: str, width: int) -> list[str]:
    lines = [""]
    for place, word in enumerate(_words(paragraph)):
        longer = f"{lines[-1]} {word}" if place else word
        if cell_len(longer) <= width:
            lines[-1] = longer
        elif cell_len(word) <= width:
            lines.append(word)
        else:
            lines[-1:] = _broken(word, width, lines[-1])
    return [line.replace(_NO_BREAK, " ") for line in lines]


def _broken(word: str, width: int, line: str) -> list[str]:
    """Return lines with a word that is longer than a line; ``line`` has what stands before it."""
    lines = [line] if line else []
    current = ""
    for piece in _PIECE.findall(word):
        for part in chop_cells(piece, width):
            if cell_len(current + part) > width:
                lines.append(current)
                current = ""
            current += part
    return [*lines, current]

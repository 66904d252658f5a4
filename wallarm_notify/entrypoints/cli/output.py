"""What a command prints: tables for people, one JSON document for programs, notes on standard error."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from wallarm_notify.domain.page import Page
from wallarm_notify.schemas.documents.encoding import json_value
from wallarm_notify.schemas.documents.listing import listing

T = TypeVar("T")

PROGRAM: Final = "wallarm-notify"

_LONG_WORD: Final = 14
_SHORT_WORD: Final = 8
"""Characters of words that are not cut, and of the least that a wrapped column is of use with."""

_BARS: Final = "▁▂▃▄▅▆▇█"
_PLAIN_BARS: Final = "_.:-=+*#"

_STYLES: Final = {
    "delivered": "green",
    "enabled": "green",
    "passed": "green",
    "retrying": "yellow",
    "skipped": "yellow",
    "failed": "bold red",
    "disabled": "yellow",
}


def plain(value: object) -> str:
    """``value`` as text that no terminal obeys: control characters and the like are spelt out."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def errors() -> Console:
    """Standard error, for notes and progress."""
    return Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Prints one line of an answer to people."""
    _output().print(Text(plain(text)), soft_wrap=True)


def note(text: str) -> None:
    """Prints one line on standard error, as it is."""
    errors().print(Text(plain(text)), soft_wrap=True)


def complain(text: str) -> None:
    """Prints one line on standard error, under the program's name."""
    note(f"{PROGRAM}: {text}")


def print_json(document: Any) -> None:
    """Prints the one JSON document of this command; times are ISO 8601 in UTC."""
    text = json.dumps(document, indent=2, ensure_ascii=False, default=json_value)
    # Outside of strings all of JSON is ASCII, so what is spelt out here stands within one.
    click.echo("".join(c if c == "\n" or c.isprintable() else _escaped(c) for c in text))


def print_listing(items: Sequence[Any], following: str | None = None) -> None:
    """Prints a list as JSON; ``following`` is the cursor under which it goes on."""
    print_json(listing(items, following))


def print_page(
    page: Page[T],
    *,
    as_json: bool,
    document: Callable[[T], object],
    columns: Iterable[str | Column],
    row: Callable[[T], Sequence[object]],
    nothing: str,
) -> None:
    """Prints a page of a listing, each item by its ``document`` or its ``row``, and how the listing goes on."""
    following = None if page.following is None else str(page.following)
    if as_json:
        print_listing([document(item) for item in page.items], following)
        return
    print_table(columns, [row(item) for item in page.items], nothing=nothing)
    if following is not None:
        note(f"There is more: --cursor {following}")


def print_table(
    columns: Iterable[str | Column], rows: Iterable[Sequence[object]], *, nothing: str
) -> None:
    """Prints a table to people, or the sentence ``nothing`` where it has no rows.

    Where the terminal is too narrow for its columns each row is printed as names and values, one below the other.
    """
    wrapped = [Column(c, overflow="fold") if isinstance(c, str) else c for c in columns]
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        say(nothing)
        return
    widths = _widths(wrapped, cells, _output().width)
    if widths is None:
        names = [str(column.header) for column in wrapped]
        for row in cells:
            print_fields(zip(names, row, strict=True))
            say("")
        return
    fitted = (replace(c, width=w) for c, w in zip(wrapped, widths, strict=True))
    table = Table(*fitted, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for row in cells:
        table.add_row(*row)
    _output().print(table)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Prints names and values of one thing to people."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        table.add_row(name, _cell(value))
    _output().print(table)


def fixed(title: str) -> Column:
    """A column that is never wrapped."""
    return Column(title, no_wrap=True)


def words(title: str) -> Column:
    """A column of words that are not cut where that can be helped."""
    return Column(title, overflow="fold", min_width=_LONG_WORD)


def number(title: str) -> Column:
    """A column of numbers."""
    return Column(title, no_wrap=True, justify="right")


def time_of(moment: datetime) -> str:
    """``moment`` for people: UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def percent_of(ratio: float | None) -> str:
    """A ratio from 0 to 1 for people, rounded down like the ratio itself."""
    return "none" if ratio is None else f"{round(ratio * 10_000) // 10 / 10:.1f} %"


def sparkline(ratios: Iterable[float | None]) -> str:
    """Ratios from 0 to 1 as a row of bars; a gap where there is none."""
    bars = _BARS
    try:
        bars.encode(_output().encoding)
    except (UnicodeEncodeError, LookupError):
        bars = _PLAIN_BARS
    top = len(bars) - 1
    return "".join(" " if r is None else bars[min(int(r * len(bars)), top)] for r in ratios)


def _widths(
    columns: Sequence[Column], cells: Sequence[Sequence[Text]], room: int
) -> list[int] | None:
    """Return the width of each column of a table that has ``room``; None: there is too little.

    What is not wrapped stands whole, and the rest has room for a word at least. The widest gives way first.
    """
    room -= 2 * len(columns)
    widths, least = [], []
    for column, values in zip(columns, zip(*cells, strict=True), strict=True):
        lines = [Text(str(column.header)), *values]
        widest = max(line.cell_len for one in lines for line in one.split("\n"))
        widths.append(widest if column.no_wrap else min(widest, max(room, 0)))
        least.append(widest if column.no_wrap else min(widest, column.min_width or _SHORT_WORD))
    if sum(least) > room:
        return None
    while sum(widths) > room:
        widest, place = max((w, i) for i, w in enumerate(widths) if w > least[i])
        widths[place] = widest - 1
    return widths


def _output() -> Console:
    return Console(highlight=False)


def _cell(value: object) -> Text:
    match value:
        case None:
            return Text()
        case Text():
            return value
        case bool():
            return Text("yes" if value else "no")
        case datetime():
            return Text(time_of(value))
        case _:
            word = plain(value)
            return Text(word, style=_STYLES.get(word, ""))


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1]

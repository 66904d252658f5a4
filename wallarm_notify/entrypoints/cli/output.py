"""The output of commands: tables for people, a JSON document for programs, notes on standard error."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wallarm_notify.domain.page import Page
from wallarm_notify.entrypoints.cli.tables import BETWEEN, Column, folded, widths_of
from wallarm_notify.schemas.documents.encoding import json_value
from wallarm_notify.schemas.documents.listing import listing

T = TypeVar("T")

PROGRAM: Final = "wallarm-notify"

NARROWEST: Final = 20
"""Characters that a value has at least beside its name, however narrow the terminal is."""

_BARS: Final = "▁▂▃▄▅▆▇█"
_PLAIN_BARS: Final = "_.:-=+*#"

STYLES: Final = {
    "delivered": "green",
    "enabled": "green",
    "passed": "green",
    "retrying": "yellow",
    "skipped": "yellow",
    "failed": "bold red",
    "disabled": "yellow",
}


def plain(value: object) -> str:
    """Return ``value`` as text that is safe on a terminal: control characters are escaped."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def error_console() -> Console:
    """Return the console of standard error, for notes and progress."""
    return Console(stderr=True, highlight=False)


def print_line(text: str) -> None:
    """Print one line to people, on standard output."""
    _output().print(Text(plain(text)), soft_wrap=True)


def print_note(text: str) -> None:
    """Print one line on standard error, without the program's name."""
    error_console().print(Text(plain(text)), soft_wrap=True)


def print_diagnostic(text: str) -> None:
    """Print one line on standard error, after the program's name: an error or a warning."""
    print_note(f"{PROGRAM}: {text}")


def print_advice(advice: Iterable[str | None]) -> None:
    """Print what to do to people, each sentence once."""
    for sentence in dict.fromkeys(advice):
        if sentence is not None:
            print_line(f"What to do: {sentence}")


def print_json(document: Any) -> None:
    """Print the one JSON document of a command; times are ISO 8601 in UTC."""
    text = json.dumps(document, indent=2, ensure_ascii=False, default=json_value)
    # Outside of strings JSON is ASCII, so what is escaped here is within a string.
    click.echo("".join(c if c == "\n" or c.isprintable() else _escaped(c) for c in text))


def print_listing(items: Sequence[Any]) -> None:
    """Print a listing of one page as JSON."""
    print_json(listing(items))


def print_page(
    page: Page[T],
    *,
    as_json: bool,
    document: Callable[[T], object],
    columns: Iterable[str | Column],
    row: Callable[[T], Sequence[object]],
    nothing: str,
) -> None:
    """Print a page of a listing, each item as ``document`` or ``row`` makes it, and its next cursor."""
    following = None if page.following is None else str(page.following)
    if as_json:
        items = [document(item) for item in page.items]
        print_json(listing(items, following, page.searched_back_to))
        return
    back_to = page.searched_back_to
    if following is not None:
        nothing = "Nothing found so far."
    print_table(columns, [row(item) for item in page.items], nothing=nothing)
    if back_to is not None:
        print_note(f"Searched back to {time_of(back_to)}; what is older: --cursor {following}")
    elif following is not None:
        print_note(f"There is more: --cursor {following}")


def print_table(
    columns: Iterable[str | Column], rows: Iterable[Sequence[object]], *, nothing: str
) -> None:
    """Print a table to people, or the sentence ``nothing`` where it has no rows.

    Where the terminal is too narrow, spare columns are left out, which a note says. Where that does not do, each
    row is printed as names and values, one below the other.
    """
    given = list(rows)
    if not given:
        print_line(nothing)
        return
    asked = list(columns)
    fitted = table_of(asked, given, _output().width)
    if fitted is None:
        for row in given:
            print_fields(zip(titles_of(asked), row, strict=True))
            print_line("")
        return
    table, left_out = fitted
    print_line("")
    _output().print(table)
    print_line("")
    if left_out:
        print_note(f"Left out, as the terminal is narrow: {', '.join(left_out)}; --json has all.")


def table_of(
    columns: Sequence[str | Column], rows: Sequence[Sequence[object]], room: int
) -> tuple[Table, Sequence[str]] | None:
    """Return a table that fits into ``room`` characters, and the titles it leaves out; None: there is too little."""
    asked = [Column(c) if isinstance(c, str) else c for c in columns]
    cells = [[_cell(value) for value in row] for row in rows]
    widths = widths_of(asked, [[cell.plain for cell in row] for row in cells], room)
    if widths is None:
        return None
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, width in widths.items():
        justify: Literal["left", "right"] = "right" if asked[place].right else "left"
        title = _fold(Text(asked[place].title), width)
        table.add_column(title, justify=justify, width=width, no_wrap=True)
    for row in cells:
        table.add_row(*(_fold(row[place], width) for place, width in widths.items()))
    return table, [c.title for place, c in enumerate(asked) if place not in widths]


def titles_of(columns: Iterable[str | Column]) -> list[str]:
    """Return the titles of columns, each in one line."""
    return [(c if isinstance(c, str) else c.title).replace("\n", " ") for c in columns]


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Print names and values of one object to people."""
    console = _output()
    for line in lines_of(fields, console.width):
        console.print(line, soft_wrap=True)


def lines_of(fields: Iterable[tuple[str, object]], room: int) -> list[Text]:
    """Return names and values of one object as lines that fit into ``room`` characters."""
    cells = [(name, _cell(value)) for name, value in fields]
    indent = max((len(name) for name, _ in cells), default=0) + BETWEEN
    shown = []
    for name, cell in cells:
        lines = _fold(cell, max(room - indent, NARROWEST)).split("\n", allow_blank=True)
        for place, line in enumerate(lines):
            text = Text.assemble(("" if place else name).ljust(indent), line)
            text.stylize("bold", 0, indent)
            text.rstrip()
            shown.append(text)
    return shown


def time_of(moment: datetime) -> str:
    """Return ``moment`` as text for people: in UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def percent_of(ratio: float | None) -> str:
    """Return a ratio from 0 to 1 as per cent for people, rounded down to a tenth."""
    return "none" if ratio is None else f"{round(ratio * 10_000) // 10 / 10:.1f} %"


def sparkline(ratios: Iterable[float | None]) -> str:
    """Return ratios from 0 to 1 as a row of bars, with a gap where one is None."""
    bars = _BARS
    try:
        bars.encode(_output().encoding)
    except (UnicodeEncodeError, LookupError):
        bars = _PLAIN_BARS
    top = len(bars) - 1
    return "".join(" " if r is None else bars[min(int(r * len(bars)), top)] for r in ratios)


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
            return Text(word, style=STYLES.get(word, ""))


def _fold(cell: Text, width: int) -> Text:
    return Text("\n".join(folded(cell.plain, width)), style=cell.style)


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1]

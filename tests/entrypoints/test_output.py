"""Tables hold what they are given, however wide the terminal is."""

from __future__ import annotations

import pytest
from rich.text import Text

from wallarm_notify.entrypoints.cli.output import print_table
from wallarm_notify.entrypoints.cli.tables import Column, fixed, number, sentence

COLUMNS: list[str | Column] = [
    "XX",
    "YY",
    fixed("XY"),
    sentence("ZZ", 36),
    number("YZ"),
]
ROWS = [
    (
        "root (operator, command line)",
        "updated integration",
        "2026",
        Text("enabled: no → yes\n" * 9),
        1,
    ),
    ("ana", "created trigger 12", "2027", "disabled reason: none → maintenance until Friday", 7),
]
LEAST = 10 + 11 + 4 + 36 + 2 + 2 * 4
"""The longest word or a column's least width, what stands whole, and two characters between columns."""

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(COLUMNS, ROWS, nothing="Nothing.")
    return capsys.readouterr().out


@pytest.mark.parametrize("width", range(LEAST, 150, 3))
def test_no_text_is_cut_and_no_line_is_wider_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    output = printed(monkeypatch, capsys, width)
    assert max(map(len, output.splitlines())) <= width
    assert "───" in output
    given = "".join(str(value) for row in ROWS for value in row)
    assert {c: output.count(c) for c in LETTERS} == {c: given.count(c) for c in LETTERS}


@pytest.mark.parametrize(("width", "is_table"), [(LEAST - 1, False), (LEAST, True)])
def test_where_there_is_no_room_for_a_word_rows_stand_one_below_the_other(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    width: int,
    *,
    is_table: bool,
) -> None:
    output = printed(monkeypatch, capsys, width)
    assert ("───" in output) is is_table
    assert output.count("XX") == (1 if is_table else len(ROWS))

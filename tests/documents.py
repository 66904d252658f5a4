"""What the documents say and print, for tests that hold it against the program."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]

DOCS: Final = ROOT / "docs"
DECISIONS: Final = DOCS / "decisions"

DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
"""Everything written for people: Markdown at the top and below ``docs/``."""

_BLOCK: Final = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`([^`\n]+)`")
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def block(document: str, beginning: str) -> str:
    """Return the one block of code in a document that begins so."""
    (found,) = (one for one in blocks(read(ROOT / document)) if one.startswith(beginning))
    return found


def read(document: Path) -> str:
    """Return the text of a document."""
    return document.read_text(encoding="utf-8")


def name_of(document: Path) -> str:
    """Return a document's path from the top, as tests name it."""
    return str(document.relative_to(ROOT))


def blocks(text: str) -> list[str]:
    """Return the blocks of code in a text."""
    return [str(one) for one in _BLOCK.findall(text)]


def code(text: str) -> list[str]:
    """Return what a text sets as code within its lines."""
    return [str(one) for one in _CODE.findall(_BLOCK.sub("", text))]


def commands(text: str) -> Iterator[str]:
    """Yield each line of code that may be a command: those of blocks, and what stands within lines."""
    for one in blocks(text):
        yield from one.splitlines()
    yield from code(text)


def links(text: str) -> list[str]:
    """Return the targets of a text's links that lead to files of this project."""
    prose = _CODE.sub("", _BLOCK.sub("", text))
    return [one for one in _LINK.findall(prose) if not one.startswith(("http://", "https://"))]


def headings(text: str) -> list[str]:
    """Return the headings of a text."""
    return [str(one) for one in _HEADING.findall(_BLOCK.sub("", text))]


def anchors(text: str) -> set[str]:
    """Return the anchors by which a text's headings can be linked to: lower case, hyphens for blanks."""
    words = (re.sub(r"[^\w\- ]", "", one.lower()) for one in headings(text))
    return {one.replace(" ", "-") for one in words}


def rows(text: str) -> list[list[str]]:
    """Return the rows of a text's tables, by cell; the line under a table's head is left out."""
    lines = (
        one for one in text.splitlines() if one.startswith("|") and not one.startswith("| ---")
    )
    return [re.split(r" ?\| ?", one.strip()[1:-1].strip()) for one in lines]


def table(text: str, head: str) -> list[list[str]]:
    """Return the rows below the table's head whose first cell is ``head``."""
    _, _, rest = text.partition(f"\n| {head} |")
    return rows(rest.partition("\n\n")[0])


def files_of_the_project() -> list[str]:
    """Return the paths, from the top, of the files that are kept, as far as they are text of ours."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    ours = re.compile(r"\.(py|mako|md|toml|yml|sql)$|/?(Makefile|Dockerfile|run)$")
    return [one for one in listed if ours.search(one) and (ROOT / one).is_file()]

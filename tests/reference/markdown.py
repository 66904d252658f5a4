"""What is written in code, as Markdown."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH: Final = 120

_DOCUMENT: Final = re.compile(r"\bdocs/([\w/-]+\.md)(#[\w-]+)?")


def page(title: str, introduction: str, parts: Iterable[str]) -> str:
    """Return a page that says that it is made, and of what."""
    made = "This page is made of the code by `make reference`: change it there."
    return "\n\n".join([f"# {title}", filled(introduction), filled(made), *parts]) + "\n"


def filled(text: str, *, indent: str = "") -> str:
    """Return a paragraph in lines of the width of documents; further ones begin with ``indent``."""
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def of_docstring(text: str) -> str:
    """Return a docstring as Markdown: its code, its paragraphs, and links to the documents that it names."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(filled(linked(one.replace("``", "`"))) for one in paragraphs)


def linked(text: str) -> str:
    """Return ``text`` with the documents that it names as links, from docs/reference/."""
    return _DOCUMENT.sub(lambda m: f"[{m[1]}](../{m[1]}{m[2] or ''})", text)


def block(lines: str, language: str = "") -> str:
    """Return a block of code."""
    return f"```{language}\n{lines}\n```"


def code(names: Iterable[object]) -> str:
    """Return names as code, separated by commas."""
    return ", ".join(f"`{one}`" for one in names)


def row(*cells: str) -> str:
    """Return a row of a table."""
    return "| " + " | ".join(one.replace("|", "\\|") for one in cells) + " |"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table."""
    return "\n".join([row(*head), row(*("---" for _ in head)), *(row(*one) for one in rows)])

"""What the documents print, for tests that do it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

_BLOCK: Final = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def block(document: str, beginning: str) -> str:
    """The one block of code in a document that begins so."""
    text = (ROOT / document).read_text(encoding="utf-8")
    (found,) = (one for one in _BLOCK.findall(text) if one.startswith(beginning))
    return str(found)

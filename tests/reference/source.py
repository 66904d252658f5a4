"""What the source says of its own names."""

from __future__ import annotations

import ast
import inspect
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def meanings(body: Sequence[ast.stmt]) -> Iterator[tuple[ast.AnnAssign, str]]:
    """Yield each annotated assignment that a text follows, and the text."""
    for one, after in itertools.pairwise(body):
        match one, after:
            case ast.AnnAssign(), ast.Expr(ast.Constant(str(text))):
                yield one, inspect.cleandoc(text)

"""The rule that a way in calls use cases, and never the database."""

from __future__ import annotations

import ast
from pathlib import Path

from wallarm_notify import entrypoints

FOLDER = Path(entrypoints.__file__).parent


def transactions_in(path: Path) -> set[tuple[str, str]]:
    """Return module and name of each function that runs a transaction; "" for code outside of functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        (str(path.relative_to(FOLDER)), getattr(part, "name", ""))
        for part in tree.body
        for node in ast.walk(part)
        if isinstance(node, ast.Attribute) and node.attr == "transact"
    }


def test_no_way_in_runs_a_transaction() -> None:
    found = {one for path in FOLDER.rglob("*.py") for one in transactions_in(path)}
    assert found == set()

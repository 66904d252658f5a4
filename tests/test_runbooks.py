"""The runbooks name every warning and error that is logged, and no other."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from documents import DOCS, ROOT, read

from wallarm_notify import heartbeat_url
from wallarm_notify.broker import uses

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVELS = {"warning", "error", "exception", "critical"}

BY_CONSTANT = {
    uses.MAY_EVICT,
    heartbeat_url.NOT_REACHED,
    heartbeat_url.REFUSED,
    heartbeat_url.WITHHELD,
}
"""Names that stand in a constant where they are logged."""

OF_OTHERS = {"producer.py", "start_check.py"}
"""Modules that log what they are given: a sentence for producers, and warnings of the broker, which are found here."""


def calls() -> Iterator[tuple[str, str, ast.expr]]:
    """The module, function and first argument of each call that names something to be logged."""
    for path in [*ROOT.glob("wallarm_notify/**/*.py"), *ROOT.glob("tasks/*.py")]:
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.Call) and node.args:
                called = ast.unparse(node.func)
                if called == "BrokerWarning" or called.partition(".")[2] in LEVELS:
                    yield path.name, called, node.args[0]


def test_the_runbooks_name_every_warning_and_error_that_is_logged_and_no_other() -> None:
    logged = {first.value for _, _, first in calls() if isinstance(first, ast.Constant)}
    listed = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", read(DOCS / "runbooks.md"), re.MULTILINE)
    assert listed == sorted(listed)
    assert set(listed) == logged | BY_CONSTANT


def test_what_is_logged_by_another_name_than_a_constant_is_known_here() -> None:
    others = {
        (module, ast.unparse(first))
        for module, called, first in calls()
        if not isinstance(first, ast.Constant) and called.startswith("log.")
    }
    assert {module for module, _ in others} == OF_OTHERS, others


def test_the_first_lines_lead_to_every_section_in_its_order() -> None:
    text = read(DOCS / "runbooks.md")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    linked = re.findall(r"\]\(#([a-z-]+)\)", text.partition("\n## ")[0].replace("\n", " "))
    assert linked == [re.sub(r"[^a-z -]", "", one.lower()).replace(" ", "-") for one in headings]

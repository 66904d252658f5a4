"""The documents as types: an API can describe each, and each says what its fields mean.

That each is printed as ever is held by ``tests/entrypoints/test_json_documents.py``.
"""

from __future__ import annotations

import ast
import json
import pkgutil
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter
from typing_extensions import is_typeddict

from wallarm_notify.schemas import documents
from wallarm_notify.schemas.documents.encoding import json_value
from wallarm_notify.schemas.documents.listing import Listing, listing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

MODULES = [
    import_module(f"{documents.__name__}.{found.name}")
    for found in pkgutil.iter_modules(documents.__path__)
]

TYPES = {
    name: kind
    for module in MODULES
    for name, kind in vars(module).items()
    if is_typeddict(kind) and kind.__module__ == module.__name__ and not name.startswith("_")
}


def fields_of(tree: ast.ClassDef) -> list[tuple[str, bool]]:
    """The fields of a class, each with whether a text follows it."""
    return [
        (ast.unparse(one.target), isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant))
        for one, after in zip(tree.body, [*tree.body[1:], None], strict=True)
        if isinstance(one, ast.AnnAssign)
    ]  # fmt: skip


def test_there_is_a_type_for_each_document() -> None:
    assert {"IntegrationDocument", "TriggerDocument", "NotificationDocument", "Listing"} <= set(
        TYPES
    )
    assert len(TYPES) > 30


@pytest.mark.parametrize("name", TYPES)
def test_pydantic_can_describe_each_on_every_python(name: str) -> None:
    kind: Any = Listing[int] if name == "Listing" else TYPES[name]
    described = TypeAdapter(kind).json_schema()
    assert described["type"] == "object"
    assert set(described["required"]) == set(described["properties"])


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rsplit(".")[-1])
def test_each_field_says_what_it_means(module: Any) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    silent = [
        f"{one.name}.{field}"
        for one in tree.body
        if isinstance(one, ast.ClassDef)
        for field, is_documented in fields_of(one)
        if not is_documented
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00+00:00"),
        (datetime(2026, 3, 1, 12, 0, 0, 5, UTC), "2026-03-01T12:00:00.000005+00:00"),
        (
            datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            "2026-02-28T23:00:00+00:00",
        ),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    ],
)
def test_times_are_iso_8601_in_utc_and_ids_are_texts(value: object, text: str) -> None:
    assert json.dumps(value, default=json_value) == f'"{text}"'


def test_a_listing_says_where_it_goes_on() -> None:
    whole: Listing[int] = {"items": [], "next": None, "searched_back_to": None}
    assert listing([1, 2], "2") == {**whole, "items": [1, 2], "next": "2"}
    assert listing([], "2", NOW) == {**whole, "next": "2", "searched_back_to": NOW}
    assert listing([]) == whole

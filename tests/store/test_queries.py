from __future__ import annotations

import ast
import json
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import sqlalchemy as sa
from build import NOON
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql.psycopg2 import dialect

from wallarm_notify import store
from wallarm_notify.domain.notification import State
from wallarm_notify.store.engine import make_engine
from wallarm_notify.store.queries import for_driver, parameters_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


DRIVER: Final = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's types lack it


def as_sqlalchemy_has_it(statement: str) -> str:
    return str(sa.text(statement).compile(dialect=DRIVER))


class Texts(ast.NodeVisitor):
    """Every text in a module, those with values put in as if each value were the word ``x``."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.found.add(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        parts = [p.value if isinstance(p, ast.Constant) else "x" for p in node.values]
        self.found.add("".join(map(str, parts)))
        self.generic_visit(node)


def test_every_statement_has_its_parameters_as_sqlalchemy_would_write_them() -> None:
    texts = Texts()
    for module in Path(store.__file__).parent.glob("*.py"):
        texts.visit(ast.parse(module.read_text()))
    with_parameters = {text for text in texts.found if for_driver(text) != text}
    assert len(with_parameters) > 200
    for text in texts.found:
        assert for_driver(text) == as_sqlalchemy_has_it(text)


@given(
    st.lists(
        st.sampled_from([*":\\%'\"() x1é_$-", "::", "\\:", ":id", "%s", "%(a)s", "text[]"])
    ).map("".join)
)
@example("SELECT '%' || :a, b::text, CAST(:a AS int[]), '12:30', :a::text, \\:a, x[1:2]")
def test_parameters_are_found_where_sqlalchemy_finds_them(statement: str) -> None:
    assert for_driver(statement) == as_sqlalchemy_has_it(statement)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)

VALUES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "int": st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1]),
    "smallint": st.integers(-(2**15), 2**15 - 1) | st.sampled_from([0, 1]),
    "boolean": st.booleans(),
    "text": TEXTS | st.sampled_from([*State, "", "NULL", "%s", "%(a)s", ":id", "{}", "'", "\\"]),
    "timestamptz": st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - with one
    "interval": st.timedeltas(timedelta(-9999), timedelta(9999)),
    "jsonb": st.dictionaries(TEXTS, st.none() | st.booleans() | st.integers(-9, 9)).map(json.dumps),
    "bytea": st.binary(max_size=8),
    "uuid": st.uuids().map(lambda one: one.hex),
}

Columns = dict[str, tuple[str, list[Any]]]
"""The type and the values of each column, by its name."""


@st.composite
def tables(draw: st.DrawFn) -> Columns:
    """Return some rows, each with an id of its own; any other column may be the same in all of them."""
    number = draw(st.integers(1, 4))
    ids = draw(st.lists(VALUES["bigint"], min_size=number, max_size=number, unique=True))
    columns: Columns = {"id": ("bigint", ids)}
    for kind, values in VALUES.items():
        constant = st.builds(lambda one: [one] * number, values | st.none())
        varied = st.lists(values | st.none(), min_size=number, max_size=number)
        columns[f"a_{kind}"] = (kind, draw(constant | varied))
    order = draw(st.permutations(list(columns)))
    return {name: columns[name] for name in order}


def as_read(kind: str, value: Any) -> Any:
    match kind:
        case "jsonb":
            return None if value is None else json.loads(value)
        case _:
            return value


def rows_read(engine: sa.Engine, columns: Mapping[str, tuple[str, Sequence[Any]]]) -> list[Any]:
    """Return the rows as the database reads them, in the order of their ids."""
    types = {name: kind for name, (kind, _) in columns.items()}
    values = {name: of for name, (_, of) in columns.items()}
    rows = rows_of(types, values)
    names = ", ".join(f"u.{name}" for name in columns)
    with engine.connect() as connection:
        result = connection.execute(
            sa.text(f"SELECT {names} FROM {rows} ORDER BY u.id"), parameters_of(values)
        )
        return [{name: _plain(row[name]) for name in columns} for row in result.mappings()]


def _plain(value: Any) -> Any:
    if isinstance(value, memoryview):
        return bytes(value)
    return value.hex if hasattr(value, "hex") and hasattr(value, "urn") else value


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(columns=tables())
@example({"id": ("bigint", [2, 1]), "closing": ("boolean", [False, True])})
@example({"id": ("bigint", [1]), "reason": ("text", [None])})
@example({"id": ("bigint", [1, 2]), "at": ("timestamptz", [NOON, None])})
def test_rows_are_read_as_they_were_given_whatever_columns_are_constant(
    engine: sa.Engine, columns: Columns
) -> None:
    wanted = [
        {name: as_read(kind, values[row]) for name, (kind, values) in columns.items()}
        for row in range(len(columns["id"][1]))
    ]
    read = rows_read(engine, columns)
    assert read == sorted(wanted, key=lambda row: row["id"])
    assert [list(map(type, row.values())) for row in read] == [
        [str if isinstance(one, str) else type(one) for one in row.values()]
        for row in sorted(wanted, key=lambda row: row["id"])
    ]


def test_a_value_that_is_the_same_in_every_row_is_sent_once() -> None:
    types = {"id": "bigint", "run": "int", "closing": "boolean", "reason": "text"}
    values: dict[str, list[Any]] = {
        "id": [1, 2, 3],
        "run": [1, 1, 1],
        "closing": [True, False, True],
        "reason": [None, None, None],
    }
    assert parameters_of(values) == {
        "id": "{1,2,3}",
        "run": 1,
        "closing": [True, False, True],
        "reason": None,
    }
    assert rows_of(types, values) == (
        "(SELECT a.id, CAST(:run AS int) AS run, a.closing, CAST(:reason AS text) AS reason"
        " FROM unnest(CAST(:id AS bigint[]), CAST(:closing AS boolean[])) AS a(id, closing)) AS u"
    )


def test_a_truth_value_stays_one_and_a_number_stays_a_number(engine: sa.Engine) -> None:
    for numbers, flags in product(product([0, 1], repeat=2), product([False, True], repeat=2)):
        columns: Mapping[str, tuple[str, Sequence[Any]]] = {
            "id": ("int", [1, 2]),
            "n": ("int", numbers),
            "flag": ("boolean", flags),
        }
        rows = rows_read(engine, columns)
        assert [(row["n"], row["flag"]) for row in rows] == list(zip(numbers, flags, strict=True))
        assert all(type(row["n"]) is int and type(row["flag"]) is bool for row in rows)

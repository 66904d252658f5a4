"""The page of the lines of the log."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from documents import ROOT, read

from reference.markdown import code, page, table
from wallarm_notify import heartbeat_url
from wallarm_notify.broker import uses

if TYPE_CHECKING:
    from collections.abc import Iterator

INTRODUCTION: Final = """
Each name that workers, beat, the API and commands log, with its level and its fields. The lines of a worker and of
beat end with `node`; `delivery.recorded` has a number for each kind of answer besides.
[runbooks.md](../runbooks.md#lines-of-the-log) says what a warning or an error means and what to do, and
[operations.md](../operations.md#what-a-log-holds) how to read a line.
"""

LEVELS: Final = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error, with its traceback",
}

LOGGING: Final = {f"log.{method}": method for method in (*LEVELS, "log")}
"""How what is logged is written, and the method of the logger."""

BY_VARIABLE: Final = {
    heartbeat_url.CALLED: "info",
    heartbeat_url.NOT_REACHED: "warning",
    heartbeat_url.REFUSED: "warning",
    heartbeat_url.WITHHELD: "warning",
}
"""Names that stand in a variable where they are logged, and their levels."""

BROKER_WARNING: Final = "BrokerWarning"
"""The class of what is logged by broker/start_check.py, under the name that is its first argument."""

Module = ast.Module
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Line:
    """A name that is logged, with all levels and fields that it has anywhere."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


def log_page() -> str:
    """Return the page: each name that is logged."""
    rows = (
        (f"`{name}`", " or ".join(sorted(line.levels)), code(sorted(line.fields)))
        for name, line in sorted(lines_of_the_log().items())
    )
    return page("Lines of the log", INTRODUCTION, [table(("name", "level", "fields"), rows)])


@cache
def lines_of_the_log() -> dict[str, Line]:
    """Return every name that is logged by its levels and fields, as the source has them."""
    found: dict[str, Line] = {name: Line({level}) for name, level in BY_VARIABLE.items()}
    for path in [*ROOT.glob("wallarm_notify/**/*.py"), *ROOT.glob("tasks/*.py")]:
        module = ast.parse(read(path))
        for name, levels, fields in _logged_in(module):
            line = found.setdefault(name, Line())
            line.levels |= levels
            line.fields |= fields
    return found


def _logged_in(module: Module) -> Iterator[tuple[str, set[str], set[str]]]:
    for function in (one for one in ast.walk(module) if isinstance(one, Function)):
        for call in (one for one in ast.walk(function) if isinstance(one, ast.Call)):
            called, name = ast.unparse(call.func), _name_in(call)
            if name is None:
                continue
            if called == BROKER_WARNING:
                yield name, {"warning"}, {"reason"}
            elif called in LOGGING:
                yield name, _levels_of(call), _fields_of(call, function, module)


def _name_in(call: ast.Call) -> str | None:
    """Return the first text among the arguments, or None if they have none that is known here."""
    for argument in call.args:
        match argument:
            case ast.Constant(str(name)):
                return name
            case ast.Name("MAY_EVICT"):
                return uses.MAY_EVICT
    return None


def _levels_of(call: ast.Call) -> set[str]:
    method = LOGGING[ast.unparse(call.func)]
    if method in LEVELS:
        return {LEVELS[method]}
    return {
        LEVELS[one.attr.lower()]
        for one in ast.walk(call.args[0])
        if isinstance(one, ast.Attribute) and one.attr.isupper()
    }


def _fields_of(call: ast.Call, function: Function, module: Module) -> set[str]:
    given = [one.value for one in call.keywords if one.arg == "extra"]
    return {name for one in given for name in _names_in(one, function, module)}


def _names_in(value: ast.expr | None, function: Function, module: Module) -> Iterator[str]:
    """Yield the keys of a dictionary that is written out, in a variable, or returned by a function of its module."""
    match value:
        case ast.Dict(keys, values):
            for key, one in zip(keys, values, strict=True):
                if key is None:
                    yield from _names_in(one, function, module)
                else:
                    yield (
                        str(key.value) if isinstance(key, ast.Constant) else f"<{ast.unparse(key)}>"
                    )
        case ast.Name(name):
            for given in _given_to(name, function):
                yield from _names_in(given, function, module)
        case ast.Subscript(slice=ast.Constant(key)):
            yield str(key)
        case ast.Call(ast.Name(name)):
            for given in _returned_by(name, module):
                yield from _names_in(given, function, module)


def _given_to(name: str, function: Function) -> Iterator[ast.expr | None]:
    """Yield what a function assigns to a variable, and what is a key of it, as ``variable["key"]``."""
    for one in ast.walk(function):
        match one:
            case (
                ast.Assign([ast.Name(assigned)], given)
                | ast.AnnAssign(ast.Name(assigned), value=given)
                | ast.AugAssign(ast.Name(assigned), value=given)
            ) if assigned == name:
                yield from (given.body, given.orelse) if isinstance(given, ast.IfExp) else (given,)
            case ast.Assign([ast.Subscript(ast.Name(assigned)) as place]) if assigned == name:
                yield place


def _returned_by(name: str, module: Module) -> Iterator[ast.expr | None]:
    """Yield what a function of a module returns."""
    for one in module.body:
        if isinstance(one, Function) and one.name == name:
            yield from (inner.value for inner in ast.walk(one) if isinstance(inner, ast.Return))

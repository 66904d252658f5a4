"""The page of the settings."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, MultipleOf

from reference.markdown import code, of_docstring, page
from reference.source import meanings
from wallarm_notify.settings import PREFIX, RENAMED, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

INTRODUCTION: Final = f"""
Each setting is an environment variable named `{PREFIX}` and the name below, or a line of the file `.env` ([how that
is read](../../README.md#setting-up)). A bad value stops the start with a sentence that says what is permitted. In a
URL's user name or password `/ ? # @ ; %` are written `%2F %3F %23 %40 %3B %25`; a refused URL is never shown, as it
may have a password. Both hold for the proxies that are read from the environment, too: `https_proxy`, `all_proxy`,
`no_proxy`, also in capitals, and `http_proxy`.
"""


def settings_page() -> str:
    """Return the page: each setting with its default, what it may be, and what it means."""
    found = meanings_of_settings()
    parts = [
        f"## `{name.upper()}`\n\n{_values(field)}\n\n{_in_words(found[name])}"
        for name, field in Settings.model_fields.items()
    ]
    old = [f"`{before}` is `{now}` since 0.9.0" for before, now in RENAMED.items()]
    renamed = f"## Old names\n\n{'; '.join(old)}. The old names work until 2.0."
    return page("Settings", INTRODUCTION, [*parts, renamed])


def meanings_of_settings() -> Mapping[str, str]:
    """Return the text after each field of the settings."""
    (tree,) = (
        one for one in ast.parse(inspect.getsource(Settings)).body if isinstance(one, ast.ClassDef)
    )
    return {ast.unparse(one.target): text for one, text in meanings(tree.body)}


def _in_words(meaning: str) -> str:
    return of_docstring(" ".join(meaning.split()))


def _values(field: FieldInfo) -> str:
    unset = field.default is None or field.default == ""
    default = "No default" if unset else f"Default `{_as_set(field.default)}`"
    permitted = "; ".join(_permitted(field))
    return f"{default}; {permitted}." if permitted else f"{default}."


def _as_set(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).rstrip("/")


def _permitted(field: FieldInfo) -> Iterator[str]:
    if get_origin(field.annotation) is Literal:
        yield f"one of {code(get_args(field.annotation))}"
    elif field.annotation is bool:
        yield "`true` or `false`"
    for rule in field.metadata:
        match rule:
            case Gt(low):
                yield f"more than {low}"
            case Ge(low):
                yield f"at least {low}"
            case Le(high):
                yield f"at most {high:,}"
            case MultipleOf(step):
                yield f"a multiple of {step}"

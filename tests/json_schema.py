"""What a JSON Schema says (draft 2020-12), as far as the one that we print uses it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SAYS_NOTHING: Final = {"title", "description", "default", "format", "discriminator", "$schema"}
"""``format`` is a remark in this draft: no validator has to go by it."""

_KNOWN: Final = _SAYS_NOTHING | {
    *("$ref", "$defs", "anyOf", "oneOf", "const", "enum", "type"),
    *("minimum", "maximum", "pattern", "properties", "required", "additionalProperties", "items"),
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "null": lambda v: v is None,
    "boolean": lambda v: isinstance(v, bool),
    "number": _is_number,
    "integer": lambda v: _is_number(v) and (isinstance(v, int) or v.is_integer()),
    "string": lambda v: isinstance(v, str),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
}


def admits(root: Mapping[str, Any], value: Any, schema: Any = None) -> bool:
    """Whether ``schema``, a part of ``root`` or all of it, admits ``value``. Raises KeyError for an unknown keyword."""
    schema = root if schema is None else schema
    if schema is True:
        return True
    if unknown := schema.keys() - _KNOWN:
        raise KeyError(*unknown)
    if "$ref" in schema:
        return admits(root, value, _definition(root, schema["$ref"]))
    return (
        all(_is_met(keyword, given, value) for keyword, given in schema.items())
        and ("anyOf" not in schema or any(admits(root, value, s) for s in schema["anyOf"]))
        and ("oneOf" not in schema or sum(admits(root, value, s) for s in schema["oneOf"]) == 1)
        and (not isinstance(value, dict) or _admits_fields(root, value, schema))
        and (
            not isinstance(value, list)
            or all(admits(root, item, schema.get("items", True)) for item in value)
        )
    )


def _definition(root: Mapping[str, Any], reference: str) -> Any:
    return root["$defs"][reference.removeprefix("#/$defs/")]


def _is_one_of(value: Any, permitted: list[Any]) -> bool:
    return any(type(value) is type(one) and bool(value == one) for one in permitted)


_RULES: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "const": lambda given, v: _is_one_of(v, [given]),
    "enum": lambda given, v: _is_one_of(v, given),
    "type": lambda given, v: _TYPES[given](v),
    "minimum": lambda given, v: not _is_number(v) or v >= given,
    "maximum": lambda given, v: not _is_number(v) or v <= given,
    "pattern": lambda given, v: not isinstance(v, str) or re.search(given, v) is not None,
    "required": lambda given, v: not isinstance(v, dict) or v.keys() >= set(given),
}


def _is_met(keyword: str, given: Any, value: Any) -> bool:
    return keyword not in _RULES or _RULES[keyword](given, value)


def _admits_fields(root: Mapping[str, Any], value: dict[str, Any], schema: Any) -> bool:
    properties = schema.get("properties", {})
    more = schema.get("additionalProperties", True)
    return all(admits(root, item, properties.get(name, more)) for name, item in value.items())


TEXTS: Final = st.text(st.characters(exclude_categories=()), max_size=12)
_ANYTHING: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def instances(root: Mapping[str, Any], schema: Any = None) -> st.SearchStrategy[Any]:
    """Values that ``schema``, a part of ``root`` or all of it, admits."""
    schema = root if schema is None else schema
    if schema is True or not schema.keys() - _SAYS_NOTHING:
        return _ANYTHING
    if unknown := schema.keys() - _KNOWN:
        raise KeyError(*unknown)
    if "$ref" in schema:
        return instances(root, _definition(root, schema["$ref"]))
    for keyword in ("oneOf", "anyOf"):
        if keyword in schema:
            return st.one_of([instances(root, one) for one in schema[keyword]])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _of_type(root, schema)


def _of_type(root: Mapping[str, Any], schema: Any) -> st.SearchStrategy[Any]:
    made: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "null": st.none,
        "boolean": st.booleans,
        "integer": lambda: _numbers(schema).filter(lambda n: admits(root, n, schema)),
        "number": lambda: st.floats(schema["minimum"], schema["maximum"]),
        "string": lambda: _texts(root, schema),
        "array": lambda: st.lists(instances(root, schema.get("items", True)), max_size=3),
        "object": lambda: _objects(root, schema),
    }
    return made[schema["type"]]()


def _texts(root: Mapping[str, Any], schema: Any) -> st.SearchStrategy[str]:
    if "pattern" not in schema:
        return TEXTS
    fitting = TEXTS.filter(lambda text: admits(root, text, schema))
    # Few texts fit a pattern from one end to the other, and nearly all one that looks for a character.
    return st.from_regex(schema["pattern"]) if schema["pattern"].startswith("^") else fitting


def _numbers(schema: Any) -> st.SearchStrategy[float]:
    """Whole numbers, and the same with a point behind or an exponent."""
    low, high = schema["minimum"], schema["maximum"]
    near = st.integers(max(low, -1000), min(high, 1000))
    numbers = st.integers(low, high) | near | st.sampled_from([low, high])
    return numbers | numbers.map(float)


def _objects(root: Mapping[str, Any], schema: Any) -> st.SearchStrategy[dict[str, Any]]:
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    fields = {name: instances(root, one) for name, one in properties.items()}
    known = st.fixed_dictionaries(
        {name: fields[name] for name in required},
        optional={name: one for name, one in fields.items() if name not in required},
    )
    names = TEXTS.filter(lambda name: name not in properties)
    more = st.dictionaries(names, _ANYTHING, max_size=2)
    return st.builds(lambda one, other: {**other, **one}, known, more)

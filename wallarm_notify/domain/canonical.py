"""Canonical JSON: one text for a value, and the hash that identifies an event's body (spec 2)."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from wallarm_notify.domain.spelling import same_number, sanitized

_ENCODE: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def canonical(obj: Any) -> str:
    """Return the canonical JSON of ``obj`` in ASCII: sorted keys, no spaces; never raise.

    Values that JSON lacks, such as the times and UUIDs that Celery decodes, are written as text.
    """
    return encoded(obj)[0]


def body_hash(text: str) -> bytes:
    """Return the SHA-256 of canonical JSON, whose numbers are as the producer wrote them."""
    return sha256(text.encode("ascii")).digest()


def hash_of(body: Mapping[str, Any]) -> bytes:
    """Return the hash that identifies the body of an event made by this system.

    Its id and times are written as all stored ones are; only its numbers may be written in another way.
    """
    text = canonical(body)
    return body_hash(canonical(sanitized(json.loads(text, parse_float=same_number), text)))


def encoded(obj: Any) -> tuple[str, bool]:
    """Return canonical JSON, and whether ``obj`` was plain JSON of a usual depth."""
    try:
        return _ENCODE(obj), True
    except (TypeError, ValueError, RecursionError):
        return "".join(_pieces(obj)), False


def _pieces(obj: Any) -> list[str]:
    """Return the pieces of the canonical JSON of anything, however deep, without recursion."""
    pieces: list[str] = []
    rest: list[Any] = [_Value(obj)]
    within: set[int] = set()
    while rest:
        match rest.pop():
            case str(piece):
                pieces.append(piece)
            case int(left):
                within.discard(left)
            case _Value(value=dict() | list() | tuple() as value) if id(value) not in within:
                within.add(id(value))
                rest.append(id(value))
                rest += reversed(_parts(value))
            case _Value(value=value):
                pieces.append(scalar_text(value))
    return pieces


class _Value:
    """A value still to be written, as opposed to a piece of text."""

    __match_args__ = ("value",)
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        keys = sorted(((key_text(key), key) for key in value), key=lambda pair: pair[0])
        fields = [[_ENCODE(name) + ":", _Value(value[key])] for name, key in keys]
        opening, closing = "{", "}"
    else:
        fields = [[_Value(item)] for item in value]
        opening, closing = "[", "]"
    parts: list[Any] = [opening]
    for number, field in enumerate(fields):
        parts += [",", *field] if number else field
    return [*parts, closing]


def key_text(key: Any) -> str:
    """Return the JSON of a field's name, without quotation marks."""
    return key if isinstance(key, str) else scalar_text(key).strip('"')


def scalar_text(value: Any) -> str:
    """Return the JSON of a value that contains no others; a value that JSON lacks becomes text."""
    match value:
        case datetime():
            return _ENCODE(value.isoformat())
        case UUID() | Decimal():
            return _ENCODE(str(value))
        case bytes():
            return _ENCODE(value.decode("utf-8", "replace"))
        case dict() | list() | tuple():
            return "null"  # a container that contains itself
        case _:
            pass
    try:
        return _ENCODE(value)
    except (TypeError, ValueError):
        return _ENCODE(hex(value) if isinstance(value, int) else f"{type(value).__name__}")

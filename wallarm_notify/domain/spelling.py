"""The spelling of JSON values: which are equal, what is no character, and the size in bytes (spec 2)."""

import json
import re
from typing import Any, Final

LARGEST_WHOLE: Final = 2.0**128
"""The number from which on an exponent stays: the digits could make a text many times as long."""

_INT64: Final = 2.0**63

compact: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
"""JSON without blanks, its characters unescaped, fields in the order of their names."""

_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""NUL as JSON writes it; after an odd number of backslashes the last one is escaped, and it is plain text."""

_BEGUN_ESCAPE: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-f]{0,3})?\Z")


def sanitized(value: Any, text: str) -> Any:
    """Return ``value`` with U+FFFD for NUL and for lone surrogates, in names of fields too.

    ``text`` is its JSON in ASCII. Two surrogates that are a pair are the character. If two names become
    equal, the later one's value stays. Return ``value`` itself if nothing had to be replaced.
    """
    has_nul = "\\u0000" in text
    if not has_nul and "\\ud" not in text:
        return value
    written = compact(value)
    whole = _NUL.sub(r"\1\\ufffd", written) if has_nul else written
    try:
        whole.encode()
    except UnicodeEncodeError:
        whole = whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value if whole == written else json.loads(whole)


def may_hold_whole_floats(text: str) -> bool:
    """Return, quickly, whether an object's canonical JSON may have a whole number as a float: 12.0, 1e+22."""
    return ".0," in text or ".0}" in text or ".0]" in text or "e+" in text


def whole(value: Any) -> Any:
    """Return ``12`` for ``12.0``, within 64 bits; any other value unchanged."""
    if type(value) is float and -_INT64 <= value < _INT64 and value.is_integer():
        return int(value)
    return value


def same_number(text: str) -> int | float:
    """Return the number in ``text``, which has a point or an exponent: ``12`` for ``1.2e1``."""
    value = float(text)
    return int(value) if abs(value) < LARGEST_WHOLE and value.is_integer() else value


def in_utf8(text: str) -> bytes:
    """Return JSON in ASCII as JSON in UTF-8, by which its size is measured.

    A lone surrogate stays escaped, as it is no character. JSON that is nested too deep to be read, or has a
    number of too many digits, is returned unchanged.
    """
    try:
        written = compact(json.loads(text))
    except (ValueError, RecursionError):
        written = text
    return written.encode("utf-8", "backslashreplace")


def beginning(text: bytes, most: int) -> str:
    """Return at most the first ``most`` bytes of JSON in UTF-8, without cutting a character."""
    return _BEGUN_ESCAPE.sub(r"\1", text[:most].decode("utf-8", "ignore"))

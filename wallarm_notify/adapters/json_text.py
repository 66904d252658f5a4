"""Reading JSON piece by piece, so that what is wrong with one piece is wrong with no other (spec 2).

Where lists and objects begin and end can be told from brackets and quotes alone, however deep they lie
within one another, however long a number is, and whatever else is wrong between them. It takes time by
the length of the text, and no recursion.
"""

import json
import re
from typing import Any, Final

from kombu.utils.json import object_hook

from wallarm_notify.schemas import MAX_DEPTH, MAX_DIGITS

BYTE_ORDER_MARK: Final = "\ufeff"

_AROUND: Final = f" \t\r\n\0{BYTE_ORDER_MARK}"
"""What may stand before and after JSON: a client in C sends the NUL at the end of its text."""

_CLOSED_BY: Final = {"[": "]", "{": "}"}

_STRING: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_PLAIN: Final = rf'(?:[^"\[\]{{}}]++|{_STRING})*+'
_FLAT: Final = rf"\[{_PLAIN}\]|\{{{_PLAIN}\}}"
_TO_BRACKET: Final = re.compile(_PLAIN, re.DOTALL)
_ON: Final = re.compile(rf'(?:[^"\[\]{{}}]++|{_STRING}|{_FLAT})*+', re.DOTALL)
_ON_OR_TO_COMMA: Final = re.compile(rf'(?:[^"\[\]{{}},]++|{_STRING}|{_FLAT})*+', re.DOTALL)
"""Ahead to where the level changes for longer than one flat list or object: most events are one."""

_NAME: Final = re.compile(rf"\s*({_STRING})\s*:", re.DOTALL)


class NoJson(ValueError):
    """A text cannot be read; says why, as what follows its name in a sentence.

    ``is_of_form`` tells that it is no JSON; else it is JSON that is too much.
    """

    def __init__(self, words: str, *, is_of_form: bool = True) -> None:
        super().__init__(words)
        self.is_of_form = is_of_form


def text_of(raw: bytes | bytearray | memoryview | str) -> str:
    """``raw`` as text, and without what may stand around JSON; bytes that are no UTF-8 become U+FFFD.

    UTF-16 and UTF-32 are told by their first bytes.
    """
    if not isinstance(raw, str):
        raw = bytes(raw)
        raw = raw.decode(json.detect_encoding(raw), "replace")
    return raw.strip(_AROUND)


def parts_of(text: str) -> list[str]:
    """The pieces of the list or object that ``text`` is, blank ones left out. Raises NoJson."""
    if text[:1] not in _CLOSED_BY:
        raise NoJson("is no list and no object")
    open_ones = [_CLOSED_BY[text[0]]]
    parts: list[str] = []
    begin = place = 1
    while open_ones:
        found = (_ON_OR_TO_COMMA if len(open_ones) == 1 else _ON).match(text, place)
        place = place if found is None else found.end()
        mark = text[place : place + 1]
        if mark in _CLOSED_BY:
            open_ones.append(_CLOSED_BY[mark])
        elif mark == ",":
            parts.append(text[begin:place])
            begin = place + 1
        elif mark == open_ones[-1]:
            open_ones.pop()
        else:
            raise NoJson(f"has brackets or quotes that do not match (character {place + 1})")
        place += 1
    if place != len(text):
        raise NoJson(f"goes on after its end (character {place + 1})")
    parts.append(text[begin : place - 1])
    return [part for part in map(str.strip, parts) if part]


def fields_of(text: str) -> dict[str, str]:
    """The fields of the object that ``text`` is, their values as they stand. Raises NoJson.

    Of two with one name the last counts, as everywhere.
    """
    if not text.startswith("{"):
        raise NoJson("is no object")
    fields = {}
    for part in parts_of(text):
        found = _NAME.match(part)
        if found is None:
            raise NoJson("has a field without a name")
        fields[_name_of(found[1])] = part[found.end() :].strip()
    return fields


def _name_of(string: str) -> str:
    try:
        return str(json.loads(string, strict=False))
    except ValueError:  # an escape that there is not
        return string[1:-1]


def value_of(text: str) -> Any:
    """The value that ``text`` is, with control characters in its strings. Raises NoJson.

    What Celery marks as a time or a UUID is one, as elsewhere; a mark that cannot be understood stays
    the object that it is: whoever is attacked may be sent one.
    """
    if _is_deep(text):
        raise NoJson(f"is nested over {MAX_DEPTH} levels deep", is_of_form=False)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NoJson(f"is no JSON: {error.msg} (character {error.pos + 1})") from None
    except ValueError:
        raise NoJson(f"has a number of over {MAX_DIGITS} digits", is_of_form=False) from None


def _marked(value: dict[str, Any]) -> Any:
    try:
        return object_hook(value)
    except Exception:  # noqa: BLE001 - kombu makes objects of what it reads, and raises what they raise
        return value


_DECODER: Final = json.JSONDecoder(strict=False, object_hook=_marked)


def _is_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    level = place = 0
    while place < len(text):
        found = _TO_BRACKET.match(text, place)
        place = len(text) if found is None else found.end()
        mark = text[place : place + 1]
        if mark == '"':
            return False  # of a string without an end; reading it says so
        level += 1 if mark in _CLOSED_BY else -1
        if level > MAX_DEPTH:
            return True
        place += 1
    return False

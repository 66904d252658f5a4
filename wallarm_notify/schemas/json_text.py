"""Fault-tolerant reading of JSON: an error in one piece of a text spoils no other piece (spec 2).

A text is first cut at its brackets and commas, without decoding anything. The result is its *outline*, made
of *pieces*: each is the text of one value. Then each piece is decoded by itself, or not at all.

Brackets and quotes alone show where lists and objects begin and end, however deep they are nested, however
long a number is, and whatever else is wrong between them. The time is linear in the length of the text, and
there is no recursion beyond the levels asked for.
"""

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kombu.utils.json import object_hook

from wallarm_notify.schemas.storable import MAX_DEPTH, MAX_DIGITS

if TYPE_CHECKING:
    from collections.abc import Sequence

BYTE_ORDER_MARK: Final = "\ufeff"

_AROUND: Final = f" \t\r\n\0{BYTE_ORDER_MARK}"
"""The characters that may stand before and after JSON: a client in C sends the NUL at the end of its text."""

_CLOSED_BY: Final = {"[": "]", "{": "}"}

# Python before 3.11.5 ends a possessive group of alternatives too early. So groups are repeated as any are, up to 500
# times: what goes on longer is matched again from there, and the engine's memory stays small.
_STRING: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_NO_BRACKET: Final = r'[^"\[\]{}]*+'
_PLAIN: Final = rf"{_NO_BRACKET}(?:{_STRING}{_NO_BRACKET}){{0,500}}"
_FLAT: Final = rf"\[{_PLAIN}\]|\{{{_PLAIN}\}}"
_TO_BRACKET: Final = re.compile(_PLAIN, re.DOTALL)
_NO_COMMA: Final = r'[^"\[\]{},]*+'
_TO_BRACKET_OR_COMMA: Final = re.compile(
    rf"{_NO_COMMA}(?:{_STRING}{_NO_COMMA}){{0,500}}", re.DOTALL
)
_FLAT_ONE: Final = re.compile(_FLAT, re.DOTALL)
_PAST_FLAT_ONES: Final = re.compile(
    rf"{_NO_BRACKET}(?:(?:{_STRING}|{_FLAT}){_NO_BRACKET}){{0,500}}", re.DOTALL
)
"""Flat lists and objects are skipped in one step: most events are flat."""
_BRACKETS: Final = re.compile(r"\[++|\{++|\]++|\}++")
_NAME: Final = re.compile(rf"\s*({_STRING})\s*:\s*", re.DOTALL)


class NoJson(ValueError):
    """A text cannot be read; the message follows the text's name in a sentence.

    ``is_of_form``: it is no JSON; otherwise it is JSON beyond a limit.
    """

    def __init__(self, words: str, *, is_of_form: bool = True) -> None:
        super().__init__(words)
        self.is_of_form = is_of_form


def text_of(raw: bytes | bytearray | memoryview | str) -> str:
    """Return ``raw`` as text without what may stand around JSON; bytes that are no UTF-8 become U+FFFD.

    UTF-16 and UTF-32 are recognized by their first bytes.
    """
    if not isinstance(raw, str):
        raw = bytes(raw)
        raw = raw.decode(json.detect_encoding(raw), "replace")
    return raw.strip(_AROUND)


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of one value, not decoded.

    ``inner`` has the pieces of a list or object, if that level was asked for: the texts between its commas,
    blank ones left out. ``head`` is what stands before the value: the name of a field.
    """

    text: str
    head: str = ""
    inner: "Sequence[Piece] | None" = None

    @property
    def items(self) -> "Sequence[Piece] | None":
        """The pieces of a list, or None for another value."""
        return self.inner if self.text.startswith("[") and not self.head else None

    @property
    def fields(self) -> "dict[str, Piece]":
        """The pieces of an object by name; of two with one name the last counts.

        Raise NoJson if it is no object.
        """
        if self.inner is None or self.head or not self.text.startswith("{"):
            raise NoJson("is no object")
        return dict(map(_field, self.inner))


def outline_of(text: str, levels: int) -> Piece:
    """Return the list or object in ``text``, cut into pieces over so many ``levels``. Raise NoJson.

    Each character is looked at once or twice.
    """
    if text[:1] not in _CLOSED_BY:
        raise NoJson("is no list and no object")
    inner, end = _inside(text, 0, levels)
    if end != len(text):
        raise NoJson(f"goes on after its end (character {end + 1})")
    return Piece(text, inner=inner)


def _inside(text: str, place: int, levels: int) -> tuple[list[Piece], int]:
    """Return the pieces of the list or object that begins at ``place``, and where it ends."""
    closer = _CLOSED_BY[text[place]]
    pieces = []
    while True:
        piece, place = _piece(text, place + 1, levels - 1)
        if piece.text or piece.head:
            pieces.append(piece)
        if text[place] == closer:
            return pieces, place + 1
        if text[place] != ",":
            raise _Mismatch(place)


def _piece(text: str, begin: int, levels: int) -> tuple[Piece, int]:
    """Return the text from ``begin`` to the next comma or closing bracket of its level, and where that is."""
    place = begin
    inner: list[Piece] | None = None
    head, last = "", begin
    number = 0
    while True:
        place = _after(_TO_BRACKET_OR_COMMA, text, place)
        mark = text[place : place + 1]
        if mark in _CLOSED_BY:
            number += 1
            head, start = text[begin:place].strip(), place
            if levels > 0:
                inner, place = _inside(text, place, levels)
            else:
                place = _past(text, place)
            last = place
        elif mark in (",", "]", "}"):
            break
        else:
            raise _Mismatch(place)
    if number == 1 and not text[last:place].strip():
        return Piece(text[start:last], head, inner), place
    return Piece(text[begin:place].strip()), place


def _past(text: str, place: int) -> int:
    """Return where the list or object ends that begins at ``place``."""
    flat = _FLAT_ONE.match(text, place)
    if flat is not None:
        return flat.end()
    closers: list[str] = []
    while True:
        brackets = _BRACKETS.match(text, place)
        if brackets is None:
            raise _Mismatch(place)
        mark, number = text[place], brackets.end() - place
        if mark in _CLOSED_BY:
            closers.extend(_CLOSED_BY[mark] * number)
        else:
            number = min(number, len(closers))
            if closers[-number:] != [mark] * number:
                raise _Mismatch(place)
            del closers[-number:]
        place += number
        if not closers:
            return place
        place = _after(_PAST_FLAT_ONES, text, place)


def _after(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Return where ``pattern``, matched again and again from ``place``, comes to."""
    while (found := pattern.match(text, place)) and found.end() > place:
        place = found.end()
    return place


class _Mismatch(NoJson):
    """Brackets or quotes that do not match at a place."""

    def __init__(self, place: int) -> None:
        super().__init__(f"has brackets or quotes that do not match (character {place + 1})")


def _field(piece: Piece) -> tuple[str, Piece]:
    """Return the name and the value in a piece of an object."""
    found = _NAME.fullmatch(piece.head) if piece.head else _NAME.match(piece.text)
    if found is None:
        raise NoJson("has a field without a name")
    value = piece.text if piece.head else piece.text[found.end() :]
    return _name_of(found[1]), Piece(value, inner=piece.inner)


def _name_of(string: str) -> str:
    try:
        return str(json.loads(string, strict=False))
    except ValueError:  # an invalid escape
        return string[1:-1]


def value_of(text: str) -> Any:
    """Return the value in ``text``; its strings may have control characters. Raise NoJson.

    An object in Celery's notation for a time or a UUID becomes one, as in any message. If it is invalid it
    stays an object: an attack may contain one.
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
    except Exception:  # noqa: BLE001 - kombu makes objects of what it reads, whose errors may be of any type
        return value


_DECODER: Final = json.JSONDecoder(strict=False, object_hook=_marked)


def _is_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    level = place = 0
    while place < len(text):
        place = _after(_TO_BRACKET, text, place)
        mark = text[place : place + 1]
        if mark == '"':
            return False  # a string without an end, which the parser reports
        level += 1 if mark in _CLOSED_BY else -1
        if level > MAX_DEPTH:
            return True
        place += 1
    return False

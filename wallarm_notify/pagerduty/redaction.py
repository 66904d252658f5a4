"""Redaction: the integration key is cut out of every response, however a server or proxy echoes it.

docs/decisions/0008 has what is recognized, and what is not. The time is linear in the length of the text.
"""

import re
import string
from binascii import a2b_base64
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.outcome import RESPONSE_BYTES

_SHORTEST_ECHO: Final = 4
"""The shortest beginning of a key, in characters, that is cut off at the end of what was read."""

_ESCAPED: Final = re.compile(
    r"\\u00([0-9a-f]{2})|%([0-9a-f]{2})|&#x0*([1-9a-f][0-9a-f])(?:;|(?![0-9a-f]))"
    r"|&#0*([1-9][0-9]{1,2})(?:;|(?![0-9]))|\\(/)",
    re.IGNORECASE,
)
"""An escaped character: of JSON, of a URL, of HTML by its number in hexadecimal or decimal; or a slash of
JSON's. The first sign of an escape occurs nowhere else in it, and is in no key.
"""

_HALF_ESCAPED: Final = re.compile(
    r"(?:\\(?:u[0-9a-f]{0,3})?|%[0-9a-f]?|&(?:#(?:x[0-9a-f]*|[0-9]*))?)\Z", re.IGNORECASE
)
"""A possible beginning of an escaped character, at the end of a text."""

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+")
_LONG_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{43,}")
"""Base64 of at least 32 characters."""

_ALPHABET: Final = string.ascii_letters + string.digits + "+/-_"
_STANDARD: Final = str.maketrans("-_", "+/")


def without_key(text: str, key: IntegrationKey) -> str:
    """Return ``text`` with ``key`` cut out, storable, at most 2 kB.

    The key is also cut out if its characters are escaped, or if it lies within base64 (see
    docs/decisions/0008). Only the beginning of ``text`` may have been read: its end is cut off if it may be
    the beginning of such an echo.
    """
    text = text.replace("\0", "")
    wanted = key.reveal().lower()
    whole, escapes = len(text), []
    if "\\" in text or "%" in text or "&" in text:
        half = _HALF_ESCAPED.search(text)
        whole = whole if half is None else half.start()
        escapes = [(one.start(), one.end(), _unescaped(one)) for one in _ESCAPED.finditer(text)]
    found, cut = _echoes(text, escapes, whole, wanted)
    for read, places in _readings(text, escapes):
        found += [(places[start], places[end]) for start, end in _in_base64(read, wanted)]
        begun = _begun_in_base64(read[: bisect_left(places, whole)], wanted)
        cut = min([cut, *(places[start] for start in begun)])
    kept: list[str] = []
    begin = 0
    for start, end in sorted(found):
        if start >= begin:
            kept += [text[begin:start], key.masked]
        begin = max(begin, end)
    kept.append(text[begin:cut])
    return "".join(kept)[:RESPONSE_BYTES]


_Escapes = Sequence[tuple[int, int, str]]
"""The escaped characters of a text: start, end and meaning of each."""


def _unescaped(escape: re.Match[str]) -> str:
    json, url, hexadecimal, decimal, slash = escape.groups()
    if decimal is not None:
        return chr(int(decimal))
    return slash or chr(int(json or url or hexadecimal, 16))


def _echoes(
    text: str, escapes: _Escapes, whole: int, wanted: str
) -> tuple[list[tuple[int, int]], int]:
    """Return the start and end of each ``wanted`` in ``text``, and where a possible beginning of one starts at the end.

    Without such an end, that is the length of ``text``. From ``whole`` on there may be half an escaped
    character.
    """
    lowered = _lowered(text)
    if not escapes and whole == len(text):
        found = [*_plain(lowered, wanted)]
        begin = max(found[-1][1] if found else 0, len(text) - len(wanted) + 1)
        return found, len(text) - _begun(lowered[begin:], wanted)
    signs = [*lowered]
    following = [*range(1, len(text) + 1)]
    for start, end, meant in escapes:
        signs[start], following[start] = _lowered(meant), end
    starts = "".join(signs)
    found = []
    start = starts.find(wanted[0])
    while start >= 0:
        at, matched = start, 0
        while matched < len(wanted) and at < len(text) and signs[at] == wanted[matched]:
            at, matched = following[at], matched + 1
        if matched == len(wanted):
            found.append((start, at))
        elif matched >= _SHORTEST_ECHO and at >= whole:
            return found, start
        start = starts.find(wanted[0], at if matched == len(wanted) else start + 1)
    return found, len(text)


def _readings(text: str, escapes: _Escapes) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield ``text`` as it is, and unescaped; each with the places where its characters begin in ``text``."""
    yield text, range(len(text) + 1)
    if escapes:
        read: list[str] = []
        places: list[int] = []
        begin = 0
        for start, end, meant in escapes:
            read += [text[begin:start], meant]
            places += range(begin, start + 1)
            begin = end
        yield "".join([*read, text[begin:]]), [*places, *range(begin, len(text) + 1)]


def _lowered(text: str) -> str:
    """Return ``text`` in small letters of unchanged places: some letters outside of ASCII would become two."""
    return (
        text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)
    )


def _plain(lowered: str, wanted: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each ``wanted`` in ``lowered``."""
    start = lowered.find(wanted)
    while start >= 0:
        yield start, start + len(wanted)
        start = lowered.find(wanted, start + len(wanted))


def _in_base64(read: str, wanted: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each ``wanted`` within base64, whatever is encoded before and behind it."""
    for run in _LONG_BASE64.finditer(read):
        for at, decoded in _decoded(run):
            for start, end in _plain(decoded, wanted):
                yield at + start * 4 // 3, at - (-end * 4 // 3)


def _begun_in_base64(read: str, wanted: str) -> Iterator[int]:
    """Yield where the end of ``read`` may be the beginning of ``wanted`` in base64."""
    run = _BASE64.match(read, len(read.rstrip(_ALPHABET)))
    for at, decoded in _decoded(run) if run else ():
        if begun := _begun(decoded[1 - len(wanted) :], wanted):
            yield at + (len(decoded) - begun) * 4 // 3


def _decoded(run: re.Match[str]) -> Iterator[tuple[int, str]]:
    """Yield what ``run`` may mean, and its start: base64 may begin at any of its first four characters."""
    standard = run[0]
    if "-" in standard or "_" in standard:
        standard = standard.translate(_STANDARD)
    for skipped in range(min(4, len(standard))):
        piece = standard[skipped:]
        filled = a2b_base64(piece + "A" * (-len(piece) % 4))
        yield run.start() + skipped, filled[: len(piece) * 3 // 4].lower().decode("latin-1")


def _begun(end: str, wanted: str) -> int:
    """Return how many characters at the end of ``end`` are the beginning of ``wanted``."""
    start = end.find(wanted[:_SHORTEST_ECHO])
    while start >= 0:
        if wanted.startswith(end[start:]):
            return len(end) - start
        start = end.find(wanted[:_SHORTEST_ECHO], start + 1)
    return 0

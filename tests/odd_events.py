"""Texts that a JSON reader refuses, each in one field of an event."""

from __future__ import annotations

import json
from typing import Any

REJECTED: dict[str, tuple[bytes, str]] = {
    "4301 digits": (b"7" * 4301, "x has a number of over 4300 digits."),
    "4301 digits below zero": (b"-" + b"7" * 4301, "x has a number of over 4300 digits."),
    "4301 digits, deeper": (
        b'{"y": [' + b"7" * 4301 + b"]}",
        "x has a number of over 4300 digits.",
    ),
    "300 levels": (b"[" * 300 + b"]" * 300, "x is nested over 32 levels deep."),
    "9000 levels": (b'{"k":' * 9000 + b"0" + b"}" * 9000, "x is nested over 32 levels deep."),
    "no value": (b"nul", "The event is no JSON: Expecting value"),
    "a number with a zero before it": (b"01", "The event is no JSON: Expecting ',' delimiter"),
    "an escape that there is not": (rb'"\q"', "The event is no JSON: Invalid \\escape"),
    "an escape that is cut": (rb'"\u12"', "The event is no JSON: Invalid \\uXXXX escape"),
    "nothing": (b"", "The event is no JSON: Expecting value"),
}
"""With what the rejection says; beside other events, which are to be taken."""

TAKEN: dict[str, tuple[bytes, Any]] = {
    "a mark that does not decode": (
        b'{"__type__": "uuid", "__value__": 1}',
        {"__type__": "uuid", "__value__": 1},
    ),
    "a mark that nobody knows": (
        b'{"__type__": "soap", "__value__": 1}',
        {"__type__": "soap", "__value__": 1},
    ),
    "a mark of a list": (
        b'{"__type__": [], "__value__": 1}',
        {"__type__": [], "__value__": 1},
    ),
    "a mark of a time that there is not": (
        b'{"__type__": "datetime", "__value__": "25:00"}',
        {"__type__": "datetime", "__value__": "25:00"},
    ),
    "a letter in Latin-1": (b'"caf\xe9"', "caf\ufffd"),
    "a byte that is none of a letter": (b'"\x80"', "\ufffd"),
    "half a letter before the end": (b'"\xe2\x82"', "\ufffd"),
    "half a pair, as bytes": (b'"\xed\xa0\x80"', "\ufffd" * 3),
    "a tab": (b'"a\tb"', "a\tb"),
    "a line's end": (b'"a\r\nb"', "a\r\nb"),
    "an escape character": (b'"\x1b[31m"', "\x1b[31m"),
}
"""With what is kept of it."""

ODD = {name: text for some in (REJECTED, TAKEN) for name, (text, _) in some.items()}


def with_odd(event: dict[str, Any], odd: bytes) -> bytes:
    """The JSON of ``event`` with the field ``x``, which is odd."""
    return json.dumps({**event, "x": 0}).encode().replace(b'"x": 0', b'"x": ' + odd)


def body_of(*events: bytes) -> bytes:
    """A message's body, as a client in another language writes it."""
    return b'[[],{"events":[' + b",".join(events) + b"]},{}]"

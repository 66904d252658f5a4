"""The bodies of requests: their size, the time they may take, and JSON without a second meaning.

What a program before this one reads of a body and what this one reads of it has to be the same: so a field that is
there twice, NaN, and text beyond the end are refused.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from json import JSONDecoder
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from wallarm_notify.entrypoints.api.faults import BadBody

LARGEST: Final = 1_000_000
"""The most bytes of a body, unless its call permits more."""

DEEPEST: Final = 32
"""The deepest nesting of lists and objects, the body itself included."""

SECONDS: Final = 10.0
"""So long a body may take to come."""

INLINE_BYTES: Final = 64_000
"""A body up to this size is read as JSON at once, not by a thread, which costs as much as reading 100 events.

At the worst it takes the event loop some 4 ms."""

_NESTED: Final = frozenset((dict, list))

_JSON: Final = re.compile(r"application/(?:[\w.-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
"""The content types that are JSON."""


class CheckedRequest(Request):
    """A request whose body is read and checked once, before anything else looks at it."""

    async def check_body(self, largest: int = LARGEST, *, is_json: bool) -> None:
        """Read the body; ``is_json``: the call takes one. Raise BadBody."""
        raw = self._body = await self.read_body(largest, is_json=is_json)
        if is_json:
            is_short = len(raw) <= INLINE_BYTES
            self._json = read_json(raw) if is_short else await run_in_threadpool(read_json, raw)

    async def read_body(self, largest: int = LARGEST, *, is_json: bool) -> bytes:
        """Return the body as it came; ``is_json``: it has to be called JSON. Raise BadBody."""
        if is_json and not _JSON.fullmatch(self.headers.get("content-type", "")):
            raise not_json()
        try:
            async with asyncio.timeout(SECONDS):
                return await self._read(largest)
        except TimeoutError:
            raise too_slow() from None

    async def _read(self, largest: int) -> bytes:
        if re.fullmatch(r"[0-9]{1,18}", length := self.headers.get("content-length", "0")):
            if int(length) > largest:
                raise too_large(largest)
        else:
            raise no_length()
        whole = bytearray()
        async for chunk in self.stream():
            whole += chunk
            if len(whole) > largest:
                raise too_large(largest)
        return bytes(whole)


def not_json() -> BadBody:
    """Return the refusal of another content type."""
    return BadBody(415, "Send the body as Content-Type: application/json.")


def too_slow() -> BadBody:
    """Return the refusal of a body that takes too long to come."""
    return BadBody(408, f"The body did not come within {SECONDS:g} s.")


def too_large(largest: int) -> BadBody:
    """Return the refusal of a body of more than ``largest`` bytes."""
    return BadBody(413, f"The body is larger than {largest} bytes.")


def no_length() -> BadBody:
    """Return the refusal of a body whose size is no number."""
    return BadBody(400, "Content-Length is no number.")


def read_json(raw: bytes) -> Any:
    """Return the value of a body in JSON. Raise BadBody, whose sentence repeats nothing of it."""
    if not raw:
        raise BadBody(400, "The body is empty; send JSON.")
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadBody(400, "The body is no UTF-8.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, character {error.colno}"
        raise BadBody(400, f"The body is no JSON: {place}.") from None
    except RecursionError:
        raise _too_deep() from None
    except _NotTaken as error:
        raise BadBody(400, str(error)) from None
    except ValueError:
        raise BadBody(400, "The body has a number with too many digits.") from None
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and _is_deep(value, DEEPEST):
        raise _too_deep()
    return value


class _NotTaken(Exception):
    """JSON that has two meanings, or none."""


def _too_deep() -> BadBody:
    return BadBody(400, f"The body is nested over {DEEPEST} levels deep.")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _NotTaken("The body has an object with the same field twice.")
    return made


def _constant(_: str) -> None:
    raise _NotTaken("The body has NaN or Infinity, which JSON does not know.")


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _NotTaken("The body has a number that is too large.")
    return number


_DECODER: Final = JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
)


def _is_deep(value: Any, levels: int) -> bool:
    """Return whether a value is nested over so many levels deep: level by level, without a call for each value."""
    level = [value] if type(value) in _NESTED else []
    while level and levels:
        levels -= 1
        level = [
            one
            for outer in level
            for one in (outer.values() if type(outer) is dict else outer)
            if type(one) in _NESTED
        ]
    return bool(level)

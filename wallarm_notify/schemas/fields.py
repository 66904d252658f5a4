"""The types of events' fields, for the models in ``catalogue``: what each permits, and how it is printed."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    PlainValidator,
    Strict,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from wallarm_notify.schemas.complaints import AS_TIME

MAX_INT64: Final = 2**63 - 1

EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""The earliest time of an event; an older one is refused (spec 2)."""

TOO_EARLY: Final = "too_early"
"""pydantic's error type for an older time, as a clock that was never set gives."""

_YEAR: Final = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_DATE: Final = "(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_ZONE: Final = "(?:[Zz]|[+\u2212-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"
_TIME_PATTERN: Final = (
    f"^{_YEAR}-{_DATE}[Tt ]{_CLOCK}(?::(?:[0-5][0-9]|60)(?:[.,][0-9]+)?)?{_ZONE}$"
)
"""RFC 3339, and other forms that clients write: no seconds, a comma, no colon in the offset, a minus sign.

It is printed, so it means the same to every regex engine: no look-around, no ``\\d``, no ``\\u``.
"""

# Without this pydantic takes seconds since 1970 too.
_TIME: Final = re.compile(_TIME_PATTERN.replace("|60)", ")"))


def _written_time(value: Any) -> Any:
    if not isinstance(value, str) or not _TIME.match(value):
        raise PydanticCustomError("time", AS_TIME)
    return _without_line_end(value)


def _without_line_end(value: Any) -> Any:
    """Return a text without a final line break, which ``$`` of a printed pattern accepts in some engines."""
    return value.removesuffix("\n") if isinstance(value, str) else value


_LEAP_SECOND: Final = re.compile(r"\A(.{10}[Tt ][0-9]{2}:[0-9]{2}):60")


def without_leap_second(text: str) -> str:
    """Return ``23:59:59`` for ``23:59:60``, which Python's and PostgreSQL's times lack (spec 2)."""
    return _LEAP_SECOND.sub(r"\1:59", text) if ":60" in text else text


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)  # PostgreSQL takes no offset of 16 hours or more
    except OverflowError:
        raise PydanticCustomError("time", "must lie before the year 10000") from None


def _not_before_2015(value: datetime) -> datetime:
    if value < EARLIEST:
        raise PydanticCustomError(TOO_EARLY, "must not lie before 2015")
    return value


_NOT_BLANK: Final = "[^\t\n\x0b\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
"""Unicode's white space, character by character: the meaning of ``\\S`` differs between regex engines."""

_SEEN: Final = re.compile(_NOT_BLANK)


def _some_id(value: Any) -> int | str:
    if type(value) is int and -MAX_INT64 - 1 <= value <= MAX_INT64:
        return value
    if isinstance(value, str) and _SEEN.search(value):
        return value
    raise PydanticCustomError("id", "must be a whole number of at most 64 bits or a non-blank text")


_UUID_PATTERN: Final = (
    "^(?:[0-9A-Fa-f]{32}|(?:urn:uuid:)?{four}|\\{{four}\\})$"  # as it is, as a URN, in braces
).replace("{four}", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

EventId = Annotated[
    UUID,
    BeforeValidator(_without_line_end),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": _UUID_PATTERN}),
]
Time = Annotated[
    AwareDatetime,
    BeforeValidator(_written_time),
    AfterValidator(_in_utc),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _TIME_PATTERN}),
]
EventTime = Annotated[Time, AfterValidator(_not_before_2015)]
Whole = Annotated[int, Strict(), Field(ge=-MAX_INT64 - 1, le=MAX_INT64)]
Count = Annotated[int, Strict(), Field(ge=0, le=MAX_INT64)]
Words = Annotated[str, Field(pattern=_NOT_BLANK)]
Flag = Annotated[bool, Strict()]
Id = Annotated[
    int | str,
    PlainValidator(_some_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": -MAX_INT64 - 1, "maximum": MAX_INT64},
                {"type": "string", "pattern": _NOT_BLANK},
            ]
        }
    ),
]

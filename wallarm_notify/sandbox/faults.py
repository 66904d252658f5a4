"""Faults on request: their kinds, and which of them applies to the next request."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from wallarm_notify.sandbox.documents import (
    MAX_NUMBER,
    Document,
    Key,
    RefusedError,
    Seconds,
    SecondsOrNone,
    read,
    whole,
)

EVERY_KEY: Final = "*"

_HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
_HeaderValue = Annotated[str, Field(pattern=r"^[\t\x20-\x7e\xa0-\xff]*$")]


class Fault(Document):
    """A fault of requests with `key` (`*`: all), in place of the ordinary answer or with it.

    It ends after `times` requests or after `seconds`; None means never.
    """

    kind: str
    key: Literal["*"] | Key = Field(
        EVERY_KEY, description="an integration key of 32 letters and digits, or '*'"
    )
    times: Annotated[int | None, whole(1, MAX_NUMBER)] = None
    seconds: SecondsOrNone = None

    @property
    def takes_event(self) -> bool:
        """Whether the event is processed as usual."""
        return True


class Slow(Fault):
    """The ordinary answer, `delay` seconds later."""

    kind: Literal["slow"]
    delay: Seconds = Field(title="a number of seconds")


class Drip(Fault):
    """The ordinary answer, byte by byte, one every `delay` seconds."""

    kind: Literal["drip"]
    delay: Seconds = Field(title="a number of seconds")


class Discard(Fault):
    """The ordinary answer to an event that has no effect."""

    kind: Literal["discard"]


class _Unanswered(Fault):
    """A fault without an answer; `accept` says whether the event is processed nevertheless."""

    accept: bool = Field(default=False, description="true or false")

    @property
    def takes_event(self) -> bool:
        """Whether the event is processed."""
        return self.accept


class Status(_Unanswered):
    """Another answer, `delay` seconds later."""

    kind: Literal["status"]
    status: Annotated[int, whole(200, 599)] = Field(title="from 200 to 599")
    headers: dict[_HeaderName, _HeaderValue] | None = Field(
        None, description="an object of header names and one-line texts"
    )
    body: str | dict[str, Any] | list[Any] | None = Field(
        None, description="a text, a JSON object or a JSON list"
    )
    retry_after: SecondsOrNone = None
    delay: SecondsOrNone = None


class Hang(_Unanswered):
    """No answer until the client leaves or `delay` seconds are over."""

    kind: Literal["hang"]
    delay: SecondsOrNone = None


class Reset(_Unanswered):
    """The end of the connection by a TCP reset."""

    kind: Literal["reset"]


class Close(_Unanswered):
    """An ordinary end of the connection, without an answer."""

    kind: Literal["close"]
    accept: bool = Field(default=True, description="true or false")


KINDS: Final[dict[str, type[Fault]]] = {
    "status": Status,
    "slow": Slow,
    "drip": Drip,
    "hang": Hang,
    "reset": Reset,
    "close": Close,
    "discard": Discard,
}


def read_fault(document: Any) -> Fault:
    """Return the fault that `document` asks for; raise RefusedError with what is permitted."""
    if not isinstance(document, dict):
        raise RefusedError("A fault must be a JSON object.")
    kind = document.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise RefusedError(f"Unknown kind {kind!r}; permitted are: {', '.join(KINDS)}.")
    return read(model, document, f"A fault of kind '{kind}'")


class FaultPlan:
    """The faults in force, in the order in which they were asked for."""

    def __init__(self, faults: Sequence[Fault], now: datetime) -> None:
        self._planned = [_Planned(fault, fault.times, _end_of(fault, now)) for fault in faults]

    def choose(self, key: str | None, now: datetime) -> Fault | None:
        """Return the first fault that applies to a request of `key`, and count one use of it."""
        for planned in self._planned:
            if planned.fault.key in (EVERY_KEY, key) and planned.is_on(now):
                if planned.left is not None:
                    planned.left -= 1
                return planned.fault
        return None

    def as_document(self, now: datetime) -> list[dict[str, Any]]:
        """Return the faults that have not ended: key, kind and how many times are `left`."""
        return [
            {"key": planned.fault.key, "kind": planned.fault.kind, "left": planned.left}
            for planned in self._planned
            if planned.is_on(now)
        ]


@dataclass(slots=True)
class _Planned:
    fault: Fault
    left: int | None
    ends: datetime | None

    def is_on(self, now: datetime) -> bool:
        return self.left != 0 and (self.ends is None or now < self.ends)


def _end_of(fault: Fault, now: datetime) -> datetime | None:
    return None if fault.seconds is None else now + timedelta(seconds=fault.seconds)

"""Trouble on request: what may be asked for, and which fault meets the next request."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from wallarm_notify.sandbox import fields
from wallarm_notify.sandbox.answers import PLAIN, Answer, json_answer, throttled
from wallarm_notify.sandbox.events import is_well_formed_key
from wallarm_notify.sandbox.fields import RefusedError

EVERY_KEY = "*"
MAX_TIMES = 1_000_000_000
MAX_STATUS = 599


class Kind(StrEnum):
    """What a fault does to a request that was read in full."""

    STATUS = "status"  # answer this instead, after `delay`
    SLOW = "slow"  # the ordinary answer, after `delay`
    DRIP = "drip"  # the ordinary answer, one byte every `delay`
    HANG = "hang"  # no answer until the client leaves or `delay` is over
    RESET = "reset"  # a TCP reset instead of an answer
    CLOSE = "close"  # an orderly end of the connection instead of an answer
    DISCARD = "discard"  # the ordinary answer, but the event comes to nothing


_EVERY_KIND = frozenset({"key", "kind", "times", "seconds"})
_PERMITTED = {
    Kind.STATUS: {"status", "headers", "body", "retry_after", "delay", "accept"},
    Kind.SLOW: {"delay"},
    Kind.DRIP: {"delay"},
    Kind.HANG: {"delay", "accept"},
    Kind.RESET: {"accept"},
    Kind.CLOSE: {"accept"},
    Kind.DISCARD: set[str](),
}
# Whether the event is still taken in where the document does not say so.
_ACCEPTS = {Kind.STATUS: False, Kind.HANG: False, Kind.RESET: False}

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble for the requests of `key` (`*` means all).

    `times` None means as often as it is met, `seconds` None means without end. `accept` tells
    whether the event is processed all the same; `answer` is what a `status` fault sends.
    """

    key: str
    kind: Kind
    times: int | None = None
    seconds: timedelta | None = None
    delay: timedelta | None = None
    accept: bool = True
    answer: Answer | None = None


def read_faults(document: Any) -> list[Fault]:
    """Return the faults of the list `document`; raises RefusedError saying what is permitted."""
    if not isinstance(document, list):
        raise RefusedError("'faults' must be a list of faults.")
    return [_read_fault(item) for item in document]


class FaultPlan:
    """The standing faults, in the order in which they were asked for."""

    def __init__(self, faults: Sequence[Fault] = (), *, now: datetime | None = None) -> None:
        self._standing = [_Standing(fault, fault.times, _end_of(fault, now)) for fault in faults]

    def choose(self, key: str | None, now: datetime) -> Fault | None:
        """Return the first fault that meets a request of `key` and use it up once."""
        for standing in self._standing:
            if standing.fault.key in (EVERY_KEY, key) and standing.is_on(now):
                if standing.left is not None:
                    standing.left -= 1
                return standing.fault
        return None

    def as_document(self, now: datetime) -> list[dict[str, Any]]:
        """Return the faults that have not healed: key, kind and how many times are `left`."""
        return [
            {"key": standing.fault.key, "kind": standing.fault.kind.value, "left": standing.left}
            for standing in self._standing
            if standing.is_on(now)
        ]


@dataclass(slots=True)
class _Standing:
    fault: Fault
    left: int | None
    ends: datetime | None

    def is_on(self, now: datetime) -> bool:
        return self.left != 0 and (self.ends is None or now < self.ends)


def _end_of(fault: Fault, now: datetime | None) -> datetime | None:
    return None if fault.seconds is None or now is None else now + fault.seconds


def _read_fault(item: Any) -> Fault:
    if not isinstance(item, dict):
        raise RefusedError("A fault must be a JSON object.")
    kind = _read_kind(item.get("kind"))
    document = fields.only(item, _EVERY_KIND | _PERMITTED[kind], f"A fault of kind '{kind}'")
    delay = fields.seconds(document, "delay")
    if delay is None and kind in (Kind.SLOW, Kind.DRIP):
        raise RefusedError(f"A fault of kind '{kind}' needs 'delay', a number of seconds.")
    return Fault(
        key=_read_key(document.get("key", EVERY_KEY)),
        kind=kind,
        times=fields.whole(document, "times", 1, MAX_TIMES),
        seconds=fields.seconds(document, "seconds"),
        delay=delay,
        accept=fields.flag(document, "accept", otherwise=_ACCEPTS.get(kind, True)),
        answer=_read_answer(document) if kind is Kind.STATUS else None,
    )


def _read_kind(value: Any) -> Kind:
    if isinstance(value, str) and value in set(Kind):
        return Kind(value)
    raise RefusedError(f"Unknown kind {value!r}; permitted are: {', '.join(Kind)}.")


def _read_key(value: Any) -> str:
    if isinstance(value, str) and (value == EVERY_KEY or is_well_formed_key(value)):
        return value
    raise RefusedError("'key' must be an integration key of 32 letters and digits, or '*'.")


def _read_answer(document: Mapping[str, Any]) -> Answer:
    status = fields.whole(document, "status", HTTPStatus.OK, MAX_STATUS)
    if status is None:
        raise RefusedError("A fault of kind 'status' needs 'status', from 200 to 599.")
    waiting = fields.seconds(document, "retry_after")
    retry_after = None if waiting is None else header_seconds(waiting)
    body = document.get("body")
    if isinstance(body, dict | list):
        answer = json_answer(status, body)
    elif isinstance(body, str):
        answer = Answer(status, PLAIN, body.encode("utf-8", errors="replace"))
    elif body is not None:
        raise RefusedError("'body' must be a text, a JSON object or a JSON list.")
    elif status == HTTPStatus.TOO_MANY_REQUESTS:
        answer = throttled(None)
    else:
        answer = Answer(status, PLAIN, b"")
    headers = dict(answer.headers)
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return Answer(status, _overlaid(headers, _read_headers(document.get("headers"))), answer.body)


def header_seconds(duration: timedelta) -> str:
    """Return a duration as a `Retry-After` value: seconds, without a needless fraction."""
    return f"{duration.total_seconds():g}"


def _read_headers(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(
        isinstance(content, str)
        and _HEADER_NAME.fullmatch(name)
        and _HEADER_VALUE.fullmatch(content)
        for name, content in value.items()
    ):
        raise RefusedError("'headers' must be an object of header names and one-line texts.")
    return value


def _overlaid(below: Mapping[str, str], above: Mapping[str, str]) -> dict[str, str]:
    names = {name.lower() for name in above}
    return {name: value for name, value in below.items() if name.lower() not in names} | dict(above)

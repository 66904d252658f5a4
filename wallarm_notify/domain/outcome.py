"""The answer to one request to PagerDuty, and the outcome that follows from it (spec 5)."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.retry import wait_after

RESPONSE_BYTES: Final = 2048
"""The bytes of an answer that are kept (spec 5)."""


class FailureReason(StrEnum):
    """Why an attempt failed: a closed list, used in rows, logs and listings."""

    DNS = "dns"
    REFUSED = "refused"
    TLS = "tls"
    CONNECT_TIMEOUT = "connect_timeout"
    TIMEOUT = "timeout"
    RESET = "reset"
    NETWORK = "network"
    REDIRECT = "http_3xx"
    CLIENT = "http_4xx"
    THROTTLED = "http_429"
    SERVER = "http_5xx"
    STATUS = "http_other"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request: a status code, or the reason why there is none.

    ``response`` is the first 2 kB of the body, or the network error's text, without the key.
    ``retry_after`` is how long the answer asked to wait.
    """

    status: int | None
    reason: FailureReason | None = None
    response: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request made for a notification, under one claim.

    ``at`` is when it began and ``duration`` how long it took, by the database's clock. ``generation`` is
    the integration's clean window in which it counts, None if it does not count in the failure ratio (spec
    6). ``dedup_start`` is the beginning of the alert's dedup key (``start_of``): after a fail-over of the database
    another notification may have the id. ``task_id`` is the watched task whose claim it was; None: nobody watched.
    """

    notification_id: int
    integration_id: int
    generation: int | None
    fence: int
    run: int
    number: int
    at: datetime
    duration: timedelta
    answer: Answer
    dedup_start: int
    task_id: UUID | None = None

    @property
    def answered_at(self) -> datetime:
        """When the answer, or the timeout, came: waits count from here."""
        return self.at + self.duration


@dataclass(frozen=True, slots=True)
class Delivered:
    """The outcome of a 2xx: PagerDuty accepted the alert."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The outcome of a failure with another attempt after ``wait``, counted from the answer."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The outcome of a failure of the schedule's last attempt."""


Outcome = Delivered | RetryLater | GaveUp


@dataclass(frozen=True, slots=True)
class Statuses:
    """HTTP statuses from ``first`` to ``last`` that people look for; None, both: that no answer came."""

    first: int | None
    last: int | None

    @classmethod
    def parse(cls, text: str) -> "Statuses":
        """Return what ``text`` names: a status, a class of them as ``5xx``, or ``none``. Raise Refused."""
        word = text.strip().lower()
        if word == "none":
            return cls(None, None)
        if re.fullmatch(r"[1-5]xx", word):
            return cls(100 * int(word[0]), 100 * int(word[0]) + 99)
        if re.fullmatch(r"[1-5][0-9][0-9]", word):
            return cls(int(word), int(word))
        raise Refused(
            f"«{text}» is none; give a status from 100 to 599, a class of them from 1xx to 5xx, or none for "
            "attempts that got no answer.",
            field="code",
        )


def reason_of_status(status: int) -> FailureReason | None:
    """Return the failure that a status code means, or None for a success (2xx)."""
    match status // 100:
        case 2:
            return None
        case 3:
            return FailureReason.REDIRECT
        case 4:
            return FailureReason.THROTTLED if status == 429 else FailureReason.CLIENT  # noqa: PLR2004 - the code itself is the clearest name
        case 5:
            return FailureReason.SERVER
        case _:
            return FailureReason.STATUS


def outcome_of(
    answer: Answer, *, number: int, closing: bool = False, scale: float = 1.0
) -> Outcome:
    """Return the outcome of ``answer`` to attempt ``number`` (from 1) of a run (spec 5).

    ``closing`` and ``scale``: see ``retry.wait_after``.
    """
    if answer.status is not None and reason_of_status(answer.status) is None:
        return Delivered()
    wait = wait_after(number, closing=closing, retry_after=answer.retry_after, scale=scale)
    return GaveUp() if wait is None else RetryLater(wait)


def message_of(response: str) -> str:
    """Return PagerDuty's message and errors in the body of an answer, or the body itself without any."""
    try:
        body = json.loads(response)
    except (ValueError, RecursionError):
        return response
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        return response
    errors = body.get("errors")
    details = "; ".join(map(str, errors)) if isinstance(errors, list) else ""
    return f"{body['message']}: {details}" if details else str(body["message"])


@dataclass(frozen=True, slots=True)
class Tested:
    """One test alert: its summary, and PagerDuty's answer."""

    summary: str
    answer: Answer

    @property
    def passed(self) -> bool:
        """Whether PagerDuty accepted it."""
        return self.answer.reason is None

"""What one request to PagerDuty came to, and what follows from it (spec 5)."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from wallarm_notify.domain.retry import wait_after

RESPONSE_BYTES: Final = 2048
"""How much of an answer is kept (spec 5)."""


class FailureReason(StrEnum):
    """Why an attempt failed: a closed list, the same in rows, logs and listings."""

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
    """What came back: a status code, or the reason why there was none.

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

    ``at`` is when it began and ``duration`` how long it took, by the database's clock.
    ``generation`` is the integration's clean window in which it counts, None for what is outside
    of the failure ratio (spec 6).
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

    @property
    def answered_at(self) -> datetime:
        """When the answer, or the timeout, came: waits count from here."""
        return self.at + self.duration


@dataclass(frozen=True, slots=True)
class Delivered:
    """PagerDuty took it: a 2xx."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """It is sent again after ``wait``, counted from the answer."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class GaveUp:
    """That was the last attempt of the schedule."""


Outcome = Delivered | RetryLater | GaveUp


def reason_of_status(status: int) -> FailureReason | None:
    """The failure a status code stands for; None: a success (2xx)."""
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
    """What follows from ``answer`` to attempt ``number`` (from 1) of a run (spec 5).

    ``last`` and ``scale`` as in ``retry.wait_after``.
    """
    if answer.status is not None and reason_of_status(answer.status) is None:
        return Delivered()
    wait = wait_after(number, last=closing, retry_after=answer.retry_after, scale=scale)
    return GaveUp() if wait is None else RetryLater(wait)


def message_of(response: str) -> str:
    """PagerDuty's message and errors in the body of an answer; the body itself where it has none."""
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
    """One test alert: its summary, and what PagerDuty answered."""

    summary: str
    answer: Answer

    @property
    def passed(self) -> bool:
        """Whether PagerDuty took it."""
        return self.answer.reason is None

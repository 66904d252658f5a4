"""Pauses: what is disabled until a time is then enabled by beat (spec 1 and 3)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from wallarm_notify.domain.errors import Refused

LONGEST: Final = timedelta(days=366)
"""The longest pause: whoever means more means for good, or has mistyped the year."""


@dataclass(frozen=True, slots=True)
class DisabledUntil:
    """When a disabling ends by itself; ``at`` None: never, somebody has to enable."""

    at: datetime | None


def check_end(end: datetime | None, now: datetime) -> None:
    """Raise Refused where a disabling cannot end at ``end``: it is over, or too far ahead."""
    if end is None:
        return
    if end <= now:
        raise Refused(
            f"{words_of(end)} is past; it is {words_of(now)}. Give a time to come, or none to disable for good.",
            field="until",
        )
    if end - now > LONGEST:
        raise Refused(
            f"{words_of(end)} is more than a year ahead; give none to disable for good.",
            field="until",
        )


def is_over(*, enabled: bool, until: datetime | None, now: datetime) -> bool:
    """Return whether something is disabled still, though only ``until`` a time that has come."""
    return not enabled and until is not None and until <= now


def reason_with_end(reason: str, until: datetime | None) -> str:
    """Return why an integration is disabled, as its subscribers are told, with the time until when."""
    return reason if until is None else f"{reason} (until {words_of(until)})"


def words_of(moment: datetime) -> str:
    """Return ``2026-03-01 09:00 UTC``, with seconds where there are any."""
    at = moment.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at.second else f"{at:%Y-%m-%d %H:%M} UTC"


def text_of(moment: datetime | None) -> str | None:
    """Return a moment as JSON has it: ISO 8601 in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat()

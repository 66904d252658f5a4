"""Times as pages write them: in the reader's zone, short, with the exact one beside it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wallarm_notify.domain.words import duration_of

_LONGEST_ZONE: Final = 64
_RECENT: Final = timedelta(days=180)
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))
_HOUR, _MINUTE = 3600, 60
_NIGHT_FROM, _NIGHT_UNTIL = 23, 6
_SOON: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Times:
    """What a page writes times by: the reader's zone, and when the page was made."""

    zone: tzinfo
    now: datetime

    @property
    def zone_words(self) -> str:
        """The zone as the header shows it: ``Berlin``, ``UTC``."""
        key = getattr(self.zone, "key", "UTC")
        return str(key).rpartition("/")[2].replace("_", " ")

    @property
    def offset_words(self) -> str:
        """How far the zone is from UTC now: ``UTC+1``."""
        offset = self.now.astimezone(self.zone).utcoffset() or timedelta()
        minutes = int(offset.total_seconds()) // 60
        if minutes == 0:
            return "UTC"
        hours, rest = divmod(abs(minutes), 60)
        return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")

    def short(self, at: datetime) -> str:
        """Return ``02:41`` for a time of today, else with the day, and maybe the year."""
        there, today = at.astimezone(self.zone), self.now.astimezone(self.zone)
        if there.date() == today.date():
            return f"{there:%H:%M}"
        if abs(self.now - at) < _RECENT:
            return f"{there:%a} {there.day} {there:%b %H:%M}"
        return f"{there.day} {there:%b %Y %H:%M}"

    def hour(self, at: datetime) -> str:
        """Return ``02:41``, whatever the day."""
        return f"{at.astimezone(self.zone):%H:%M}"

    def clock(self, at: datetime) -> str:
        """Return ``03:11:52``."""
        return f"{at.astimezone(self.zone):%H:%M:%S}"

    def tenths(self, at: datetime) -> str:
        """Return ``03:11:52.4``."""
        there = at.astimezone(self.zone)
        return f"{there:%H:%M:%S}.{there.microsecond // 100_000}"

    def moment(self, at: datetime) -> str:
        """Return ``03:11:52`` for a time of today, else with the day too."""
        there, today = at.astimezone(self.zone), self.now.astimezone(self.zone)
        if there.date() == today.date():
            return f"{there:%H:%M:%S}"
        return f"{there:%a} {there.day} {there:%b %H:%M:%S}"

    def beside(self, at: datetime, _other: datetime) -> str:
        """Return what ``moment`` does, in a sentence that has another time."""
        return self.moment(at)

    def day(self, at: datetime) -> str:
        """Return ``Thursday, 26 November``."""
        there = at.astimezone(self.zone)
        return f"{there:%A}, {there.day} {there:%B}"

    def is_at_night(self, at: datetime) -> bool:
        """Return whether a time is at night where the reader is: from 23:00 to 06:00."""
        hour = at.astimezone(self.zone).hour
        return hour >= _NIGHT_FROM or hour < _NIGHT_UNTIL

    def until(self, at: datetime) -> str:
        """Return ``in 1 min 59 s``; ``now`` where the time has come."""
        left = int((at - self.now).total_seconds())
        return f"in {duration_of(left)}" if left > 0 else "now"

    def countdown(self, at: datetime) -> str:
        """Return ``21 s``, ``1:17``, ``2 h``: how long it is until then, where there is little room."""
        left = max(0, int((at - self.now).total_seconds()))
        if left >= _HOUR:
            return f"{left // _HOUR} h"
        return f"{left // _MINUTE}:{left % _MINUTE:02}" if left >= _MINUTE else f"{left} s"

    def exact(self, at: datetime) -> str:
        """Return a time to the second, with its zone, and in UTC where that is another."""
        there = at.astimezone(self.zone)
        words = f"{there:%Y-%m-%d %H:%M:%S} {there:%Z}"
        return (
            words
            if there.utcoffset() == timedelta()
            else f"{words} ({at.astimezone(UTC):%H:%M:%S} UTC)"
        )

    def machine(self, at: datetime) -> str:
        """Return a time as programs read it."""
        return at.astimezone(UTC).isoformat()

    def ago(self, at: datetime) -> str:
        """Return ``14 min ago``, ``in 21 s``, ``now``."""
        gone = self.now - at
        if abs(gone) < _SOON:
            return "now"
        words = _rough(abs(gone))
        return f"{words} ago" if gone > timedelta() else f"in {words}"


def read_moment(text: str) -> datetime | None:
    """Return the time that a page wrote for programs; None: it is none, or has no zone."""
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (
        ValueError,
        OverflowError,
    ):  # of UTC it would lie before the first year, or after the last
        return None


def zone_of(name: str) -> tzinfo:
    """Return the zone of a name that a browser gave; UTC where nothing is known by it."""
    if not name or len(name) > _LONGEST_ZONE:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _rough(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"

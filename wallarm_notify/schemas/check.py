"""The check of events that are not sent: what would be wrong with each when it comes in."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from wallarm_notify.domain.event import Event, EventKey, is_too_far_ahead
from wallarm_notify.schemas.read import faults_of, read_event


class EventCheck:
    """A check of events one after the other; ``completes`` adds a missing id and time, as those of ``now``."""

    def __init__(self, now: datetime, *, completes: bool = False) -> None:
        self._now = now
        self._completes = completes
        self._seen: dict[EventKey, tuple[int, Event]] = {}

    def read(self, line: int, obj: dict[str, Any]) -> Event | list[str]:
        """Return the event in the object of a line, or a sentence for each fault."""
        whole = self._completed(obj) if self._completes else obj
        read = read_event(whole)
        if not isinstance(read, Event):
            return faults_of(whole)
        first, stands = self._seen.setdefault(read.key, (line, read))
        if stands.body_hash != read.body_hash:
            return [f"Its id is that of line {first}, which has another body: a conflict."]
        if is_too_far_ahead(read, self._now):
            return ["occurred_at is more than 24 hours ahead of this machine's clock."]
        return read

    def _completed(self, obj: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in obj.items() if value is not None}
        return {"id": str(uuid4()), "occurred_at": self._now.isoformat(), **given}

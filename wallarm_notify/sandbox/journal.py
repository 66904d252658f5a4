"""The journal: each request to one of PagerDuty's routes, as the sandbox keeps and shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wallarm_notify.sandbox.events import read_json


@dataclass(slots=True)
class Entry:
    """One request and its answer; `number` counts from 1.

    `fault` is the kind of fault that applied, `accepted` whether the event was taken in, and `status` the
    answer's: None until one was sent in full.
    """

    number: int
    at: datetime
    path: str
    key: str | None
    headers: Mapping[str, str]
    raw: bytes
    peer_port: int
    fault: str | None
    accepted: bool
    status: int | None = None

    def as_document(self, *, brief: bool) -> dict[str, Any]:
        """Return the entry as the control route shows it; `brief` leaves out headers and body."""
        document: dict[str, Any] = {
            "number": self.number,
            "at": self.at.isoformat(timespec="microseconds"),
            "at_epoch": self.at.timestamp(),
            "path": self.path,
            "key": self.key,
            "bytes": len(self.raw),
            "peer_port": self.peer_port,
            "status": self.status,
            "fault": self.fault,
            "accepted": self.accepted,
        }
        if not brief:
            document["headers"] = self.headers
            document["body"] = _shown(self.raw)
        return document


def _shown(raw: bytes) -> Any:
    try:
        return read_json(raw)
    except ValueError:
        return raw.decode("utf-8", errors="replace")

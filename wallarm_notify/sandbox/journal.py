"""Every request that reached a PagerDuty route, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wallarm_notify.sandbox.events import read_json


@dataclass(slots=True)
class Entry:
    """One request and what became of it; `status` stays None while no answer was sent in full."""

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


class Journal:
    """The requests seen since the start or since everything was forgotten."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    @property
    def entries(self) -> Sequence[Entry]:
        """Return the entries, first request first."""
        return self._entries

    def write(
        self,
        *,
        at: datetime,
        path: str,
        key: str | None,
        headers: Mapping[str, str],
        raw: bytes,
        peer_port: int,
        fault: str | None,
        accepted: bool,
    ) -> Entry:
        """Append a request and return its entry, so that its status can be filled in later."""
        entry = Entry(
            number=len(self._entries) + 1,
            at=at,
            path=path,
            key=key,
            headers=headers,
            raw=raw,
            peer_port=peer_port,
            fault=fault,
            accepted=accepted,
        )
        self._entries.append(entry)
        return entry


def _shown(raw: bytes) -> Any:
    try:
        return read_json(raw)
    except ValueError:
        return raw.decode("utf-8", errors="replace")

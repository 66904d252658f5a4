"""Alerts, which accepted events open, repeat, acknowledge or resolve."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4


class AlertStatus(StrEnum):
    """The status of an alert; a resolved one never opens again."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(slots=True)
class Alert:
    """One alert, from the trigger that opened it to its resolve; `number` counts from 1."""

    number: int
    key: str
    dedup_key: str
    first_at: datetime
    payload: Mapping[str, Any]
    last_at: datetime
    alert_id: str = field(default_factory=lambda: uuid4().hex)
    status: AlertStatus = AlertStatus.TRIGGERED
    notifications: int = 1
    triggers: int = 0
    log: list[tuple[datetime, str]] = field(default_factory=list)

    def note(self, action: str, now: datetime) -> None:
        """Add `action` to the alert's log."""
        self.log.append((now, action))
        self.last_at = now

    def as_document(self) -> dict[str, Any]:
        """Return the alert as the control route shows it."""
        payload = self.payload["payload"]
        return {
            "number": self.number,
            "key": self.key,
            "dedup_key": self.dedup_key,
            "alert_id": self.alert_id,
            "status": self.status.value,
            "notifications": self.notifications,
            "triggers": self.triggers,
            "summary": payload["summary"],
            "severity": payload["severity"],
            "first_at": self.first_at.isoformat(timespec="microseconds"),
            "last_at": self.last_at.isoformat(timespec="microseconds"),
            "log": [
                {"at": at.isoformat(timespec="microseconds"), "event_action": action}
                for at, action in self.log
            ],
            "payload": self.payload,
        }


class Alerts:
    """Every alert of every key, by PagerDuty's rules of deduplication.

    The scope of a `dedup_key` is its routing key. `all` has the alerts in the order of opening. `dropped`
    counts, by key, the acknowledgements and resolves that found nothing open and the events that were
    discarded; `changes` counts change events, which affect no alert.
    """

    def __init__(self) -> None:
        self.all: list[Alert] = []
        self._open: dict[tuple[str, str], Alert] = {}
        self.dropped: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()

    def take(self, key: str, dedup_key: str, body: Mapping[str, Any], now: datetime) -> None:
        """Apply a valid alert event; it counts as dropped if it has no effect."""
        alert = self._open.get((key, dedup_key))
        action = body["event_action"]
        if alert is None and action != "trigger":
            self.dropped[key] += 1
            return
        if alert is None:
            alert = Alert(len(self.all) + 1, key, dedup_key, now, body, now)
            self.all.append(alert)
            self._open[key, dedup_key] = alert
        alert.note(action, now)
        match action:
            case "trigger":
                alert.triggers += 1
            case "acknowledge":
                alert.status = AlertStatus.ACKNOWLEDGED
            case "resolve":
                alert.status = AlertStatus.RESOLVED
                del self._open[key, dedup_key]

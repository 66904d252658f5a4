"""Which alerts of a trigger are one in PagerDuty: those of one group have one dedup key (spec 3)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.triggers.filters import DEFAULT_APPLICATION


class AlertGroup(StrEnum):
    """What a trigger's alerts have in common that join the open one and page nobody; each: nothing."""

    EACH = "each"
    TRIGGER = "trigger"
    HOST = "host"
    IP = "ip"
    APPLICATION = "application"


class GroupValue(NamedTuple):
    """One group of a trigger's alerts: by what they are grouped, and its value."""

    group: str
    value: str


def parse_alert_group(text: str) -> AlertGroup:
    """Return the group that ``text`` names. Raise Refused with those that there are."""
    try:
        return AlertGroup(text)
    except ValueError:
        raise Refused(
            f"there is no «{text}»; permitted are {', '.join(AlertGroup)}.", field="group"
        ) from None


def group_value(group: AlertGroup, body: Mapping[str, Any]) -> GroupValue | None:
    """Return the group of a firing's alert, by the ``body`` of the event that met the trigger.

    None: the alert is its own; also where the event lacks the value: unknown hosts are not one host.
    """
    match group:
        case AlertGroup.EACH:
            return None
        case AlertGroup.TRIGGER:
            return GroupValue(group, "")
        case AlertGroup.APPLICATION:
            number = body.get("application_id")
            return GroupValue(group, str(DEFAULT_APPLICATION if number is None else number))
        case AlertGroup.HOST:
            value = str(body.get("host") or "").strip().rstrip(".").lower()
        case AlertGroup.IP:
            value = str(body.get("ip") or "").strip().lower()
    return GroupValue(group, value) if value else None

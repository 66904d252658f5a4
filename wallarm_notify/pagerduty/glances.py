"""Glances: the words of an alert that a phone or PagerDuty's list of incidents shows."""

from collections.abc import Mapping
from typing import Any, Final

from wallarm_notify.domain.preview import Glances

LONGEST_SMS: Final = 160
LONGEST_PUSH: Final = 178
"""Characters of a notification that a locked phone shows: about four lines."""

LONGEST_IN_LIST: Final = 100
"""Characters of a title that fit into a row of PagerDuty's list of incidents on a usual screen."""


def glances_of(alert: Mapping[str, Any]) -> Glances:
    """Return what people see first of an alert: its summary, cut to what there is room for."""
    summary, payload = str(alert["payload"]["summary"]), alert["payload"]
    title = _cut(summary, LONGEST_IN_LIST)
    return Glances(
        push=_cut(summary, LONGEST_PUSH),
        sms=_cut(summary, LONGEST_SMS),
        incident=f"{payload['severity'].capitalize()} · {title} · {payload['source']}",
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

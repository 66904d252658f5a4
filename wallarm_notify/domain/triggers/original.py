"""Triggers in the words of Wallarm's own API, which clients written for it send."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.triggers.condition import (
    Condition,
    Filter,
    check_permitted,
    read_condition,
    read_filter,
)
from wallarm_notify.domain.triggers.filters import Operator
from wallarm_notify.domain.triggers.trigger import (
    LONGEST_PERIOD,
    Criteria,
    Threshold,
    check_criteria,
    check_threshold,
)

NOTIFY: Final = "send_notification"
"""The one action of a trigger that is served here."""

THRESHOLD: Final = "threshold"
"""The filter that some clients send the threshold as."""

EXCEEDS: Final = ("gt", "")
"""The operators of a threshold; where none was chosen, it is sent empty."""


@dataclass(frozen=True, slots=True)
class SentFilter:
    """A filter as it was sent; an operator or values that nobody chose are empty."""

    id: str
    operator: str
    values: Sequence[object]


@dataclass(frozen=True, slots=True)
class SentThreshold:
    """A threshold as it was sent; ``period`` is in seconds, 0 where nobody chose it."""

    count: int
    period: int
    operator: str


def criteria_of(
    template_id: str, filters: Sequence[SentFilter], threshold: SentThreshold | None
) -> Criteria:
    """Return the criteria that were sent. Raise Refused where they are not permitted."""
    condition = read_condition(template_id)
    given = threshold or _threshold_among(filters)
    read = [_filter(condition, one) for one in filters if one.id != THRESHOLD]
    kept = [one for one in read if one is not None]
    return check_criteria(condition, kept, None if given is None else _threshold(given))


def integrations_of(actions: Iterable[tuple[str, Sequence[int]]]) -> tuple[int, ...]:
    """Return the integrations that ``actions``, each with those it names, notify together.

    Raise Refused for an action that is not served here.
    """
    found: dict[int, None] = {}
    for action, ids in actions:
        if action != NOTIFY:
            raise Refused(f"there is no «{action}» here; permitted are {NOTIFY}.", field="actions")
        found.update(dict.fromkeys(ids))
    return tuple(found)


def _filter(condition: Condition, sent: SentFilter) -> Filter | None:
    """Return a filter; None: it has no values, so that it restricts nothing."""
    check_permitted(condition, sent.id)
    if not sent.values:
        return None
    return read_filter(condition, sent.id, sent.operator or Operator.EQ, sent.values)


def _threshold(sent: SentThreshold) -> Threshold:
    if sent.operator not in EXCEEDS:
        raise Refused("the operator is gt: strictly greater.", field="threshold")
    seconds = min(sent.period, int(LONGEST_PERIOD.total_seconds()) + 1)
    return check_threshold(sent.count, timedelta(seconds=max(seconds, 0)))


def _threshold_among(filters: Sequence[SentFilter]) -> SentThreshold | None:
    """Return the threshold that was sent as a filter; None: there is none."""
    for one in filters:
        if one.id == THRESHOLD and one.values:
            value = one.values[0]
            if isinstance(value, Mapping):
                count, period = value.get("count"), value.get("period")
                if type(count) is int and type(period) is int:
                    return SentThreshold(count, period, one.operator)
            raise Refused("give count and period, whole numbers.", field="threshold")
    return None

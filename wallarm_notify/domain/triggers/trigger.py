"""Triggers: a client's rule over events (spec 3)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.pause import DisabledUntil
from wallarm_notify.domain.triggers.alert_group import AlertGroup
from wallarm_notify.domain.triggers.condition import (
    Condition,
    Filter,
    Matcher,
    check_number,
    check_permitted,
    matcher,
)
from wallarm_notify.domain.triggers.filters import FilterValue, Operator

SHORTEST_PERIOD: Final = timedelta(seconds=1)
LONGEST_PERIOD: Final = timedelta(days=30)
LARGEST_COUNT: Final = 10**12
"""The largest count of a threshold: more events than any period has, and fewer than the database can keep."""

DEFAULT_SEVERITY: Final = "default"
"""The word for the condition's own severity, where one is given."""

_SEVERAL_HELD: Final = frozenset({"pii"})
"""Filters whose field has several values, so that two of them can ask for both."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """More than ``count`` within ``period``, which is whole seconds: strictly greater (spec 3)."""

    count: int
    period: timedelta

    @property
    def fields(self) -> dict[str, int | str]:
        """The threshold in JSON: the period in seconds; its keys are stable."""
        return {
            "count": self.count,
            "period": int(self.period.total_seconds()),
            "operator": "gt",
        }

    @property
    def words(self) -> str:
        """``30 in 1 hour``."""
        return f"{self.count} in {period_words(self.period)}"

    def words_of(self, counted: str | None) -> str:
        """Return ``30 attacks in 1 hour``: the threshold with what is counted."""
        return f"{self.count} {counted or 'events'} in {period_words(self.period)}"


@dataclass(frozen=True, slots=True)
class Criteria:
    """What has to be met: a condition, its filters, and how often if it is counted."""

    condition: Condition
    filters: tuple[Filter, ...]
    threshold: Threshold | None

    @property
    def fires_on(self) -> str:
        """``more than 30 in 1 hour``, or ``each event``."""
        return "each event" if self.threshold is None else f"more than {self.threshold.words}"

    @property
    def clauses(self) -> tuple[str, ...]:
        """The filters in words."""
        return tuple(one.words for one in self.filters)

    def only_value(self, filter_id: str) -> FilterValue | None:
        """Return the value that every event that counts has in a filter's field; None: they may differ."""
        for one in self.filters:
            if one.id == filter_id and one.operator is Operator.EQ and len(one.values) == 1:
                return one.values[0]
        return None

    def matcher(self) -> Matcher:
        """Return a test of whether an event of the condition's type counts."""
        return matcher(self.condition, self.filters)


@dataclass(frozen=True, slots=True)
class Trigger:
    """A stored trigger.

    ``version`` changes with its criteria and with enabling: counting starts afresh with it.
    ``chosen_severity`` is that of its alerts, None: its condition's. ``group`` says which of its alerts are one in
    PagerDuty. ``last_fired_at`` is None if it has not fired within the retention. ``disabled_until`` is when
    beat enables it; None: somebody has to, or it is enabled.
    """

    id: int
    client_id: int
    name: str
    comment: str
    enabled: bool
    criteria: Criteria
    integration_ids: tuple[int, ...]
    version: int
    created_at: datetime
    created_by: str
    last_fired_at: datetime | None = None
    disabled_until: datetime | None = None
    chosen_severity: Severity | None = None
    group: AlertGroup = AlertGroup.EACH

    @property
    def severity(self) -> Severity:
        """The severity of its alerts."""
        return severity_of(self.criteria.condition, self.chosen_severity)


def unsaved(client_id: int, criteria: Criteria, now: datetime) -> Trigger:
    """Return a trigger that is not stored, for trying its criteria; its id is 0."""
    return Trigger(
        id=0,
        client_id=client_id,
        name="",
        comment="",
        enabled=True,
        criteria=criteria,
        integration_ids=(),
        version=0,
        created_at=now,
        created_by="",
    )


def severity_of(condition: Condition, chosen: Severity | None) -> Severity:
    """Return the severity that a trigger was given, or else its condition's (spec 3 and 4)."""
    return condition.terms.severity if chosen is None else chosen


def parse_severity(text: str) -> Severity | None:
    """Return the severity that ``text`` names, None for ``default``. Raise Refused with those that there are."""
    known = {one.word: one for one in sorted(Severity, reverse=True)}
    if text == DEFAULT_SEVERITY:
        return None
    if text not in known:
        raise Refused(
            f"there is no «{text}»; permitted are {', '.join(known)}, and {DEFAULT_SEVERITY} for the condition's.",
            field="severity",
        )
    return known[text]


def check_criteria(
    condition: Condition, filters: Sequence[Filter], threshold: Threshold | None
) -> Criteria:
    """Return the criteria of these parts. Raise Refused if they do not go together."""
    check_number(filters)
    for one in filters:
        check_permitted(condition, one.id)
    asked = Counter(one.id for one in filters if one.operator is Operator.EQ)
    for filter_id, number in asked.items():
        if number > 1 and filter_id not in _SEVERAL_HELD:
            raise Refused(
                "give its values in one filter, separated by commas; two filters must both hold.",
                field=f"filter {filter_id}",
            )
    if condition.terms.counted is None:
        if threshold is not None:
            raise Refused(f"{condition} takes none; it fires on each event.", field="threshold")
    elif threshold is None:
        raise Refused(f"{condition} needs one, as '30 in 1h'.", field="threshold")
    return Criteria(condition, tuple(filters), threshold)


def check_threshold(count: int, period: timedelta) -> Threshold:
    """Return the threshold of these figures. Raise Refused if they are not permitted."""
    if not 0 <= count <= LARGEST_COUNT:
        raise Refused(
            f"the count is a whole number from 0 to 10^12, not {count}.", field="threshold"
        )
    if not SHORTEST_PERIOD <= period <= LONGEST_PERIOD or period % timedelta(seconds=1):
        raise Refused("the period is 1 second to 30 days, in whole seconds.", field="threshold")
    return Threshold(count, period)


def default_name(user: str, today: datetime) -> str:
    """Return the name of a trigger that was given none (spec 3)."""
    return f"New trigger by {user}, {today:%Y-%m-%d}"


def period_words(period: timedelta) -> str:
    """Return ``1 hour``, ``1 minute 30 seconds``: a threshold's period for people."""
    seconds = int(period.total_seconds())
    parts = (
        (seconds // 86_400, "day"),
        (seconds // 3600 % 24, "hour"),
        (seconds // 60 % 60, "minute"),
        (seconds % 60, "second"),
    )
    return " ".join(f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in parts if n)


@dataclass(frozen=True, slots=True)
class TriggerDraft:
    """A new trigger, before it has an id; a ``name`` of None takes the default."""

    client_id: int
    criteria: Criteria
    integration_ids: tuple[int, ...]
    name: str | None = None
    comment: str = ""
    enabled: bool = True
    chosen_severity: Severity | None = None
    group: AlertGroup = AlertGroup.EACH


@dataclass(frozen=True, slots=True)
class TriggerChange:
    """The fields that an update sets; None leaves a field as it is.

    A condition that has no threshold drops the existing one. ``unsets_severity``: it is the condition's again.
    ``until`` is when its disabling ends. ``marks`` are those of the settings that were shown (``domain.meanwhile``):
    the change is refused where somebody has changed them since.
    """

    name: str | None = None
    comment: str | None = None
    condition: Condition | None = None
    filters: tuple[Filter, ...] | None = None
    threshold: Threshold | None = None
    integration_ids: tuple[int, ...] | None = None
    enabled: bool | None = None
    chosen_severity: Severity | None = None
    unsets_severity: bool = False
    group: AlertGroup | None = None
    until: DisabledUntil | None = None
    marks: str | None = None


@dataclass(frozen=True, slots=True)
class AppliedTrigger:
    """What a change of a trigger came to; one that changed nothing did nothing."""

    trigger: Trigger
    changed: bool


def changed_trigger(trigger: Trigger, change: TriggerChange) -> Trigger:
    """Return ``trigger`` after ``change``. Raise Refused where its parts do not go together.

    Other criteria, and enabling, are another version.
    """
    condition = change.condition or trigger.criteria.condition
    threshold = change.threshold
    if threshold is None and condition.terms.counted is not None:
        threshold = trigger.criteria.threshold
    filters = trigger.criteria.filters if change.filters is None else change.filters
    ids = trigger.integration_ids if change.integration_ids is None else change.integration_ids
    criteria = check_criteria(condition, filters, threshold)
    enabled = trigger.enabled if change.enabled is None else change.enabled
    chosen = trigger.chosen_severity if change.chosen_severity is None else change.chosen_severity
    afresh = criteria != trigger.criteria or (enabled and not trigger.enabled)
    return replace(
        trigger,
        name=trigger.name if change.name is None else change.name,
        comment=trigger.comment if change.comment is None else change.comment,
        enabled=enabled,
        criteria=criteria,
        integration_ids=tuple(sorted(set(ids))),
        version=trigger.version + afresh,
        chosen_severity=None if change.unsets_severity else chosen,
        group=trigger.group if change.group is None else change.group,
        disabled_until=None if enabled else _end_of(trigger, change),
    )


def _end_of(trigger: Trigger, change: TriggerChange) -> datetime | None:
    """Return when the disabling of a trigger that ``change`` leaves disabled ends."""
    if change.until is not None:
        return change.until.at
    return None if trigger.enabled else trigger.disabled_until

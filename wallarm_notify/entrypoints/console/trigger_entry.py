"""What stands in the form of a trigger: read, changed by steps, and checked.

A trigger that the API made stays as it is where the form is saved without a change: what reads as it is stored is kept
as it is stored.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

from starlette.datastructures import FormData

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.triggers.alert_group import AlertGroup, parse_alert_group
from wallarm_notify.domain.triggers.condition import MOST_FILTERS, Condition, Filter, read_filter
from wallarm_notify.domain.triggers.filters import FILTERS
from wallarm_notify.domain.triggers.trigger import (
    DEFAULT_SEVERITY,
    Criteria,
    Threshold,
    Trigger,
    check_criteria,
    check_threshold,
    parse_severity,
)

UNITS: Final[Mapping[str, int]] = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
"""What an interval can be given in, in seconds."""

_LIMITS: Final[Mapping[Condition, int]] = {
    Condition.ATTACKS_EXCEEDED: 30,
    Condition.HITS_EXCEEDED: 100,
    Condition.INCIDENTS_EXCEEDED: 0,
}
"""The limits with which a form begins."""

_COMMAS_TOO: Final = ("ip_address", "response_status", "pool")
"""Filters whose values may be separated by commas too, as none has one in it."""

_LONGEST_NUMBER: Final = 18

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class FilterEntered:
    """A filter as it was entered: its values as texts, of which some may be no values."""

    id: str
    operator: str = "eq"
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entered:
    """What stands in the form; ``dropped`` are filters that the condition does not have, in words."""

    condition: Condition
    count: str = ""
    period: str = ""
    unit: str = "hours"
    filters: tuple[FilterEntered, ...] = ()
    integration_ids: tuple[int, ...] = ()
    severity: str = DEFAULT_SEVERITY
    group: str = AlertGroup.EACH
    name: str = ""
    comment: str = ""
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What was entered, as far as it is right; ``errors`` says by field what is not.

    ``criteria`` are as they would be stored; None: something is missing or wrong.
    """

    criteria: Criteria | None
    chosen_severity: Severity | None
    group: AlertGroup
    errors: Mapping[str, str] = field(default_factory=dict)


def begun(condition: Condition, integration_ids: Sequence[int], name: str) -> Entered:
    """Return the form with which a trigger of a condition begins."""
    limit = _LIMITS.get(condition)
    if limit is None:
        return Entered(condition, integration_ids=tuple(integration_ids), name=name)
    return Entered(condition, str(limit), "1", integration_ids=tuple(integration_ids), name=name)


def entered_of(trigger: Trigger) -> Entered:
    """Return the form that a trigger reads as."""
    criteria = trigger.criteria
    period, unit = ("", "hours") if criteria.threshold is None else _in_units(criteria.threshold)
    return Entered(
        condition=criteria.condition,
        count="" if criteria.threshold is None else str(criteria.threshold.count),
        period=period,
        unit=unit,
        filters=tuple(_filter_entered(one) for one in criteria.filters),
        integration_ids=trigger.integration_ids,
        severity=DEFAULT_SEVERITY
        if trigger.chosen_severity is None
        else trigger.chosen_severity.word,
        group=trigger.group,
        name=trigger.name,
        comment=trigger.comment,
    )


def read_form(form: FormData, condition: Condition) -> Entered:
    """Return what was entered. Filters that ``condition`` does not have are dropped."""
    filters = [one for place in range(MOST_FILTERS) if (one := _read_filter_row(form, place))]
    permitted = condition.terms.filters
    return Entered(
        condition=condition,
        count=_text(form, "count").replace(",", "").replace(" ", ""),
        period=_text(form, "period"),
        unit=_text(form, "unit") if _text(form, "unit") in UNITS else "hours",
        filters=tuple(one for one in filters if one.id in permitted),
        integration_ids=tuple(dict.fromkeys(_numbers(_texts(form, "integration")))),
        severity=_text(form, "severity") or DEFAULT_SEVERITY,
        group=_text(form, "group") or AlertGroup.EACH,
        name=_text(form, "name"),
        comment=_with_plain_breaks(_text(form, "comment")),
        dropped=tuple(
            dict.fromkeys(FILTERS[one.id].label for one in filters if one.id not in permitted)
        ),
    )


def after_step(entered: Entered, step: str, added: str) -> Entered:
    """Return the form after a button of it: ``add``, ``remove-1``, ``limit-100``; any other changes nothing.

    ``added`` is the filter that is chosen to be added.
    """
    name, _, number = step.partition("-")
    if name == "limit" and _is_number(number):
        return replace(entered, count=number)
    if name == "remove" and _is_number(number):
        kept = [one for place, one in enumerate(entered.filters) if place != int(number)]
        return replace(entered, filters=tuple(kept))
    is_added = name == "add" and added in entered.condition.terms.filters
    if is_added and len(entered.filters) < MOST_FILTERS:
        return replace(entered, filters=(*entered.filters, FilterEntered(added)))
    return entered


def begun_threshold(entered: Entered) -> Entered:
    """Return the form with a limit where its condition needs one and none was ever entered."""
    limit = _LIMITS.get(entered.condition)
    if limit is None or entered.count or entered.period:
        return entered
    return replace(entered, count=str(limit), period="1", unit="hours")


def checked(entered: Entered, standing: Trigger | None) -> Checked:
    """Return what was entered as values, and what is wrong; ``standing`` is the trigger that is changed."""
    errors: dict[str, str] = {}
    stored = () if standing is None else standing.criteria.filters
    filters = [
        _right(errors, f"filter{place}", partial(_filter_of, entered.condition, one, stored))
        for place, one in enumerate(entered.filters)
    ]
    threshold = None
    if entered.condition.terms.counted is not None:
        threshold = _right(errors, "threshold", lambda: _threshold_of(entered))
    severity = _right(errors, "severity", lambda: parse_severity(entered.severity))
    group = _right(errors, "group", lambda: parse_alert_group(entered.group))
    criteria = None
    if not errors:
        whole = [one for one in filters if one is not None]
        criteria = _right(
            errors, None, lambda: check_criteria(entered.condition, whole, threshold), entered
        )
    return Checked(criteria, severity, group or AlertGroup.EACH, errors)


def same_text(entered: str, stored: str) -> str:
    """Return ``stored`` where ``entered`` is it but for how a form ends lines; else ``entered``."""
    return stored if _with_plain_breaks(stored).strip() == entered else entered


def _with_plain_breaks(text: str) -> str:
    return re.sub(r"\r\n?", "\n", text)


def _filter_entered(one: Filter) -> FilterEntered:
    return FilterEntered(one.id, one.operator, tuple(map(str, one.values)))


def _filter_of(condition: Condition, entered: FilterEntered, stored: Sequence[Filter]) -> Filter:
    for one in stored:
        as_stored = _filter_entered(one)
        is_same = (as_stored.id, as_stored.operator) == (entered.id, entered.operator)
        if is_same and set(as_stored.values) == set(entered.values):
            return one
    if not entered.values:
        raise Refused("choose a value, or remove this filter.", field=f"filter {entered.id}")
    return read_filter(condition, entered.id, entered.operator, entered.values)


def _threshold_of(entered: Entered) -> Threshold:
    if not _is_number(entered.count):
        raise Refused("give how many, a whole number.", field="threshold")
    if not _is_number(entered.period):
        raise Refused("give the interval, a whole number.", field="threshold")
    seconds = min(int(entered.period) * UNITS[entered.unit], 10**9)
    return check_threshold(int(entered.count), timedelta(seconds=seconds))


def _right(
    errors: dict[str, str],
    name: str | None,
    read: Callable[[], _Read],
    entered: Entered | None = None,
) -> _Read | None:
    """Return what ``read`` does, or note under ``name`` what is wrong; None: at the filter that it names."""
    try:
        return read()
    except Refused as error:
        errors[name or _row_named(error.field, entered)] = error.sentence
        return None


def _row_named(name: str | None, entered: Entered | None) -> str:
    """Return the last row of the filter that an error names."""
    filter_id = (name or "").removeprefix("filter ")
    rows = [
        f"filter{place}"
        for place, one in enumerate(() if entered is None else entered.filters)
        if one.id == filter_id
    ]
    return rows[-1] if rows else "threshold"


def _read_filter_row(form: FormData, place: int) -> FilterEntered | None:
    filter_id = _text(form, f"filter{place}")
    if filter_id not in FILTERS:
        return None
    separators = r"[\r\n,]+" if filter_id in _COMMAS_TOO else r"[\r\n]+"
    written = re.split(separators, _text(form, f"others{place}"))
    values = [*_texts(form, f"value{place}"), *(one.strip() for one in written)]
    operator = "ne" if _text(form, f"operator{place}") == "ne" else "eq"
    return FilterEntered(filter_id, operator, tuple(dict.fromkeys(filter(None, values))))


def _in_units(threshold: Threshold) -> tuple[str, str]:
    """Return a period in the largest unit that it is whole in."""
    seconds = int(threshold.period.total_seconds())
    unit = max((name for name in UNITS if seconds % UNITS[name] == 0), key=UNITS.__getitem__)
    return str(seconds // UNITS[unit]), unit


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def _texts(form: FormData, name: str) -> list[str]:
    return [value for value in form.getlist(name) if isinstance(value, str)]


def _numbers(texts: Iterable[str]) -> list[int]:
    return [int(one) for one in map(str.strip, texts) if _is_number(one)]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER

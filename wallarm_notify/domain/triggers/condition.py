"""Conditions of triggers, and the filters that each permits (spec 3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import Event, Severity
from wallarm_notify.domain.triggers.filters import FILTERS, FilterValue, Operator

MOST_FILTERS: Final = 6
"""The most filters of a trigger (spec 3)."""

MOST_VALUES: Final = 100
"""The most values of a filter."""

_MOST_NAMED: Final = 5
"""The most values that a sentence names."""

_ROGUE_UNLESS_ASKED: Final = ("shadow", "zombie")
"""The kinds of rogue endpoints that count without a filter for kinds (spec 3)."""


class Condition(StrEnum):
    """The conditions by which a trigger fires, with the original's template ids."""

    ATTACKS_EXCEEDED = "attacks_exceeded"
    HITS_EXCEEDED = "hits_exceeded"
    INCIDENTS_EXCEEDED = "incidents_exceeded"
    API_STRUCTURE_CHANGED = "api_structure_changed"
    BLACKLIST_IP_ADDED = "blacklist_ip_added"
    ROGUE_API_DETECTED = "rogue_api_detected"
    USER_CREATED = "user_created"

    @property
    def terms(self) -> "Terms":
        """The condition's row of the table."""
        return TERMS[self]


@dataclass(frozen=True, slots=True)
class Terms:
    """One row of the table of spec 3: what a condition looks at and which filters it permits.

    ``counted`` names what is counted if the condition has a threshold; None: each event fires.
    """

    event_type: str
    filters: tuple[str, ...]
    severity: Severity
    counted: str | None = None


_TRAFFIC: Final = ("attack_type", "pool", "ip_address", "domain", "response_status", "target")

TERMS: Final[Mapping[Condition, Terms]] = {
    Condition.ATTACKS_EXCEEDED: Terms("attack.detected", _TRAFFIC, Severity.WARNING, "attacks"),
    Condition.HITS_EXCEEDED: Terms("hit.detected", _TRAFFIC[:-1], Severity.WARNING, "hits"),
    Condition.INCIDENTS_EXCEEDED: Terms(
        "incident.detected", _TRAFFIC, Severity.CRITICAL, "incidents"
    ),
    Condition.API_STRUCTURE_CHANGED: Terms(
        "api.changed", ("pool", "domain", "change_type", "pii"), Severity.INFO
    ),
    Condition.BLACKLIST_IP_ADDED: Terms("ip.denylisted", ("pool",), Severity.WARNING),
    Condition.ROGUE_API_DETECTED: Terms(
        "rogue_api.detected",
        ("pool", "domain", "deviation_type", "api_spec_ids"),
        Severity.WARNING,
    ),
    Condition.USER_CREATED: Terms("user.created", ("user_role",), Severity.INFO),
}

CONDITIONS_OF: Final[Mapping[str, Condition]] = {t.event_type: c for c, t in TERMS.items()}
"""The condition for each type of event; no trigger looks at a type that is missing here."""

# The filters of a trigger.


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a trigger: its values are alternatives."""

    id: str
    operator: Operator
    values: tuple[FilterValue, ...]

    @property
    def words(self) -> str:
        """The filter as people read it: ``Attack type: SQLi, XSS``."""
        kind = FILTERS[self.id]
        named = ", ".join(kind.shown(value) for value in self.values)
        return f"{kind.label}: {'' if self.operator is Operator.EQ else 'any but '}{named}"

    @property
    def clause(self) -> str:
        """The filter within a sentence, at most five values of it: ``domain is a.example.com or b.example.com``."""
        kind = FILTERS[self.id]
        named = [kind.shown(value) for value in self.values[:_MOST_NAMED]]
        if (more := len(self.values) - _MOST_NAMED) > 0:
            named.append(f"one of {more} more")
        label = (
            kind.label if kind.label[1].isupper() else f"{kind.label[0].lower()}{kind.label[1:]}"
        )
        is_or_not = "is" if self.operator is Operator.EQ else "is not"
        return f"{label} {is_or_not} {' or '.join(named)}"


def read_condition(text: str) -> Condition:
    """Return the condition that ``text`` names. Raise Refused with those that exist."""
    try:
        return Condition(text)
    except ValueError:
        raise Refused(
            f"«{text}» is none of those that notify; permitted are {', '.join(Condition)}.",
            field="condition",
        ) from None


def check_permitted(condition: Condition, filter_id: str) -> None:
    """Raise Refused if ``condition`` permits no such filter, with those that it permits."""
    permitted = condition.terms.filters
    if filter_id not in permitted:
        raise Refused(
            f"{condition} takes no «{filter_id}»; permitted are {', '.join(permitted)}.",
            field="filter",
        )


def check_number(filters: Sequence[object]) -> None:
    """Raise Refused if there are more filters than a trigger may have."""
    if len(filters) > MOST_FILTERS:
        raise Refused(f"a trigger has at most {MOST_FILTERS}, not {len(filters)}.", field="filter")


def read_filter(
    condition: Condition, filter_id: str, operator: str, values: Sequence[object]
) -> Filter:
    """Return a filter of ``condition``. Raise Refused with what is permitted."""
    check_permitted(condition, filter_id)
    kind = FILTERS[filter_id]
    if operator not in kind.operators:
        raise Refused(
            f"there is no operator «{operator}» for it; permitted: {', '.join(kind.operators)}.",
            field=f"filter {filter_id}",
        )
    if not 1 <= len(values) <= MOST_VALUES:
        raise Refused(
            f"give 1 to {MOST_VALUES} values, not {len(values)}.", field=f"filter {filter_id}"
        )
    read = []
    for value in values:
        try:
            read.append(kind.read(value))
        except ValueError as error:
            raise Refused(f"«{value}» will not do; {error}.", field=f"filter {filter_id}") from None
    return Filter(filter_id, Operator(operator), tuple(dict.fromkeys(read)))


Matcher = Callable[[Event], bool]


def deciding_filters(condition: Condition, filters: Sequence[Filter]) -> tuple[Filter, ...]:
    """Return ``filters``, and the one for kinds of rogue endpoints that holds where none of them does (spec 3)."""
    if condition is Condition.ROGUE_API_DETECTED and all(f.id != "deviation_type" for f in filters):
        return (*filters, Filter("deviation_type", Operator.EQ, _ROGUE_UNLESS_ASKED))
    return tuple(filters)


def matcher(condition: Condition, filters: Sequence[Filter]) -> Matcher:
    """Return a test of whether an event of the condition's type passes every filter and counts."""
    tests = [_test(one) for one in deciding_filters(condition, filters)]

    def matches(event: Event) -> bool:
        return is_counted(event) and all(test(event.body) for test in tests)

    return matches


def not_passed(condition: Condition, filters: Sequence[Filter], event: Event) -> tuple[Filter, ...]:
    """Return the filters that an event of the condition's type does not pass."""
    return tuple(one for one in deciding_filters(condition, filters) if not _test(one)(event.body))


def _test(one: Filter) -> Callable[[Mapping[str, Any]], bool]:
    kind = FILTERS[one.id]
    keys = frozenset(map(kind.key, one.values))
    found = kind.found
    if one.operator is Operator.EQ:
        return lambda body: not keys.isdisjoint(found(body))
    return lambda body: keys.isdisjoint(found(body))


def is_counted(event: Event) -> bool:
    """Return whether triggers look at ``event``: experimental and unsampled ones are left out (spec 3)."""
    return not is_experimental(event) and not is_unsampled(event)


def is_experimental(event: Event) -> bool:
    """Return whether ``event`` is an attack or a hit that is marked experimental, and is not counted."""
    return event.type in ("attack.detected", "hit.detected") and bool(
        event.body.get("experimental")
    )


def is_unsampled(event: Event) -> bool:
    """Return whether ``event`` is a hit that was not saved in the sample, and is not counted."""
    return event.type == "hit.detected" and event.body.get("in_sample") is False

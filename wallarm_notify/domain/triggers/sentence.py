"""A trigger as a sentence: ``When more than 30 attacks of type SQLi within 1 hour, tell SOC.``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from wallarm_notify.domain.triggers.condition import Condition, Filter, deciding_filters
from wallarm_notify.domain.triggers.filters import (
    DEFAULT_APPLICATION,
    FILTERS,
    FilterValue,
    Operator,
)
from wallarm_notify.domain.triggers.trigger import Criteria, Threshold, period_words

MOST_NAMED: Final = 5
"""So many values, or integrations, a sentence names."""

_EVENTS: Final[Mapping[Condition, str]] = {
    Condition.API_STRUCTURE_CHANGED: "the API changes",
    Condition.BLACKLIST_IP_ADDED: "an IP address is denylisted",
    Condition.USER_CREATED: "a user is added",
}
"""What happens where each event fires."""

_WITHIN: Final[Mapping[str, tuple[str, str]]] = {
    "attack_type": ("of type", "of any type but"),
    "pool": ("in application", "in any application but"),
    "ip_address": ("from", "from any address but"),
    "domain": ("on", "on any domain but"),
    "response_status": ("answered with", "answered with anything but"),
    "target": ("against the", "against anything but the"),
    "pii": ("with sensitive data", ""),
    "api_spec_ids": ("by specification", ""),
    "user_role": ("with the role", ""),
}
"""What stands before the values of each filter, by whether any or none of them is meant."""

_OF_THE_EVENT: Final = ("change_type", "deviation_type")
"""Filters whose values are part of what happens."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a sentence; ``is_chosen``: it is what somebody chose, and stands out."""

    text: str
    is_chosen: bool = False


def sentence_of(
    criteria: Criteria, to: Sequence[str], applications: Mapping[int, str] | None = None
) -> tuple[Part, ...]:
    """Return what a trigger of these criteria does, in parts; ``to`` are the names of what it notifies.

    ``applications`` are the names of applications, by number.
    """
    clauses = [
        part
        for one in criteria.filters
        if one.id not in _OF_THE_EVENT
        for part in (Part(" "), *_clause(one, applications or {}))
    ]
    return (
        *(
            Part("When "),
            *_event(criteria),
            *clauses,
            *_period(criteria.threshold),
            Part(", tell "),
        ),
        *(_listed(list(to), "and", "other") if to else (Part("nobody yet"),)),
        Part("."),
    )


def sentence_words(parts: Sequence[Part]) -> str:
    """Return a sentence as plain text."""
    return "".join(part.text for part in parts)


def _event(criteria: Criteria) -> Iterator[Part]:
    condition, threshold = criteria.condition, criteria.threshold
    if threshold is not None:
        noun = condition.terms.counted or "events"
        one = noun.removesuffix("s") if threshold.count == 1 else noun
        yield Part("more than ")
        yield Part(f"{threshold.count:,} {one}", is_chosen=True)
        return
    kinds = [
        one for one in deciding_filters(condition, criteria.filters) if one.id in _OF_THE_EVENT
    ]
    if not kinds:
        yield Part(_EVENTS[condition], is_chosen=True)
    elif condition is Condition.ROGUE_API_DETECTED:
        kind = list(_values(kinds[0], {}))
        yield Part("an " if kind[0].text[0] in "aeiou" else "a ")
        yield from kind
        yield Part(" endpoint is found for the first time")
    else:
        yield Part("an endpoint of the API is ")
        yield from _values(kinds[0], {})


def _period(threshold: Threshold | None) -> Iterator[Part]:
    if threshold is not None:
        yield Part(" within ")
        yield Part(period_words(threshold.period), is_chosen=True)


def _clause(one: Filter, applications: Mapping[int, str]) -> Iterator[Part]:
    yield Part(f"{_WITHIN[one.id][one.operator is Operator.NE]} ")
    yield from _values(one, applications)


def _values(one: Filter, applications: Mapping[int, str]) -> Iterator[Part]:
    def shown(value: FilterValue) -> str:
        if one.id == "pool" and isinstance(value, int):
            default = "Default" if value == DEFAULT_APPLICATION else str(value)
            return applications.get(value) or default
        return FILTERS[one.id].shown(value)

    yield from _listed([shown(value) for value in one.values], "or", "more")


def _listed(words: Sequence[str], last: str, others: str) -> Iterator[Part]:
    """Yield ``a, b or c``; of many the first ones, and how many more there are."""
    named = list(words[:MOST_NAMED])
    if (more := len(words) - MOST_NAMED) > 0:
        named.append(f"{more} {others}{'s' if others == 'other' and more > 1 else ''}")
    for place, word in enumerate(named):
        if place:
            yield Part(f" {last} " if place == len(named) - 1 else ", ")
        yield Part(word, is_chosen=True)

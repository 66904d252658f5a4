"""Whether any event can pass a trigger's filters: one that asks for what another excludes lets none pass."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from wallarm_notify.domain.triggers.attack_types import GROUP_OF
from wallarm_notify.domain.triggers.condition import Filter
from wallarm_notify.domain.triggers.filters import FILTERS, FilterValue, Operator

_HOLDS_SEVERAL: Final = frozenset({"pii"})
"""Filters whose field has a list: an event can have whatever several of them ask for."""


def is_satisfiable(filters: Sequence[Filter]) -> bool:
    """Return whether some event passes all of ``filters``, which permit their values each by itself.

    Filters of different ids look at different fields, so each id is looked at alone. Without an ``eq`` there is always
    another value, or none, that passes.
    """
    by_id: dict[str, list[Filter]] = defaultdict(list)
    for one in filters:
        by_id[one.id].append(one)
    return all(
        name in _HOLDS_SEVERAL or _have_a_value_in_common(name, asked)
        for name, asked in by_id.items()
    )


def _have_a_value_in_common(filter_id: str, filters: Sequence[Filter]) -> bool:
    key = FILTERS[filter_id].key
    wanted = [{key(v) for v in f.values} for f in filters if f.operator is Operator.EQ]
    excluded = {key(v) for f in filters if f.operator is Operator.NE for v in f.values}
    if not wanted:
        return True
    return any(
        excluded.isdisjoint(found) and all(not one.isdisjoint(found) for one in wanted)
        for value in wanted[0]
        for found in _found_with(filter_id, value)
    )


def _found_with(filter_id: str, value: FilterValue) -> Iterable[set[FilterValue]]:
    """Yield what a filter finds in each kind of event in which it finds ``value``."""
    for body in _bodies(filter_id, value):
        yield set(FILTERS[filter_id].found(body))
    if filter_id not in ("attack_type", "response_status"):
        yield {value}


def _bodies(filter_id: str, value: FilterValue) -> Iterable[Mapping[str, Any]]:
    """Yield the fields of events that are of more than one value: members of a group, statuses of a class."""
    if filter_id == "attack_type":
        for word in (value, *(w for w, group in GROUP_OF.items() if group == value)):
            yield {"attack_type": word}
    elif filter_id == "response_status":
        first = int(value[0]) * 100 if isinstance(value, str) else value
        for status in range(first, first + (100 if isinstance(value, str) else 1)):
            yield {"response_status": status}

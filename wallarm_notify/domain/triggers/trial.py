"""Trials: what criteria would have fired on the newest events, with one limit and with others (spec 3).

It counts as routing does, by the order in which events came, and beginning with nothing counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from wallarm_notify.domain.event import Arrival
from wallarm_notify.domain.subjects import words_of
from wallarm_notify.domain.triggers.cells import CELLS, cell_of, is_late, quiet_of, start_of_cell
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.crossing import Near, crossings
from wallarm_notify.domain.triggers.firing import endpoint_of
from wallarm_notify.domain.triggers.trigger import LARGEST_COUNT, Criteria

FIRINGS_SHOWN: Final = 4
"""Of so many firings, the last ones, it is found out who made them."""

FIELDS_READ: Final = (
    *("application_id", "attack_type", "ip", "host", "response_status", "target", "experimental"),
    *("in_sample", "change_type", "sensitive_data", "kind", "specification_id", "user_role"),
    *("method", "path"),
)
"""The fields of an event that conditions and filters look at, or a trial shows."""

_STEPS: Final = (1, 2, 3, 5)
_LARGEST_STEP: Final = 10**11


@dataclass(frozen=True, slots=True)
class Looked:
    """Events that criteria are tried on: those that came from ``since`` to ``until``.

    ``is_whole``: they are all events of the time that was asked for.
    """

    since: datetime
    until: datetime
    is_whole: bool
    arrivals: Sequence[Arrival]


@dataclass(frozen=True, slots=True)
class LastFiring:
    """One of the last firings: how many there were at most within its interval, and who made them.

    ``source`` is an address with its number, or how many addresses there were; each event fires: what it is about.
    """

    at: datetime
    count: int
    source: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What criteria would have fired; ``matched`` events pass the filters.

    ``firings`` are when, by limit; each event fires: by None. ``last`` are those of the criteria's own limit, the
    newest first. ``levels`` are how many there were in an interval, by its end; each event fires: in an hour.
    """

    since: datetime
    until: datetime
    is_whole: bool
    matched: int
    firings: Mapping[int | None, Sequence[datetime]]
    last: Sequence[LastFiring]
    levels: Sequence[tuple[datetime, int]]

    def highest_by(self, starts: Sequence[datetime]) -> list[int]:
        """Return the highest level in each of the times that begin at ``starts``; the last one begins none."""
        found = [0] * (len(starts) - 1)
        place = 0
        for at, level in self.levels:
            while place < len(found) and at >= starts[place + 1]:
                place += 1
            if place == len(found):
                break
            if at >= starts[place]:
                found[place] = max(found[place], level)
        return found


def limits_around(count: int) -> tuple[int, ...]:
    """Return ``count`` with a limit below and two above it: ``10, 30, 100, 500`` for 30."""
    if count == 0:
        return (0, 1, 3, 10)
    below, above, far = _round(count / 3), _round(count * 10 / 3), _round(count * 50 / 3)
    found = {min(below, count - 1), count, max(above, count + 1), max(far, count + 2)}
    return tuple(sorted(one for one in found if one <= LARGEST_COUNT))


def try_criteria(criteria: Criteria, looked: Looked, limits: Sequence[int]) -> Trial:
    """Return what criteria would have fired, with their own limit and with ``limits``."""
    passes = criteria.matcher()
    # Those of one transaction have one time, and routing counts them by when they happened.
    came = sorted(
        (one for one in looked.arrivals if passes(one.event)),
        key=lambda one: (one.at, one.event.occurred_at, one.event.id),
    )
    counted = _each if criteria.threshold is None else partial(_counted, limits=limits)
    firings, last, levels = counted(criteria, came)
    return Trial(
        looked.since, looked.until, looked.is_whole, len(came), firings, last[::-1], levels
    )


_Found = tuple[
    Mapping[int | None, Sequence[datetime]], Sequence[LastFiring], Sequence[tuple[datetime, int]]
]


def _each(criteria: Criteria, came: Sequence[Arrival]) -> _Found:
    found = list(came)
    if criteria.condition is Condition.ROGUE_API_DETECTED:
        first: dict[bytes, Arrival] = {}
        for one in came:
            first.setdefault(endpoint_of(one.event), one)
        found = list(first.values())
    hours = Counter(one.at.replace(minute=0, second=0, microsecond=0) for one in came)
    last = [LastFiring(one.at, 1, words_of(one.event)) for one in found[-FIRINGS_SHOWN:]]
    return {None: [one.at for one in found]}, last, sorted(hours.items())


def _counted(criteria: Criteria, came: Sequence[Arrival], *, limits: Sequence[int]) -> _Found:
    if criteria.threshold is None:
        raise TypeError(criteria)  # each event fires
    period, own = criteria.threshold.period, criteria.threshold.count
    fresh = [one for one in came if not is_late(one.event.occurred_at, period, one.at)]
    cells = [cell_of(one.event.occurred_at, period) for one in fresh]
    levels = _levels(cells)
    crossed = {limit: crossings(cells, Near(), limit, quiet_of(period)) for limit in {own, *limits}}
    last = []
    for one in crossed[own][-FIRINGS_SHOWN:]:
        count, end = max((levels[c], c) for c in levels if one.end <= c < one.end + CELLS)
        within = [a for a, c in zip(fresh, cells, strict=True) if end - CELLS < c <= end]
        last.append(LastFiring(fresh[one.position].at, count, _source(within)))
    firings: dict[int | None, Sequence[datetime]] = {
        limit: [fresh[one.position].at for one in found] for limit, found in crossed.items()
    }
    return firings, last, [(start_of_cell(c, period), level) for c, level in levels.items()]


def _source(came: Sequence[Arrival]) -> str:
    addresses = Counter(ip for one in came if isinstance(ip := one.event.body.get("ip"), str))
    if not addresses:
        return ""
    address, number = addresses.most_common(1)[0]
    if 2 * number > len(came):
        return f"{number} from {address}"
    return f"{len(addresses)} addresses"


def _levels(cells: Sequence[int]) -> dict[int, int]:
    """Return how many there were in the window of each cell with events, in the order of cells."""
    counts = Counter(cells)
    held = sorted(counts)
    found, total, first = {}, 0, 0
    for cell in held:
        total += counts[cell]
        while held[first] <= cell - CELLS:
            total -= counts[held[first]]
            first += 1
        found[cell] = total
    return found


def _round(number: float) -> int:
    """Return the highest of 1, 2, 3, 5, 10, 20, … that is at most ``number``; 0: it is less than 1."""
    found, power = 0, 1
    while power <= min(number, _LARGEST_STEP):
        found = max([found, *(step * power for step in _STEPS if step * power <= number)])
        power *= 10
    return found

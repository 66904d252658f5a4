"""Simulate a trigger: stored events are counted again, in memory, by the code that counts them live."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.simulation import TriggerSimulation, WouldFire
from wallarm_notify.domain.triggers.cells import CELLS, CellChange, CellKey, Reach, in_stretches
from wallarm_notify.domain.triggers.crossing import Near
from wallarm_notify.services.fire_triggers import fire, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from wallarm_notify.domain.event import Arrival
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.simulation import Bounds
    from wallarm_notify.domain.triggers.condition import Condition
    from wallarm_notify.domain.triggers.firing import Firing
    from wallarm_notify.domain.triggers.trigger import Trigger
    from wallarm_notify.services.context import Context

AT_ONCE: Final = 5000
"""At most so many stored events are read in one transaction."""

_FIRST: Final = 0


def simulate_trigger(
    ctx: Context,
    scope: Scope,
    trigger: Trigger,
    *,
    since: datetime,
    until: datetime,
    progress: Callable[[float], None],
    bounds: Bounds | None = None,
) -> TriggerSimulation:
    """Return the firings of ``trigger`` over events that came in from ``since`` to before ``until``.

    It begins with nothing counted, and counts each batch as it came. Nothing is sent or stored.
    ``progress`` is called with the share that is done, from 0 to 1. Of a client outside ``scope`` no event is
    found. Of more firings than ``bounds`` permits the first ones are returned. Raise Refused where more events
    match than it permits, Unavailable.
    """
    memory = _Memory(trigger)
    events = matched = fired = 0
    found: list[WouldFire] = []
    for batch in _batches(_all(ctx, scope, trigger, since=since, until=until, progress=progress)):
        came = [a.event for a in batch]
        events += len(came)
        matched += sum(len(m.events) for m in matches([trigger], came))
        if bounds is not None and matched > bounds.matched:
            raise Refused(
                f"more than {bounds.matched} events match; give a later time.", field="since"
            )
        occurred = {e.id: e.occurred_at for e in came}
        firings = fire(memory, came, batch[0].at).firings
        fired += len(firings)
        room = None if bounds is None else bounds.firings - len(found)
        found += [WouldFire(batch[0].at, occurred[f.event_id], f) for f in firings[:room]]
    return TriggerSimulation(trigger, since, until, events, matched, fired, found)


def _all(
    ctx: Context,
    scope: Scope,
    trigger: Trigger,
    *,
    since: datetime,
    until: datetime,
    progress: Callable[[float], None],
) -> Iterator[Arrival]:
    event_type = trigger.criteria.condition.terms.event_type
    after: tuple[datetime, int] | None = (since, _FIRST)
    while after is not None:
        place = after
        arrivals, after = ctx.store.transact(
            lambda tx, place=place: tx.arrivals(  # type: ignore[misc]  # mypy knows no type of a default
                scope, trigger.client_id, event_type, place, until=until, limit=AT_ONCE
            )
        )
        yield from arrivals
        done = (after[0] if after else until) - since
        progress(done / (until - since))


def _batches(arrivals: Iterable[Arrival]) -> Iterator[list[Arrival]]:
    """Yield the events of each transaction: they have one time."""
    for _, batch in groupby(arrivals, key=lambda a: a.at):
        yield list(batch)


@dataclass(slots=True)
class _Memory:
    """The queries of ``FiringQueries`` for one trigger, answered from memory."""

    _trigger: Trigger
    _counts: dict[int, int] = field(default_factory=dict)
    _fired: list[int] = field(default_factory=list)
    _ids: dict[int, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    _endpoints: set[tuple[int, bytes]] = field(default_factory=set)

    def triggers_of(
        self, _client_ids: Collection[int], _conditions: Collection[Condition]
    ) -> list[Trigger]:
        return [self._trigger]

    def lock_triggers(self, _ids: Sequence[int]) -> list[Trigger]:
        return [self._trigger]

    def cells(self, counts: Reach, firings: Reach) -> dict[CellKey, Near]:
        return {
            key: Near(
                in_stretches(self._counts, wanted),
                [
                    end
                    for s in firings[key]
                    for end in self._fired[
                        bisect_left(self._fired, s.low) : bisect_right(self._fired, s.high)
                    ]
                ],
            )
            for key, wanted in counts.items()
        }

    def counted_events(self, windows: Sequence[tuple[CellKey, int]]) -> list[tuple[UUID, ...]]:
        return [
            tuple(i for cell in range(end, end - CELLS, -1) for i in self._ids.get(cell, ()))
            for _, end in windows
        ]

    def add_cells(self, changes: Sequence[CellChange]) -> None:
        for change in changes:
            self._counts[change.cell] = self._counts.get(change.cell, 0) + change.added
            self._ids[change.cell] += change.event_ids
            if change.fired:
                insort(self._fired, change.cell)

    def insert_rogue_endpoints(
        self, endpoints: Collection[tuple[int, bytes]]
    ) -> set[tuple[int, bytes]]:
        new = set(endpoints) - self._endpoints
        self._endpoints |= new
        return new

    def insert_firings(self, firings: Sequence[Firing]) -> None:
        """Store nothing: the caller has them."""

"""Fire triggers: which triggers fire on events that were just stored, counted under their locks.

Everything here belongs to routing's transaction. Triggers with a threshold are locked in the order
of their ids, then their cells are read, then written: a second batch reads what the first one wrote
(engine 15). Triggers without a threshold are not locked. ``simulate_trigger`` runs this code too.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from wallarm_notify.domain.errors import TooMuch
from wallarm_notify.domain.event import Event, EventKey
from wallarm_notify.domain.triggers.cells import (
    CELLS,
    CellChange,
    CellKey,
    Reach,
    cell_of,
    expiry_of,
    is_late,
    quiet_of,
    stretches,
    window_of,
)
from wallarm_notify.domain.triggers.condition import CONDITIONS_OF, Condition
from wallarm_notify.domain.triggers.crossing import Crossing, Near, crossings
from wallarm_notify.domain.triggers.firing import MOST_EVENTS_NAMED, Firing, endpoint_of, fired
from wallarm_notify.domain.triggers.trigger import Threshold, Trigger


class FiringQueries(Protocol):
    """The queries by which triggers fire."""

    def triggers_of(
        self, client_ids: Collection[int], conditions: Collection[Condition]
    ) -> list[Trigger]:
        """Return the enabled triggers of these clients that have one of these conditions."""
        ...

    def lock_triggers(self, ids: Sequence[int]) -> list[Trigger]:
        """Lock these triggers in the order of their ids; return the ones that are still enabled."""
        ...

    def cells(self, counts: Reach, firings: Reach) -> dict[CellKey, Near]:
        """Return what was counted within ``counts``, and the firings that end within ``firings``, by trigger."""
        ...

    def counted_events(self, windows: Sequence[tuple[CellKey, int]]) -> list[tuple[UUID, ...]]:
        """Return, for each window, given by its last cell, the ids of events counted in it, the newest first."""
        ...

    def add_cells(self, changes: Sequence[CellChange]) -> None:
        """Store what was counted."""
        ...

    def insert_rogue_endpoints(
        self, endpoints: Collection[tuple[int, bytes]]
    ) -> set[tuple[int, bytes]]:
        """Store rogue endpoints, each with its trigger; return the new ones."""
        ...

    def insert_firings(self, firings: Sequence[Firing]) -> None:
        """Store firings with their lineage."""
        ...


@dataclass(frozen=True, slots=True)
class Match:
    """A trigger, and the events that pass its filters, by their time."""

    trigger: Trigger
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Fired:
    """The firings of a batch, and the keys of the events that passed the filters of a trigger."""

    firings: Sequence[Firing] = ()
    passed: Collection[EventKey] = ()


TRIGGERS_LOOK_AT: Final = frozenset(CONDITIONS_OF)
"""The types of events that triggers look at."""


def fire(
    tx: FiringQueries, events: Iterable[Event], now: datetime, *, most: int | None = None
) -> Fired:
    """Count ``events``, which were stored in this transaction; return and store their firings.

    Raise TooMuch, before anything is locked, where several events make more than ``most`` notifications, an
    event that one trigger counts being as much.
    """
    looked_at = [e for e in events if e.type in TRIGGERS_LOOK_AT]
    if not looked_at:
        return Fired()
    triggers = tx.triggers_of(
        sorted({e.client_id for e in looked_at}), sorted({CONDITIONS_OF[e.type] for e in looked_at})
    )
    found = matches(triggers, looked_at)
    if most is not None and len(looked_at) > 1 and _work_of(found) > most:
        raise TooMuch(f"{len(looked_at)} events meet or count for more triggers than {most} times")
    firings = _each(tx, [m for m in found if m.trigger.criteria.threshold is None])
    counted = [m for m in found if m.trigger.criteria.threshold is not None]
    of_counts, counting = _counted(tx, counted, looked_at, now)
    firings += of_counts
    if firings:
        tx.insert_firings(firings)
    # A trigger that was changed meanwhile counts others than those that were found before it was locked.
    passed = {e.key for m in found for e in m.events} | {e.key for c in counting for e in c.events}
    return Fired(firings, passed)


def _work_of(found: Iterable[Match]) -> int:
    """Return how much is to be fired and counted: locks for it must not be held for seconds."""
    return sum(
        len(m.events)
        * (1 if m.trigger.criteria.threshold else max(1, len(m.trigger.integration_ids)))
        for m in found
    )


def matches(triggers: Iterable[Trigger], events: Iterable[Event]) -> list[Match]:
    """Return the triggers whose filters events pass, with these events."""
    by_kind: dict[tuple[int, str], list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda e: (e.occurred_at, e.id)):
        by_kind[event.client_id, event.type].append(event)
    found = []
    for trigger in triggers:
        passes = trigger.criteria.matcher()
        kind = trigger.criteria.condition.terms.event_type
        passed = tuple(e for e in by_kind.get((trigger.client_id, kind), ()) if passes(e))
        if passed:
            found.append(Match(trigger, passed))
    return found


def _each(tx: FiringQueries, found: Sequence[Match]) -> list[Firing]:
    """Return the firings of triggers without a threshold: one for each event, or each new rogue endpoint."""
    firings = [
        (m.trigger, e)
        for m in found
        if m.trigger.criteria.condition is not Condition.ROGUE_API_DETECTED
        for e in m.events
    ]
    first: dict[tuple[int, bytes], tuple[Trigger, Event]] = {}
    for m in found:
        if m.trigger.criteria.condition is Condition.ROGUE_API_DETECTED:
            for e in m.events:
                first.setdefault((m.trigger.id, endpoint_of(e)), (m.trigger, e))
    if first:
        new = tx.insert_rogue_endpoints(sorted(first))
        firings += [first[endpoint] for endpoint in sorted(new)]
    return [fired(t, e, count=1, window=None, event_ids=(e.id,)) for t, e in firings]


@dataclass(frozen=True, slots=True)
class _Counting:
    """What one trigger counts of a batch: its events that are not too old, with their cells."""

    trigger: Trigger
    events: tuple[Event, ...]
    cells: tuple[int, ...]

    @property
    def key(self) -> CellKey:
        return self.trigger.id, self.trigger.version

    @property
    def quiet(self) -> int:
        return quiet_of(_threshold(self.trigger).period)


def _threshold(trigger: Trigger) -> Threshold:
    threshold = trigger.criteria.threshold
    if threshold is None:
        raise ValueError(f"trigger {trigger.id} has no threshold")
    return threshold


def _counted(
    tx: FiringQueries, found: Sequence[Match], events: Sequence[Event], now: datetime
) -> tuple[list[Firing], Sequence[_Counting]]:
    """Return the firings of triggers with a threshold, and what was counted.

    All triggers are locked, read and written together.
    """
    asked = [c for m in found if (c := _counting(m, now)).events]
    if not asked:
        return [], ()
    counting = _locked(tx, asked, events, now)
    if not counting:
        return [], ()
    near = tx.cells(
        {c.key: stretches(c.cells, CELLS - 1, CELLS - 1) for c in counting},
        {c.key: stretches(c.cells, c.quiet, CELLS + c.quiet) for c in counting},
    )
    crossed = [
        (c, one)
        for c in counting
        for one in crossings(
            c.cells, near.get(c.key) or Near(), _threshold(c.trigger).count, c.quiet
        )
    ]
    before = tx.counted_events([(c.key, one.end) for c, one in crossed]) if crossed else []
    firings = [_fired(c, one, ids) for (c, one), ids in zip(crossed, before, strict=True)]
    ends = {(c.key, one.end) for c, one in crossed}
    tx.add_cells([change for c in counting for change in _changes(c, near.get(c.key), ends)])
    return firings, counting


def _counting(match: Match, now: datetime) -> _Counting:
    period = _threshold(match.trigger).period
    fresh = tuple(e for e in match.events if not is_late(e.occurred_at, period, now))
    cells = tuple(cell_of(e.occurred_at, period) for e in fresh)
    return _Counting(match.trigger, fresh, cells)


def _locked(
    tx: FiringQueries, asked: Sequence[_Counting], events: Sequence[Event], now: datetime
) -> list[_Counting]:
    """Lock the triggers of ``asked``; return what each counts, matched anew where it was changed meanwhile.

    A trigger that has no threshold any more is left out: these events came before that change.
    """
    before = {c.trigger.id: c for c in asked}
    counting = []
    for trigger in tx.lock_triggers(sorted(before)):
        known = before[trigger.id]
        if trigger.version == known.trigger.version:
            counting.append(_Counting(trigger, known.events, known.cells))
        elif trigger.criteria.threshold is not None:
            anew = (_counting(m, now) for m in matches([trigger], events))
            counting += [c for c in anew if c.events]
    return counting


def _fired(counting: _Counting, crossing: Crossing, before: Sequence[UUID]) -> Firing:
    """Return the firing of a crossing; ``before`` are ids of events that were counted in its window earlier."""
    position, end = crossing.position, crossing.end
    here = [
        e.id
        for e, cell in zip(counting.events[position::-1], counting.cells[position::-1], strict=True)
        if end - CELLS < cell <= end
    ]
    return fired(
        counting.trigger,
        counting.events[position],
        count=crossing.count,
        window=window_of(end, _threshold(counting.trigger).period),
        event_ids=[*here, *before],
    )


def _changes(
    counting: _Counting, near: Near | None, ends: Collection[tuple[CellKey, int]]
) -> list[CellChange]:
    """Return the changes of a trigger's cells: new events, and where a firing ends."""
    key, period = counting.key, _threshold(counting.trigger).period
    counted = near.counts if near else {}
    added: dict[int, list[UUID]] = defaultdict(list)
    for event, cell in zip(counting.events, counting.cells, strict=True):
        added[cell].append(event.id)
    touched = sorted(added.keys() | {end for k, end in ends if k == key})
    return [
        CellChange(
            key=key,
            cell=cell,
            added=len(added.get(cell, ())),
            event_ids=tuple(added.get(cell, ())[: MOST_EVENTS_NAMED - counted.get(cell, 0)])
            if counted.get(cell, 0) < MOST_EVENTS_NAMED
            else (),
            fired=(key, cell) in ends,
            expires_at=expiry_of(cell, period),
        )
        for cell in touched
    ]

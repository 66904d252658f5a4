"""Simulate: what another policy would have switched off, by the recorded attempts (spec 6)."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.health import (
    MINUTE,
    NUMBERS,
    Cell,
    Counts,
    Decision,
    Policy,
    Window,
    evaluate,
    minute_of,
)
from wallarm_notify.domain.outage import (
    OUTAGE_WINDOW,
    Outage,
    Place,
    SmallOutage,
    is_in_outage,
    small_outage,
)
from wallarm_notify.domain.simulation import SimulatedDecision, Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Store, Transaction

SLICE: Final = timedelta(hours=1)
"""How much of the past is read at once, where there are many attempts."""

LONGEST_SLICE: Final = timedelta(days=1)

MANY_CELLS: Final = 50_000


class _Rolling:
    """One integration's rolling window, in the two parts that a Window has."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.off = False
        self._cells: deque[tuple[datetime, Counts, bool]] = deque()
        self._sums = {False: [0] * len(NUMBERS), True: [0] * len(NUMBERS)}

    def add(self, minute: datetime, counts: Counts, *, in_outage: bool) -> None:
        """Add the attempts of the next minute."""
        self._cells.append((minute, counts, in_outage))
        self._move(counts, 1, in_outage=in_outage)

    def drop(self, before: datetime) -> None:
        """Drop the attempts that have left the window."""
        while self._cells and self._cells[0][0] < before:
            _, counts, in_outage = self._cells.popleft()
            self._move(counts, -1, in_outage=in_outage)

    def excuse(self, since: datetime) -> None:
        """Count the attempts since then as made in an outage."""
        for n in range(len(self._cells) - 1, -1, -1):
            minute, counts, in_outage = self._cells[n]
            if minute < since:
                return
            if not in_outage:
                self._cells[n] = (minute, counts, True)
                self._move(counts, -1, in_outage=False)
                self._move(counts, 1, in_outage=True)

    @property
    def has_failures(self) -> bool:
        """Whether any attempt of the window failed."""
        return any(any(numbers[1:]) for numbers in self._sums.values())

    def may_be_off(self, policy: Policy, *, outage: bool) -> bool:
        """Return whether ratio and attempts suffice; the times cost more to find."""
        sums = Window(self._sum(in_outage=False), self._sum(in_outage=True), outage)
        counts = sums.counted(policy)
        return counts.attempts >= policy.min_attempts and counts.reaches(policy.ratio)

    def window(self, *, outage: bool) -> Window:
        """Return the window as the review reads it."""
        return Window(self._part(in_outage=False), self._part(in_outage=True), outage)

    def _part(self, *, in_outage: bool) -> Counts:
        sums = self._sum(in_outage=in_outage)

        def edge(name: str, number: int, *, last: bool = False) -> datetime | None:
            cells = reversed(self._cells) if last else iter(self._cells)
            times = (getattr(counts, name) for _, counts, part in cells if part is in_outage)
            return next((at for at in times if at is not None), None) if number else None

        own = sums.client + sums.other
        return replace(
            sums,
            excusable_first_at=edge("excusable_first_at", sums.excusable),
            excusable_last_at=edge("excusable_last_at", sums.excusable, last=True),
            own_first_at=edge("own_first_at", own),
            own_last_at=edge("own_last_at", own, last=True),
            succeeded_last_at=edge("succeeded_last_at", sums.attempts - sums.failed, last=True),
        )

    def _sum(self, *, in_outage: bool) -> Counts:
        attempts, network, server, throttled, client, other = self._sums[in_outage]
        return Counts(attempts, network, server, throttled, client, other)

    def _move(self, counts: Counts, sign: int, *, in_outage: bool) -> None:
        numbers = self._sums[in_outage]
        for n, name in enumerate(NUMBERS):
            numbers[n] += sign * getattr(counts, name)


class _Region:
    """The rolling last hour of all integrations in one region, by which an outage shows."""

    def __init__(self) -> None:
        self.down = False
        self._small: SmallOutage | None = None
        self._cells: deque[tuple[datetime, int, bytes, int, int]] = deque()
        self._held: dict[tuple[int, bytes], tuple[int, int]] = {}
        self._keys: Counter[bytes] = Counter()
        self._affected: set[tuple[int, bytes]] = set()
        self._taken: set[tuple[int, bytes]] = set()
        """The integrations, with their keys, whose last attempt succeeded."""

    def add(self, minute: datetime, integration_id: int, key: bytes, counts: Counts) -> None:
        """Add what one integration attempted in a minute."""
        self._cells.append((minute, integration_id, key, counts.attempts, counts.excusable))
        self._move((integration_id, key), counts.attempts, counts.excusable)
        if counts.last_attempt_failed:
            self._taken.discard((integration_id, key))
        else:
            self._taken.add((integration_id, key))

    def look(self, now: datetime, policy: Policy) -> bool:
        """Note whether PagerDuty was down here at ``now``; return whether that began since the last minute."""
        while self._cells and self._cells[0][0] < now - OUTAGE_WINDOW:
            _, integration_id, key, attempts, excusable = self._cells.popleft()
            self._move((integration_id, key), -attempts, -excusable)
        hour = Outage(len(self._held), len(self._affected), len(self._keys), len(self._taken))
        self._small = small_outage(self._small, hour, now, policy.window)
        before, self.down = self.down, policy.outage_guard and hour.is_on(self._small, now)
        return self.down and not before

    def _move(self, whose: tuple[int, bytes], attempts: int, excusable: int) -> None:
        before = self._held.get(whose, (0, 0))
        now = (before[0] + attempts, before[1] + excusable)
        if now[0]:
            self._held[whose] = now
        else:
            del self._held[whose]
            self._taken.discard(whose)
        self._keys[whose[1]] += bool(now[0]) - bool(before[0])
        if not self._keys[whose[1]]:
            del self._keys[whose[1]]
        if is_in_outage(*now):
            self._affected.add(whose)
        else:
            self._affected.discard(whose)


class Replayed:
    """The reviews of a policy at the end of each minute, over attempts given minute by minute.

    ``places`` are the regions and keys that integrations have now, as earlier ones are not recorded. An
    integration that is not in it, such as a deleted one, counts as a region of its own.
    """

    def __init__(self, policy: Policy, places: Mapping[int, Place]) -> None:
        self._policy = policy
        self._places = places
        self._windows: dict[int, _Rolling] = {}
        self._failing: dict[int, _Rolling] = {}
        self._regions: defaultdict[str, _Region] = defaultdict(_Region)

    def take(self, minute: datetime, cells: Iterable[tuple[Cell, Counts]]) -> None:
        """Add the attempts of ``minute``, the next one."""
        for cell, counts in cells:
            i = cell.integration_id
            place = self._place_of(i)
            region = self._regions[place.region]
            region.add(minute, i, place.key, counts)
            window = self._windows.get(i)
            if window is None or window.generation < cell.generation:
                window = self._windows[i] = _Rolling(cell.generation)
                self._failing.pop(i, None)
            if window.generation == cell.generation:
                window.drop(self._policy.window_from(minute))
                window.add(minute, counts, in_outage=region.down)
                if counts.failed and not window.off:
                    self._failing[i] = window

    def look_for_outages(self, now: datetime) -> None:
        """Note in which regions PagerDuty was down at ``now``, a whole minute."""
        news = {name for name, region in self._regions.items() if region.look(now, self._policy)}
        if news:
            for i, window in self._windows.items():
                if self._place_of(i).region in news:
                    window.excuse(now - OUTAGE_WINDOW)

    def review(self, now: datetime) -> list[tuple[int, int, Decision]]:
        """Return who is switched off at ``now``, a whole minute: integration, generation, decision."""
        self.look_for_outages(now)
        start = self._policy.window_from(now)
        off = []
        for i, window in list(self._failing.items()):
            window.drop(start)
            down = self._regions[self._place_of(i).region].down
            if not window.has_failures:
                del self._failing[i]
            elif window.may_be_off(self._policy, outage=down):
                decision = evaluate(window.window(outage=down), self._policy)
                if decision.disables:
                    window.off = True
                    del self._failing[i]
                    off.append((i, window.generation, decision))
        return off

    def _place_of(self, integration_id: int) -> Place:
        return self._places.get(integration_id) or Place("", b"%d" % integration_id)


def simulate(
    ctx: Context,
    scope: Scope,
    policy: Policy,
    since: datetime,
    progress: Callable[[float], None] = lambda _: None,
) -> Simulation:
    """Return what ``policy`` would have switched off since then. Raise Unavailable.

    Outages are found by the attempts of all integrations; the rest is of the integrations of ``scope``
    alone. The window before ``since`` is read too. ``progress`` is called with the share that is done, from
    0 to 1. Attempts from before counters were kept, test alerts and closings are no part of it.
    """
    store = ctx.store
    until = minute_of(store.transact(lambda tx: tx.now))
    since = minute_of(since)
    replayed, attempts = Replayed(policy, store.transact(lambda tx: tx.places())), 0
    within = store.transact(lambda tx: tx.integration_ids(scope))
    integrations: set[int] = set()
    off: list[tuple[datetime, int, int, Decision]] = []
    begin = start = since - policy.window - OUTAGE_WINDOW
    step = SLICE
    while start < until:
        end = min(start + step, until)
        found = deque(store.transact(_reading(start, end)))
        # Where there is little to read, fewer and longer reads take less time.
        step = min(2 * step, LONGEST_SLICE) if len(found) < MANY_CELLS else SLICE
        while start < end:
            of_minute = []
            while found and found[0][0].minute == start:
                of_minute.append(found.popleft())
            replayed.take(start, of_minute)
            if start >= since:
                shown = [one for one in of_minute if one[0].integration_id in within]
                attempts += sum(counts.attempts for _, counts in shown)
                integrations |= {cell.integration_id for cell, _ in shown}
            start += MINUTE
            if start > since:
                off += [(start, *one) for one in replayed.review(start) if one[0] in within]
            else:
                replayed.look_for_outages(start)
        progress((start - begin) / (until - begin))
    decisions = _simulated(store, off)
    return Simulation(policy, since, until, len(integrations), attempts, decisions)


def _reading(start: datetime, end: datetime) -> Callable[[Transaction], list[tuple[Cell, Counts]]]:
    return lambda tx: tx.minutes_of_attempts(start, end)


def _simulated(
    store: Store, off: Sequence[tuple[datetime, int, int, Decision]]
) -> list[SimulatedDecision]:
    asked = [(i, generation, at) for at, i, generation, _ in off]
    healed = store.transact(lambda tx: tx.healed_at(asked)) if asked else ()
    return [
        SimulatedDecision(i, client, name, at, decision, healed_at)
        for (at, i, _, decision), (client, name, healed_at) in zip(off, healed, strict=True)
    ]

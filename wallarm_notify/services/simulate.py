"""Simulate: what another policy would have switched off, over the attempts that are recorded (spec 6)."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from wallarm_notify.domain.health import (
    MINUTE,
    OUTAGE_WINDOW,
    Cell,
    Counts,
    Judgement,
    Outage,
    Policy,
    Window,
    is_in_outage,
    judge,
    minute_of,
)
from wallarm_notify.domain.retry import SCHEDULE
from wallarm_notify.services.ports import Store

SLICE: Final = timedelta(hours=1)
"""So much of the past is read at once."""

SOON: Final = SCHEDULE
"""Healed within a whole schedule: the retries alone would have got through."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An integration that would have been switched off, and what became of it in fact.

    ``healed_at`` is when its first attempt after that succeeded, None: none did.
    """

    integration_id: int
    client_id: int
    name: str | None
    at: datetime
    judgement: Judgement
    healed_at: datetime | None

    @property
    def healed_soon(self) -> bool:
        """Whether its retries alone would have got through: switching it off would have been wrong."""
        return self.healed_at is not None and self.healed_at - self.at <= SOON


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a policy would have come to between two moments."""

    policy: Policy
    since: datetime
    until: datetime
    integrations: int
    attempts: int
    verdicts: Sequence[Verdict]


class SimulateQueries(Protocol):
    """What simulating asks of the database."""

    @property
    def now(self) -> datetime:
        """The transaction's time by the database's clock."""
        ...

    def minutes_of_attempts(self, start: datetime, end: datetime) -> list[tuple[Cell, Counts]]:
        """Recorded attempts, counted by the minute, by minute and integration."""
        ...

    def healed_at(self, integration_id: int, generation: int, after: datetime) -> datetime | None:
        """When the first attempt after ``after`` began that succeeded."""
        ...

    def names_of(self, integration_ids: Iterable[int]) -> Mapping[int, tuple[int, str | None]]:
        """The clients and names of integrations."""
        ...


@dataclass(slots=True)
class _Rolling:
    """One integration's clean window as it rolls."""

    generation: int
    cells: deque[tuple[datetime, Counts]] = field(default_factory=deque)
    attempts: int = 0
    failed: int = 0
    excusable: int = 0
    off: bool = False

    def add(self, minute: datetime, counts: Counts) -> None:
        self.cells.append((minute, counts))
        self._move(counts, 1)

    def drop(self, before: datetime) -> None:
        while self.cells and self.cells[0][0] < before:
            self._move(self.cells.popleft()[1], -1)

    def may_reach(self, policy: Policy) -> bool:
        """Whether it is worth adding everything up: with the excusable failures or without."""
        own, others = self.failed - self.excusable, self.attempts - self.excusable
        return (
            100 * self.failed >= policy.ratio * self.attempts
            or 100 * own >= policy.ratio * others > 0
        )

    def _move(self, counts: Counts, sign: int) -> None:
        self.attempts += sign * counts.attempts
        self.failed += sign * counts.failed
        self.excusable += sign * counts.excusable


class _Hours:
    """Everybody's last hour as it rolls, to tell an outage."""

    def __init__(self) -> None:
        self._cells: deque[tuple[datetime, int, int, int]] = deque()
        self._held: dict[int, tuple[int, int]] = {}
        self._affected: set[int] = set()

    def add(self, minute: datetime, integration_id: int, counts: Counts) -> None:
        self._cells.append((minute, integration_id, counts.attempts, counts.excusable))
        self._move(integration_id, counts.attempts, counts.excusable)

    def drop(self, before: datetime) -> None:
        while self._cells and self._cells[0][0] < before:
            _, integration_id, attempts, excusable = self._cells.popleft()
            self._move(integration_id, -attempts, -excusable)

    @property
    def outage(self) -> Outage:
        return Outage(len(self._held), len(self._affected))

    def _move(self, integration_id: int, attempts: int, excusable: int) -> None:
        before = self._held.get(integration_id, (0, 0))
        now = (before[0] + attempts, before[1] + excusable)
        if now[0]:
            self._held[integration_id] = now
        else:
            del self._held[integration_id]
        if is_in_outage(*now):
            self._affected.add(integration_id)
        else:
            self._affected.discard(integration_id)


class Replayed:
    """A policy's reviews, one at the end of each minute, over attempts given minute by minute."""

    def __init__(self, policy: Policy) -> None:
        self.attempts = 0
        self._policy = policy
        self._windows: dict[int, _Rolling] = {}
        self._failing: dict[int, _Rolling] = {}
        self._hours = _Hours()
        self._outages: list[tuple[datetime, datetime | None]] = []

    @property
    def integrations(self) -> int:
        """How many integrations had attempts."""
        return len(self._windows)

    def take(self, minute: datetime, cells: Iterable[tuple[Cell, Counts]]) -> None:
        """The attempts of ``minute``, the next one."""
        for cell, counts in cells:
            i = cell.integration_id
            self.attempts += counts.attempts
            self._hours.add(minute, i, counts)
            window = self._windows.get(i)
            if window is None or window.generation < cell.generation:
                window = self._windows[i] = _Rolling(cell.generation)
                self._failing.pop(i, None)
            if window.generation == cell.generation:
                window.drop(self._policy.window_from(minute))
                window.add(minute, counts)
                if counts.failed and not window.off:
                    self._failing[i] = window

    def review(self, now: datetime) -> list[tuple[int, int, Judgement]]:
        """Who is switched off at ``now``, a whole minute: integration, generation, judgement."""
        outage = self.look_for_outage(now)
        start = self._policy.window_from(now)
        off = []
        for i, window in list(self._failing.items()):
            window.drop(start)
            if not window.failed:
                del self._failing[i]
            elif window.may_reach(self._policy):
                judgement = judge(self._window_of(window, outage=outage), self._policy)
                if judgement.switches_off:
                    window.off = True
                    del self._failing[i]
                    off.append((i, window.generation, judgement))
        return off

    def look_for_outage(self, now: datetime) -> bool:
        """Whether PagerDuty was down for most at ``now``; remembers it."""
        start = now - OUTAGE_WINDOW
        self._hours.drop(start)
        on = self._policy.outage_guard and self._hours.outage.on
        goes_on = bool(self._outages) and self._outages[-1][1] is None
        if on and not goes_on:
            self._outages.append((start, None))
        elif goes_on and not on:
            self._outages[-1] = (self._outages[-1][0], now)
        return on

    def _window_of(self, window: _Rolling, *, outage: bool) -> Window:
        parts = {False: Counts(), True: Counts()}
        for minute, counts in window.cells:
            excused = any(b <= minute and (e is None or minute < e) for b, e in self._outages)
            parts[excused] += counts
        return Window(parts[False], parts[True], outage)


def simulate(
    store: Store[SimulateQueries],
    policy: Policy,
    since: datetime,
    progress: Callable[[float], None] = lambda _: None,
) -> Simulation:
    """Runs ``policy`` over what was recorded since then. Raises Unavailable.

    The window that stood at ``since`` is read too; ``progress`` is told how much is done, from 0
    to 1. What was recorded before counters were kept, test alerts and last notifications are no
    part of it.
    """
    until = minute_of(store.transact(lambda tx: tx.now))
    since = minute_of(since)
    replayed = Replayed(policy)
    off: list[tuple[datetime, int, int, Judgement]] = []
    begin = start = since - policy.window - OUTAGE_WINDOW
    while start < until:
        end = min(start + SLICE, until)
        found = deque(store.transact(_reading(start, end)))
        while start < end:
            of_minute = []
            while found and found[0][0].minute == start:
                of_minute.append(found.popleft())
            replayed.take(start, of_minute)
            start += MINUTE
            if start > since:
                off += [(start, *one) for one in replayed.review(start)]
            else:
                replayed.look_for_outage(start)
        progress((start - begin) / (until - begin))
    verdicts = _verdicts(store, off)
    return Simulation(policy, since, until, replayed.integrations, replayed.attempts, verdicts)


def _reading(
    start: datetime, end: datetime
) -> Callable[[SimulateQueries], list[tuple[Cell, Counts]]]:
    return lambda tx: tx.minutes_of_attempts(start, end)


def _verdicts(
    store: Store[SimulateQueries], off: Sequence[tuple[datetime, int, int, Judgement]]
) -> list[Verdict]:
    names = store.transact(lambda tx: tx.names_of({i for _, i, _, _ in off}))

    def verdict(at: datetime, i: int, generation: int, judgement: Judgement) -> Verdict:
        healed = store.transact(lambda tx: tx.healed_at(i, generation, at))
        return Verdict(i, *names.get(i, (0, None)), at, judgement, healed)

    return [verdict(*one) for one in off]

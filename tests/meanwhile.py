"""Two transactions at once, in the order in which a test wants them."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from build import eventually

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.sender.retry_buffer import RetryBuffer
from wallarm_notify.store import queries
from wallarm_notify.store.connection import BEGIN
from wallarm_notify.store.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from build import Bench

    from wallarm_notify.store import Store

T = TypeVar("T")

PATIENCE = 60.0
"""How many seconds a transaction waits for the other, as the machine may be busy."""

PATIENT_BEGIN = re.sub(rb"_timeout = '\d+s'", b"_timeout = '120s'", BEGIN)
"""What begins a transaction that may wait for longer than that, for the other or for a lock of it."""


class Held:
    """A store whose transactions stop before their commit, with all that they locked, until they may go on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_held = threading.Event()
        self.goes_on = threading.Event()

    def transact(self, work: Callable[[Any], T]) -> T:
        def hold(tx: Any) -> T:
            result = work(tx)
            self.is_held.set()
            assert self.goes_on.wait(PATIENCE)
            return result

        return self._store.transact(hold)

    def bench(self, bench: Bench) -> Any:
        """Return ``bench`` with all its use cases over this store."""
        over: Any = copy(bench)
        over.store = self
        over.ctx = replace(bench.ctx, store=self)  # type: ignore[arg-type]  # it is used like one
        over.retries = RetryBuffer(over.publisher)
        return over


class EndingWith:
    """A store whose transactions do something more before their commit."""

    def __init__(self, store: Store, end: Callable[[Any], None]) -> None:
        self._store = store
        self._end = end

    def transact(self, work: Callable[[Any], Any]) -> Any:
        def run(tx: Any) -> Any:
            result = work(tx)
            self._end(tx)
            return result

        return self._store.transact(run)


def overlapping(
    bench: Bench,
    first: Callable[[Bench], object],
    second: Callable[[], T],
    *,
    meanwhile: Callable[[], object] = lambda: None,
) -> T:
    """Return what ``second`` returns, which has to wait for a lock of ``first`` until that commits.

    ``first`` is one transaction of the bench it is given; ``meanwhile`` happens while the other one waits.
    """
    held = Held(bench.store)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(queries, "BEGIN", PATIENT_BEGIN)
        holder = pool.submit(first, held.bench(bench))
        try:
            eventually(lambda: holder.done() or held.is_held.is_set(), PATIENCE)
            assert held.is_held.is_set(), holder.result()
            waiting = pool.submit(second)
            eventually(lambda: waiting.done() or _number_waiting(bench), PATIENCE)
            assert not waiting.done(), f"it did not wait: {waiting.result()}"
            meanwhile()
        finally:
            held.goes_on.set()
        holder.result(PATIENCE)
        return waiting.result(PATIENCE)


def _number_waiting(bench: Bench) -> int:
    """Return how many connections of this database wait for a lock."""
    number: int = bench.value(
        """SELECT count(*) FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    )
    return number


def beside(bench: Bench, hold: Callable[[Any], object], act: Callable[[], T]) -> T:
    """Return what ``act`` returns while another transaction has locked what it locks in ``hold``."""

    def work(tx: Any) -> T:
        hold(tx)
        return act()

    return bench.store.transact(work)


@contextmanager
def database_calls() -> Iterator[list[float]]:
    """Yield the times at which the database is sent something meanwhile, by the process's clock."""
    began: list[float] = []
    send = Queries._send

    def note(queries: Queries) -> None:
        began.append(since_boot())
        send(queries)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Queries, "_send", note)
        yield began

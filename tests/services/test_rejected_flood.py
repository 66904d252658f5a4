"""What is rejected beyond a day's limit is counted and not kept, exactly, whatever comes twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from build import Bench, a_rejection, an_event, eventually

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from wallarm_notify.domain.event import Rejection
    from wallarm_notify.services.context import Context

MOST = 3


@pytest.fixture
def ctx(bench: Bench) -> Context:
    return bench.with_settings(rejected_per_day=MOST)


def some(number: int, client: int = 1) -> list[Rejection]:
    return [replace(a_rejection(), client_id=client) for _ in range(number)]


def kept(bench: Bench) -> int:
    return int(bench.value("SELECT count(*) FROM rejected"))


def test_a_flood_is_counted_beside_received_and_the_ledger_balances(
    bench: Bench, ctx: Context
) -> None:
    (routed,) = ingest(ctx, [], some(10))
    assert (routed.rejected, routed.not_kept) == (MOST + 1, 6)
    (routed,) = ingest(ctx, [], some(2) + some(2, client=2))
    assert (routed.rejected, routed.not_kept) == (2, 2)
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.rejected_not_kept) == (6, 6, 8)
    assert ledger.findings == []
    assert kept(bench) == 6


def test_what_comes_twice_counts_once(bench: Bench, ctx: Context) -> None:
    flood = some(3)
    for _ in range(3):
        (routed,) = ingest(ctx, [], flood + flood)
        assert routed.not_kept == 0
    (routed,) = ingest(ctx, [], [*flood, *some(3)])
    assert (routed.rejected, routed.not_kept) == (1, 2)
    # The whole again: what is kept is known, the rest is not.
    assert ingest(ctx, [], flood)[0].not_kept == 0
    assert bench.ledger().findings == []


def test_the_next_day_begins_anew(bench: Bench, ctx: Context) -> None:
    ingest(ctx, [], some(10))
    bench.sql("UPDATE rejected_by_day SET day = day - 1")
    (routed,) = ingest(ctx, [], some(2))
    assert (routed.rejected, routed.not_kept) == (2, 0)


def test_events_that_are_ahead_of_our_clock_are_all_kept(bench: Bench, ctx: Context) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=25)).isoformat()
    (routed,) = ingest(ctx, [an_event(occurred_at=soon) for _ in range(10)], [])
    assert (routed.rejected, routed.not_kept, kept(bench)) == (10, 0, 10)


def test_without_a_limit_all_are_kept(bench: Bench) -> None:
    (routed,) = ingest(bench.ctx, [], some(10))
    assert (routed.rejected, routed.not_kept) == (10, 0)
    assert bench.value("SELECT count(*) FROM rejected_by_day") == 0


def test_floods_at_once_keep_no_more(bench: Bench, ctx: Context) -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - one use

    with ThreadPoolExecutor(4) as pool:
        floods = [some(1) + some(1, client=2) for _ in range(20)]
        list(pool.map(lambda flood: ingest(ctx, [], flood), floods))
    eventually(lambda: kept(bench) == 2 * (MOST + 1))
    assert bench.ledger().rejected_not_kept == 40 - 8
    assert bench.ledger().findings == []


def test_undecodable_messages_have_a_limit_too(bench: Bench) -> None:
    def keep() -> bool:
        return bench.store.transact(lambda tx: tx.store_undecodable("no JSON", None, b"x", MOST))

    assert [keep() for _ in range(5)] == [True] * MOST + [False] * 2
    assert bench.store.transact(lambda tx: tx.undecodable_count(EVERY_CLIENT)) == MOST


def test_days_that_are_over_are_forgotten(bench: Bench, ctx: Context) -> None:
    ingest(ctx, [], some(1))
    bench.sql("UPDATE rejected_by_day SET day = day - 2")
    ingest(ctx, [], some(1))
    bench.prune()
    assert bench.value("SELECT count(*) FROM rejected_by_day") == 1

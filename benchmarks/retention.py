"""What retention costs: batches of events where as many old ones leave as new ones come.

    python -m benchmarks.retention [--events 40000] [--stored 100000] [--rounds 9] [--json]
    python -m benchmarks.retention --minutes 30 [--rate 1000] [--json]

The first runs contender (e) on two databases that hold the same, in turn, round after round. Before each round as many
events are stored as are going to come; in one of the two they are past their retention. What is told is the median of
the ratios within a round, and how many left while the new ones came.

The second sends a steady stream into one database whose retention is two minutes, and tells how large the tables are
from the time at which as many leave as come: flat, where they stay within 10 per cent of their median.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, Final

from benchmarks.compare import INTEGRATIONS
from benchmarks.contenders import CONTENDERS
from benchmarks.open_loop import evenly, how_many, on_time
from benchmarks.ours import at_work, event
from benchmarks.stack import BenchmarkStack, Void, benchmark_stack, say
from benchmarks.stored import store
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.store.retention import passed_after
from wallarm_notify.task_names import EVENTS_QUEUE, INGEST

RETENTION: Final = timedelta(days=1)
KEPT: Final = {"forgets": RETENTION, "forgets nothing": timedelta(days=36500)}
"""The retentions of the two databases of a comparison."""

SHORT: Final = timedelta(minutes=2)
"""The retention under a steady stream."""

BATCH: Final = 100

SIZES: Final = """
    SELECT sum(pg_total_relation_size(CAST(name AS regclass)))
    FROM unnest(ARRAY['events', 'notifications', 'attempts']) name"""

PRUNED: Final = "SELECT coalesce(sum(value), 0) FROM counts WHERE kind IN ('pruned:matched', 'pruned:unmatched')"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=40_000, help="that come in a round")
    parser.add_argument("--stored", type=int, default=100_000, help="in both, beside what leaves")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--minutes", type=float, help="of a steady stream, in place of rounds")
    parser.add_argument("--rate", type=float, default=1000.0, help="events a second of the stream")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        if options.minutes:
            result, lines = _stream(options.rate, options.minutes * 60)
        else:
            result, lines = _compared(options.events, options.stored, options.rounds)
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(lines))
    return 0


def _compared(events: int, stored: int, rounds: int) -> tuple[dict[str, Any], list[str]]:
    rates: dict[str, list[float]] = {name: [] for name in KEPT}
    left = []
    with ExitStack() as parts:
        stacks = {
            name: parts.enter_context(benchmark_stack(retention_days=kept / timedelta(days=1)))
            for name, kept in KEPT.items()
        }
        for stack in stacks.values():
            stack.make_integrations(INTEGRATIONS)
            store(stack, stored, newest=timedelta(hours=13), oldest=timedelta(hours=20))
        for number in range(1, rounds + 1):
            for name, stack in stacks.items():
                past = passed_after(RETENTION) + timedelta(minutes=1)
                store(stack, events, newest=past, oldest=past + timedelta(hours=1))
                stack.execute("UPDATE prune_marks SET began_at = began_at - interval '1 day'")
                stack.sink.forget()
                before = stack.number(PRUNED)
                rates[name].append(CONTENDERS["e"](stack, events))
                if name == "forgets":
                    left.append(stack.number(PRUNED) - before)
                say(f"round {number} of {rounds}: {name}: {rates[name][-1]:,.0f} events/s")
    ratios = [
        forgets / keeps for forgets, keeps in zip(*(rates[name] for name in KEPT), strict=True)
    ]
    ratio = statistics.median(ratios)
    forgets, keeps = (statistics.median(rates[name]) for name in KEPT)
    lines = [
        (
            f"forgets nothing {keeps:,.0f} events/s; {statistics.median(left):,.0f} leave while {events:,} come: "
            f"{forgets:,.0f}; ratio {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    ]
    return {"rates": rates, "left": left, "ratio": ratio}, lines


def _stream(rate: float, seconds: float) -> tuple[dict[str, Any], list[str]]:
    kept = SHORT / timedelta(days=1)
    with benchmark_stack(retention_days=kept, failure_window=60, failure_min_span=0) as one:
        one.make_integrations(INTEGRATIONS)
        samples = _sizes_of(one, rate, seconds)
    steady = [size for at, size in samples if at > 2 * SHORT.total_seconds()]
    if not steady:
        raise Void("it is steady after two retentions: --minutes 5 or more")
    middle = statistics.median(steady)
    lines = [
        (
            f"{rate:,.0f} events/s, retention {SHORT.total_seconds():.0f} s: {middle / 1e6:,.0f} MB, from "
            f"{min(steady) / middle:.2f} to {max(steady) / middle:.2f} of that in {len(steady)} samples"
        )
    ]
    return {"rate": rate, "samples": samples, "median": middle}, lines


def _sizes_of(stack: BenchmarkStack, rate: float, seconds: float) -> list[tuple[float, int]]:
    """Return the size of the tables each ten seconds, by the time since the stream began."""
    calls = how_many(rate / BATCH, seconds)
    with at_work(stack, calls * BATCH), stack.producer() as send, ThreadPoolExecutor(1) as beside:
        watching = beside.submit(_watched, stack, seconds)
        for call in on_time(evenly(rate / BATCH, seconds)):
            numbers = range(call * BATCH, (call + 1) * BATCH)
            events = [event(n, n % INTEGRATIONS + 1) for n in numbers]
            send(INGEST, kwargs={"events": events}, queue=EVENTS_QUEUE)
        samples = watching.result()
        stack.sink.wait_for(calls * BATCH, 120)
    return samples


def _watched(stack: BenchmarkStack, seconds: float) -> list[tuple[float, int]]:
    began = time.monotonic()
    samples = []
    for _ in on_time(evenly(0.1, seconds, start=10)):
        samples.append((time.monotonic() - began, stack.number(SIZES)))
        say(f"second {samples[-1][0]:,.0f}: {samples[-1][1] / 1e6:,.0f} MB")
    return samples


if __name__ == "__main__":
    sys.exit(main())

"""How long a scrape of the metrics takes, where much is stored, counted and open.

    python -m benchmarks.metrics [--stored 1000000] [--rounds 50] [--json]

It fills an empty database of its own with so many delivered notifications of 1,000 integrations, twelve hours of
counters of each (720,000 rows), 20,000 notifications that wait for a retry, and 64 rows of every counter. Then it reads
all figures, round after round, as ``/metrics`` does.
"""

import argparse
import json
import time
from collections.abc import Sequence
from datetime import timedelta

from benchmarks.open_loop import p50_and_p99
from benchmarks.review import FILL, MINUTES
from benchmarks.stack import BenchmarkStack, Void, benchmark_stack, say
from benchmarks.stored import settle, store
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.entrypoints.metrics import exposition
from wallarm_notify.services.measure import measure

INTEGRATIONS = 1000
WAITING = 20_000
MOST_P50 = 50.0
"""Milliseconds that a scrape may take with a million notifications (docs/operations.md)."""

WAIT = """
    UPDATE notifications SET state = 'retrying', finished_at = NULL, due_at = now() + interval '1 hour',
        recheck_at = now() + interval '1 hour'
    WHERE id IN (SELECT id FROM notifications ORDER BY id DESC LIMIT :waiting)"""

COUNTERS = """
    INSERT INTO counts (kind, shard, value)
    SELECT kind, shard, 0 FROM (SELECT DISTINCT kind FROM counts) k CROSS JOIN generate_series(0, 63) shard
    UNION ALL SELECT 'rejected\\:' || n || '\\:fields', shard, 1
    FROM generate_series(1, 300) n CROSS JOIN generate_series(0, 63) shard
    ON CONFLICT DO NOTHING"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill, measure and print. Raise Void where a scrape takes too long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stored", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    with benchmark_stack() as stack:
        _fill(stack, options.stored)
        times = [_scraped(stack) for _ in range(options.rounds)]
    found = p50_and_p99(times)
    p50, p99 = found["p50"], found["p99"]
    if options.json:
        print(json.dumps({"stored": options.stored, **found}))
    else:
        print(
            f"{options.stored:,} stored: a scrape takes {p50:.1f} ms, and {p99:.1f} ms of a hundred at most"
        )
    if p50 > MOST_P50:
        raise Void(f"A scrape takes {p50:.0f} ms; it may take {MOST_P50:.0f}.")


def _fill(stack: BenchmarkStack, stored: int) -> None:
    stack.make_integrations(INTEGRATIONS)
    day = timedelta(days=1)
    store(stack, stored, newest=day, oldest=30 * day)
    say("counting the attempts of twelve hours")
    stack.execute(FILL, minutes=MINUTES, case="few")
    stack.execute(WAIT, waiting=min(WAITING, stored))
    stack.execute(COUNTERS)
    settle(stack)


def _scraped(stack: BenchmarkStack) -> float:
    """Read all figures once, and return the seconds that it took."""
    context = stack.wiring.context
    began = time.perf_counter()
    exposition(lambda: measure(context, EVERY_CLIENT))
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

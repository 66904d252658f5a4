"""How long the review takes over 12 hours of counters of many integrations.

    python -m benchmarks.review [--integrations 10000] [--rounds 3] [--json]

It fills an empty database of its own, on the server that WALLARM_NOTIFY_DATABASE_URL names or on one
that it starts and stops, with a counter for every integration and minute, and times whole runs. What
it measures: ``few``, where of a hundred integrations one fails half of its attempts and nine fail
once in four hours; ``outage``, where everything has failed with 503 for twelve hours; ``candidates``,
where half of all attempts failed with 400, so that every integration has to be added up.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from benchmarks.parts import SilentPublisher
from wallarm_notify.bootstrap import service_settings_of
from wallarm_notify.devstack.stack import database
from wallarm_notify.services.context import Context
from wallarm_notify.services.review import review
from wallarm_notify.settings import Settings
from wallarm_notify.store import Store, migrations
from wallarm_notify.store.engine import make_engine
from wallarm_notify.store.pool import Pool

MINUTES = 720

MAKE_INTEGRATIONS = """
    INSERT INTO integrations (client_id, name, region, subscriptions, enabled)
    SELECT n, 'integration ' || n, 'us', '{system}', true FROM generate_series(1, :number) n"""

# Two attempts a minute, in the order in which they would have come.
FILL = """
    INSERT INTO health_minutes (integration_id, generation, minute, attempts, failed, network, server,
        throttled, client, other, excusable_first_at, excusable_last_at, succeeded_last_at)
    SELECT i.id, 0, m, 2, f.failed, 0, CASE WHEN :case <> 'candidates' THEN f.failed ELSE 0 END, 0,
        CASE WHEN :case = 'candidates' THEN f.failed ELSE 0 END, 0,
        CASE WHEN f.failed > 0 THEN m END, CASE WHEN f.failed > 0 THEN m END,
        CASE WHEN f.failed < 2 THEN m + interval '30 seconds' END
    FROM integrations i
    CROSS JOIN generate_series(
        date_trunc('minute', now()) - :minutes * interval '1 minute', now(), '1 minute') m
    CROSS JOIN LATERAL (SELECT CASE
        WHEN :case = 'outage' THEN 2
        WHEN :case = 'candidates' THEN 1
        WHEN i.id % 100 = 0 THEN 1
        WHEN i.id % 100 < 10 AND extract(minute FROM m) = 0 AND extract(hour FROM m)::int % 4 = 0 THEN 1
        ELSE 0 END AS failed) f
    ORDER BY m, i.id"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--integrations", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    results = [
        _measured(case, options.integrations, options.rounds)
        for case in ("few", "outage", "candidates")
    ]
    if options.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{'case':<12}{'counters':>12}{'median':>10}{'worst':>10}   (seconds for a whole review)")
    for r in results:
        print(f"{r['case']:<12}{r['counters']:>12,}{r['median']:>10.3f}{r['worst']:>10.3f}")


def _measured(case: str, integrations: int, rounds: int) -> dict[str, Any]:
    with database(os.environ) as url:
        _say(f"{case}: filling {integrations * (MINUTES + 1):,} counters")
        counters = _fill(url, integrations, case=case)
        settings = replace(service_settings_of(Settings()), review_interval=timedelta())
        ctx = Context(Store(Pool(url)), SilentPublisher(), settings)
        times = []
        for n in range(rounds):
            began = time.perf_counter()
            done = review(ctx)
            times.append(time.perf_counter() - began)
            _say(f"{case}: round {n + 1} of {rounds}: {times[-1]:.3f} s, {done.words}")
    return {
        "case": case,
        "integrations": integrations,
        "counters": counters,
        "median": statistics.median(times),
        "worst": max(times),
    }


def _fill(url: str, integrations: int, *, case: str) -> int:
    migrations.upgrade(url)
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(text(MAKE_INTEGRATIONS), {"number": integrations})
        made = connection.execute(text(FILL), {"minutes": MINUTES, "case": case})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    return made.rowcount


def _say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    main()

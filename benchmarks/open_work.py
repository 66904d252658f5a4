"""What a narrow table of open work beside the notifications would save, and what it would cost.

    python -m benchmarks.open_work [--stored 200000] [--batches 60] [--rounds 3] [--as-planned] [--json]

Two layouts in one database of its own, on the server that WALLARM_NOTIFY_DATABASE_URL names, which has to
be on this machine, or on one that it starts and stops:

``today``: the notifications as migrated, by the store's own statements.

``narrow``: what changes while a notification is open is in a table ``open_work``; the notification itself
is written twice, as it is made and as it ends, when its open work is deleted.

Batches of 100 are inserted, claimed and recorded; what fails is claimed and recorded again when every batch
has had its attempt, and the last attempt delivers. Only the notifications' statements are played, in the
transactions in which they are: events, attempts, counters and what a claim joins beside the notifications
cost the same in both and are left out, so the ratio is that of a part and not of the whole.

The figures are the CPU of PostgreSQL's own process, by /proc, the wall time and the WAL for each notification,
medians over the rounds, with ratios paired within a round; the WAL is the whole server's. Autovacuum is off
for these tables. In its stead VACUUM runs between attempts where autovacuum would have come, and after each
run; that last one counts by the part of autovacuum's threshold that had gathered.

Left to itself, PostgreSQL updates a hundred rows of a small ``open_work`` by scanning all of it, as often as
there are batches. Unless ``--as-planned`` is given it may not, so that the figures show the most that the narrow
table can save; the plans of ``today`` are the same either way.

It decides nothing by itself: a second table also has to be kept in step by whatever reads or writes open
notifications, the sweep, bulkheads, disablings, replays, the ledger and PRUNE, and that has no microseconds.
"""

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine

from benchmarks.open_work_layouts import LAYOUTS, NARROW, TABLES, Narrow, Today
from benchmarks.stack import Void, say
from wallarm_notify.devstack.stack import database
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.notification import (
    NewNotification,
    claimed,
    fresh,
    recorded,
)
from wallarm_notify.domain.outcome import Delivered, Outcome, RetryLater
from wallarm_notify.store import migrations
from wallarm_notify.store.connection import make_engine, transaction

BATCH: Final = 100
INTEGRATIONS: Final = 1000
ATTEMPTS: Final = (1, 2, 5)
WARM: Final = 5
"""How many batches of each kind are played before the first round."""

LEASE: Final = timedelta(seconds=30)
GRACE: Final = timedelta(seconds=15)

TICK: Final = os.sysconf("SC_CLK_TCK")
THRESHOLD: Final = 50
SCALE: Final = 0.2
"""Autovacuum comes after so many dead rows and this part of the table's: PostgreSQL's defaults."""

EACH: Final = {"cpu": 1e6, "vacuum": 1e6, "wall": 1e6, "wal": 1.0}
WORDS: Final = {
    "cpu": "PostgreSQL's CPU, µs",
    "vacuum": "VACUUM's CPU, µs",
    "both": "CPU of both, µs",
    "wall": "wall time, µs",
    "wal": "WAL, bytes",
}

FILL: Final = """
    INSERT INTO notifications (client_id, integration_id, event_id, origin, severity, created_at, state,
        attempts_made, fence, disablings, due_at, finished_at)
    SELECT n %% %(integrations)s + 1, n %% %(integrations)s + 1, gen_random_uuid(), 'card', 2, at,
        'delivered', 1, 1, 0, at, at + interval '100 ms'
    FROM (SELECT n, now() - interval '1 day' + n * interval '1 ms' AS at
          FROM generate_series(1, %(stored)s) n) one
    ORDER BY n"""

BY_INDEX: Final = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"


class Server:
    """The database, seen over one connection, and what the process of that has used."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        pid = self.number("SELECT pg_backend_pid()")
        self._stat = Path(f"/proc/{pid}/stat")
        if not self._stat.exists() or "postgres" not in self._stat.read_text():
            raise Void("PostgreSQL's processes are not on this machine, or cannot be seen")

    def cpu(self) -> float:
        """Return the seconds of CPU that the connection's process used, user's and system's."""
        fields = self._stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def wal(self) -> int:
        """Return how many bytes of WAL the server has ever written."""
        return self.number("SELECT pg_current_wal_insert_lsn() - '0/0'")

    def number(self, query: str) -> int:
        """Return the single number that ``query`` yields."""
        with transaction(self.engine) as cursor:
            cursor.execute(query)
            return int(cursor.fetchone()[0])

    def execute(self, statement: str, **parameters: Any) -> None:
        """Run one statement that commits by itself."""
        with transaction(self.engine) as cursor:
            cursor.execute(statement, parameters or None)


class Run:
    """One run of one layout, and what it used."""

    def __init__(self, server: Server, layout: str) -> None:
        self.server = server
        self.kind = LAYOUTS[layout]
        self.tables = TABLES[layout]
        self.dead: dict[str, int] = defaultdict(int)
        self.used: dict[str, float] = dict.fromkeys(EACH, 0.0)

    def play(self, batches: int, attempts: int) -> dict[str, float]:
        """Make, claim and record notifications; return the microseconds and bytes of each."""
        ids = []
        with self._measured():
            for _ in range(batches):
                ids.append(self._made())
                self._attempted(ids[-1], last=attempts == 1)
        for number in range(2, attempts + 1):
            self._vacuum_where_due()
            with self._measured():
                for some in ids:
                    self._attempted(some, last=number == attempts)
        self._vacuum_for_the_rest(batches)
        used = {name: self.used[name] * unit / batches / BATCH for name, unit in EACH.items()}
        return used | {"both": used["cpu"] + used["vacuum"]}

    @contextmanager
    def _measured(self) -> Iterator[None]:
        wal, cpu, wall = self.server.wal(), self.server.cpu(), time.perf_counter()
        yield
        self.used["wall"] += time.perf_counter() - wall
        self.used["cpu"] += self.server.cpu() - cpu
        self.used["wal"] += self.server.wal() - wal

    @contextmanager
    def _transaction(self) -> Iterator[Today | Narrow]:
        with transaction(self.server.engine) as cursor:
            tx = self.kind(cursor, None)
            yield tx
            tx.commit()

    def _made(self) -> list[int]:
        with self._transaction() as tx:
            new = [_new(tx.now) for _ in range(BATCH)]
            return [n.id for n in tx.insert_notifications(new) if n is not None]

    def _attempted(self, ids: Sequence[int], *, last: bool) -> None:
        with self._transaction() as tx:
            now = tx.now
            tx.save([claimed(n, now, LEASE) for n in tx.take(ids)])
        with self._transaction() as tx:
            now = tx.now
            tx.save(
                [
                    recorded(
                        n, _outcome(last=last), current=True, answered_at=now, now=now, grace=GRACE
                    )
                    for n in tx.lock(ids)
                ]
            )
        self.dead[self.tables[-1]] += 2 * len(ids)
        if last and len(self.tables) > 1:
            self.dead[self.tables[0]] += len(ids)

    def _vacuum_where_due(self) -> None:
        for table in self.tables:
            if self.dead[table] > self._threshold(table):
                self.used["vacuum"] += self._vacuumed(table)

    def _vacuum_for_the_rest(self, batches: int) -> None:
        """Leave nothing dead for the next run. Raise Void where a notification was not delivered."""
        for table in self.tables:
            part = min(self.dead[table] / self._threshold(table), 1)
            self.used["vacuum"] += self._vacuumed(table) * part
        newest = f"(SELECT state FROM {self.tables[0]} ORDER BY id DESC LIMIT {batches * BATCH})"  # noqa: S608 - ours
        query = f"SELECT count(*) FROM {newest} n WHERE state = 'delivered'"  # noqa: S608 - ours
        if self.server.number(query) != batches * BATCH:
            raise Void("some were not delivered")
        if len(self.tables) > 1 and self.server.number("SELECT count(*) FROM narrow.open_work"):
            raise Void("some work is still open")

    def _threshold(self, table: str) -> float:
        oid = f"'{table}'::regclass"
        rows = self.server.number(f"SELECT reltuples FROM pg_class WHERE oid = {oid}")  # noqa: S608 - ours
        return THRESHOLD + SCALE * max(rows, 0)

    def _vacuumed(self, table: str) -> float:
        before = self.server.cpu()
        self.server.execute(f"VACUUM (PARALLEL 0) {table}")
        self.dead[table] = 0
        return self.server.cpu() - before


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stored", type=int, default=200_000, help="notifications, delivered")
    parser.add_argument("--batches", type=int, default=60, help="of 100 notifications, in a run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--as-planned", action="store_true", help="let PostgreSQL scan whole tables"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        result = measured(
            options.stored, options.batches, options.rounds, as_planned=options.as_planned
        )
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


def measured(stored: int, batches: int, rounds: int, *, as_planned: bool) -> dict[str, Any]:
    """Return every figure of every round, by attempts and layout, and the sizes at the end. Raise Void."""
    with database(os.environ) as url:
        migrations.upgrade(url)
        # With one connection, so that one process does it all.
        engine = make_engine(url, pool_size=1, bounded=False)
        try:
            server = Server(engine)
            _fill(server, stored)
            if not as_planned:
                server.execute(BY_INDEX)
            runs = _in_turn(server, batches, rounds)
            sizes = {layout: _sizes(server, layout) for layout in LAYOUTS}
        finally:
            engine.dispose()
    return {
        "stored": stored,
        "batches": batches,
        "as_planned": as_planned,
        "runs": runs,
        "sizes": sizes,
    }


def table(result: Mapping[str, Any]) -> list[str]:
    """Return the result as a table in Markdown."""
    title = f"Runs of {result['batches'] * BATCH:,} notifications in batches of {BATCH} beside"
    lines = [
        f"{title} {result['stored']:,} delivered ones; each notification, medians, ratios of the rounds:",
        "",
        "| attempts | figure | today | narrow | narrow/today |",
        "| --- | --- | --- | --- | --- |",
    ]
    for attempts, runs in [*result["runs"].items(), ("a retry", _retries(result["runs"]))]:
        for figure, words in WORDS.items():
            today, narrow = ([run[figure] for run in runs[layout]] for layout in LAYOUTS)
            ratio = statistics.median(b / a if a else 1 for a, b in zip(today, narrow, strict=True))
            lines.append(
                f"| {attempts} | {words} | {statistics.median(today):,.0f} "
                f"| {statistics.median(narrow):,.0f} | {ratio:.2f} |"
            )
    lines += [
        "",
        "| layout | table | rows | table, bytes a notification | indexes, bytes a notification |",
        "| --- | --- | --- | --- | --- |",
    ]
    for layout, tables in result["sizes"].items():
        rows = max(size["rows"] for size in tables.values())
        for name, size in tables.items():
            held, indexes = (size[kind] / rows for kind in ("table", "indexes"))
            lines.append(
                f"| {layout} | {name.rpartition('.')[2]} | {size['rows']:,} | {held:,.0f} | {indexes:,.0f} |"
            )
    return lines


def _retries(runs: Mapping[Any, Mapping[str, Sequence[Mapping[str, float]]]]) -> dict[str, Any]:
    """Return what one more attempt uses: of each round the most attempts less the fewest."""
    few, many = min(runs, key=int), max(runs, key=int)
    more = int(many) - int(few)
    return {
        layout: [
            {figure: (b[figure] - a[figure]) / more for figure in WORDS}
            for a, b in zip(runs[few][layout], runs[many][layout], strict=True)
        ]
        for layout in LAYOUTS
    }


def _in_turn(
    server: Server, batches: int, rounds: int
) -> dict[int, dict[str, list[dict[str, float]]]]:
    for attempts in ATTEMPTS:
        for layout in LAYOUTS:
            Run(server, layout).play(WARM, attempts)
    runs: dict[int, dict[str, list[dict[str, float]]]] = {
        attempts: {layout: [] for layout in LAYOUTS} for attempts in ATTEMPTS
    }
    for number in range(1, rounds + 1):
        for attempts in ATTEMPTS:
            for layout in LAYOUTS if number % 2 else reversed(LAYOUTS):
                used = Run(server, layout).play(batches, attempts)
                runs[attempts][layout].append(used)
                say(
                    f"round {number} of {rounds}: {attempts} attempts, {layout}: "
                    f"{used['cpu']:.0f} µs of CPU, {used['vacuum']:.0f} µs of VACUUM"
                )
    return runs


def _fill(server: Server, stored: int) -> None:
    say(f"storing {stored:,} notifications in both")
    server.execute(FILL, stored=stored, integrations=INTEGRATIONS)
    server.execute(NARROW)
    for tables in TABLES.values():
        for name in tables:
            server.execute(f"ALTER TABLE {name} SET (autovacuum_enabled = off)")
    server.execute("VACUUM ANALYZE")


def _sizes(server: Server, layout: str) -> dict[str, dict[str, int]]:
    return {
        name: {
            "rows": server.number(f"SELECT count(*) FROM {name}"),  # noqa: S608 - ours
            "table": server.number(f"SELECT pg_table_size('{name}')"),
            "indexes": server.number(f"SELECT pg_indexes_size('{name}')"),
        }
        for name in TABLES[layout]
    }


def _new(now: datetime) -> NewNotification:
    whose = random.randint(1, INTEGRATIONS)  # noqa: S311 - anyone's
    return fresh(
        client_id=whose,
        integration_id=whose,
        event_id=UUID(bytes=random.randbytes(16)),  # noqa: S311 - as good as any
        severity=Severity.ERROR,
        disablings=0,
        now=now,
        grace=GRACE,
    )


def _outcome(*, last: bool) -> Outcome:
    """Return a delivery, or a retry after a wait of its own."""
    return Delivered() if last else RetryLater(timedelta(seconds=random.uniform(5, 10)))  # noqa: S311 - a spread


if __name__ == "__main__":
    sys.exit(main())

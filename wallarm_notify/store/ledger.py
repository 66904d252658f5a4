"""Queries of the ledger: its counters, what is forgotten, and the rows that they are checked against (spec 7)."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from json import dumps
from typing import Any, Final

from wallarm_notify.domain.ledger import LastCheck, Recount, Standing, origin_kind
from wallarm_notify.domain.notification import origin_of
from wallarm_notify.store.queries import Queries

PASS: Final = timedelta(days=1)
"""The time between the beginnings of two passes of the check."""

_FORGOTTEN: Final = """
    WITH looked AS (
      -- SWEEP looks at all that waits behind a bulkhead as one: the latest stands for all.
      SELECT i.id, greatest(i.recovered_at,
          (SELECT max(recheck_at) FROM notifications w
           WHERE w.integration_id = i.id AND w.recheck_at IS NOT NULL AND i.slow_since IS NOT NULL)) AS at
      FROM integrations i WHERE i.slow_since IS NOT NULL OR i.recovered_at IS NOT NULL)
    SELECT
      (SELECT count(*) FROM notifications
       WHERE finished_at IS NULL AND recheck_at IS NULL) AS open_without_recheck,
      (SELECT count(*) FROM notifications n
       LEFT JOIN looked l ON l.id = n.integration_id
       WHERE n.recheck_at IS NOT NULL AND n.recheck_at < now() - interval '5 minutes'
         AND coalesce(l.at < now() - interval '5 minutes', true)) AS recheck_long_past,
      (SELECT count(*) FROM notifications n
       LEFT JOIN looked l ON l.id = n.integration_id
       WHERE n.finished_at IS NULL AND n.lease_until < now() - interval '5 minutes'
         AND coalesce(l.at < now() - interval '5 minutes', true)) AS leases_long_dead,
      -- Due when 5 minutes ahead, long due 5 minutes later.
      (SELECT count(*) FROM events_ahead WHERE occurred_at < now()) AS ahead_long_due,
      (SELECT count(*) FROM undecodable WHERE resubmitted_at IS NULL) AS undecodable,
      (SELECT count(*) FROM quarantine WHERE set_aside_at IS NOT NULL) AS set_aside
"""
"""What nobody would come back to, and what is counted beside received. It is read of what is open alone (engine 22)."""

_ROWS: Final[Mapping[str, str]] = {
    "events": """
        SELECT count(*) FILTER (WHERE fan_out > 0) AS events_matched,
            count(*) FILTER (WHERE fan_out = 0) AS events_unmatched FROM events""",
    "what was not taken in": """
        SELECT (SELECT count(*) FROM rejected WHERE resubmitted_as IS NULL) AS rejected,
            (SELECT count(*) FROM events_ahead) AS ahead""",
    "firings": "SELECT count(*) AS firings FROM firings",
    "events without all of their notifications": """
        SELECT count(*) AS fan_out_wrong FROM (
            SELECT e.fan_out, count(n.id) AS made
            FROM events e LEFT JOIN notifications n ON n.event_no = e.no
            GROUP BY e.no) f
        WHERE f.made <> f.fan_out""",
    "notifications alone": """
        SELECT
          (SELECT count(*) FROM notifications n WHERE NOT EXISTS
             (SELECT FROM events e WHERE e.no = n.event_no)) AS without_event,
          (SELECT count(*) FROM notifications n WHERE n.trigger_id <> 0 AND NOT EXISTS
             (SELECT FROM firings f WHERE f.event_no = n.event_no AND f.trigger_id = n.trigger_id)
          ) AS without_firing,
          (SELECT count(*) FROM notifications
           WHERE (finished_at IS NOT NULL) <> (state NOT IN ('pending', 'retrying'))
              OR (finished_at IS NOT NULL AND recheck_at IS NOT NULL)) AS ended_with_recheck""",
    "attempts": """
        SELECT
          (SELECT count(*) FROM attempts a WHERE NOT EXISTS
             (SELECT FROM notifications n WHERE n.id = a.notification_id)
          ) AS attempts_without_notification,
          (SELECT count(*) FROM notifications n WHERE n.attempts_made >
             (SELECT count(*) FROM attempts a
              WHERE a.notification_id = n.id AND a.run = n.run)) AS attempts_short""",
    "the last hour's counters": """
        SELECT count(*) AS counters_wrong FROM (
             SELECT a.integration_id, a.generation, date_trunc('minute', a.at, 'UTC') AS minute,
                 count(*) AS attempts, count(a.error) AS failed
             FROM integrations i CROSS JOIN LATERAL (
               SELECT * FROM attempts s WHERE s.integration_id = i.id AND s.generation IS NOT NULL
                 AND date_trunc('hour', s.at AT TIME ZONE 'UTC')
                   >= date_trunc('hour', (now() - interval '1 hour') AT TIME ZONE 'UTC')
                 AND s.at >= date_trunc('minute', now()) - interval '1 hour') a
             GROUP BY 1, 2, 3) a
           FULL JOIN (
             SELECT integration_id, generation, minute, attempts, failed FROM health_minutes
             WHERE minute >= date_trunc('minute', now()) - interval '1 hour') m
           USING (integration_id, generation, minute)
           WHERE (a.attempts, a.failed) IS DISTINCT FROM (m.attempts, m.failed)""",
}
"""What a recount counts in the rows, step by step."""

_CHECK: Final = """
    WITH near AS MATERIALIZED (
        SELECT no, fan_out,
            sum(1 + fan_out) OVER (ORDER BY no ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
        FROM (SELECT no, fan_out FROM events WHERE no > :after AND no <= :last ORDER BY no LIMIT :limit) e
    ), looked AS MATERIALIZED (
        SELECT no, fan_out FROM near WHERE coalesce(before, 0) < :limit
    ), made AS MATERIALIZED (
        SELECT id, event_no, trigger_id, state, run, attempts_made, finished_at, recheck_at FROM notifications
        WHERE event_no = ANY(ARRAY(SELECT no FROM looked))
    ), numbers AS (
        SELECT event_no AS no, count(*) AS made FROM made GROUP BY event_no
    )
    SELECT (SELECT max(no) FROM looked) AS upto,
      (SELECT count(*) FROM looked LEFT JOIN numbers USING (no) WHERE fan_out <> coalesce(made, 0)) AS fan_out_wrong,
      (SELECT count(*) FROM made m WHERE m.trigger_id <> 0 AND NOT EXISTS
         (SELECT FROM firings f WHERE f.event_no = m.event_no AND f.trigger_id = m.trigger_id)) AS without_firing,
      (SELECT count(*) FROM made
       WHERE (finished_at IS NOT NULL) <> (state NOT IN ('pending', 'retrying'))
          OR (finished_at IS NOT NULL AND recheck_at IS NOT NULL)) AS ended_with_recheck,
      (SELECT count(*) FROM made m WHERE m.attempts_made > (
          SELECT count(*) FROM attempts a WHERE a.notification_id = m.id AND a.run = m.run)) AS attempts_short
"""
"""What is wrong with the next rows, by kind, and how far they go."""

_TOTALS: Final = """
    SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM notifications) AS notifications,
        (SELECT count(*) FROM firings) AS firings,
        (SELECT json_object_agg(kind, value) FROM (
            SELECT kind, sum(value) AS value FROM counts GROUP BY kind) c) AS counts
"""
"""The numbers of rows and the counters, in one statement and so of one moment."""


class LedgerQueries(Queries):
    """What the ledger reads, and what its check writes."""

    def running_counts(self) -> dict[str, int]:
        """Return the ledger's running counters by kind."""
        rows = self._rows("SELECT kind, sum(value) AS value FROM counts GROUP BY kind")
        return {row["kind"]: int(row["value"]) for row in rows}

    def standing(self) -> Standing:
        """Return the ledger as its counters have it, from one snapshot; the time that takes does not grow."""
        self._do("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        rows = self._rows("SELECT checked_at, found FROM ledger_check WHERE checked_at IS NOT NULL")
        return Standing(
            counts=self.running_counts(),
            last_check=LastCheck(rows[0]["checked_at"], rows[0]["found"]) if rows else None,
            **self._rows(_FORGOTTEN)[0],
        )

    def recount(self, progress: Callable[[str, int, int], None]) -> Recount:
        """Return what the rows themselves come to, in the snapshot of ``standing``.

        ``progress`` is called before each step with what is counted, how many steps are done, and of how many.
        """
        self._do("SET LOCAL statement_timeout = '1h'")
        figures: dict[str, Any] = {}
        for done, (what, statement) in enumerate(_ROWS.items()):
            progress(what, done, len(_ROWS) + 1)
            figures |= self._rows(statement)[0]
        progress("notifications", len(_ROWS), len(_ROWS) + 1)
        notifications: Counter[str] = Counter()
        for row in self._rows(
            """SELECT (trigger_id <> 0)::int AS trigger_id, state, count(*) AS n
               FROM notifications GROUP BY 1, 2"""
        ):
            kind = origin_kind(origin_of(row["trigger_id"] or None))
            notifications[f"{kind}:{row['state']}"] += row["n"]
        return Recount(notifications=notifications, **figures)

    def check_slice(self, limit: int) -> bool:
        """Check the rows of the next ``limit`` events and notifications; return whether the pass goes on.

        Behind the event that was the last when the pass began, the numbers of all rows are compared with the
        counters, and it is over. What it found is kept until the next one is over; that begins a day after it did.
        """
        pass_ = self._pass()
        if pass_ is None:
            return False
        after, last, found = pass_
        looked = dict(self._rows(_CHECK, after=after, last=last, limit=limit)[0])
        upto = looked.pop("upto")
        found.update(looked)
        if upto is None:
            self.end_check(found + Counter(self._totals()))
        else:
            self._do_later(
                "UPDATE ledger_check SET after_no = :upto, finding = CAST(:found AS jsonb)",
                upto=upto,
                found=_json_of(found),
            )
        return upto is not None

    def end_check(self, found: Mapping[str, int]) -> None:
        """End the pass of the check with what it ``found``, by kind."""
        self._do_later(
            """UPDATE ledger_check
               SET after_no = NULL, finding = '{}', checked_at = now(), found = CAST(:found AS jsonb)""",
            found=_json_of(found),
        )

    def _pass(self) -> tuple[int, int, Counter[str]] | None:
        """Return after which event the pass goes on, its last one, and what it has found; None: none is due."""
        rows = self._rows(
            """SELECT after_no, last_no, finding, began_at NOT BETWEEN now() - :pass AND now() AS is_due
               FROM ledger_check FOR UPDATE""",
            **{"pass": PASS},
        )
        if rows and rows[0]["after_no"] is not None:
            return rows[0]["after_no"], rows[0]["last_no"], Counter(rows[0]["finding"])
        if rows and not rows[0]["is_due"]:
            return None
        begun = self._rows(
            """INSERT INTO ledger_check (after_no, last_no, began_at)
               SELECT 0, coalesce(max(no), 0), now() FROM events
               ON CONFLICT (one) DO UPDATE SET after_no = 0, last_no = excluded.last_no, began_at = now()
               RETURNING last_no"""
        )
        return 0, begun[0]["last_no"], Counter()

    def _totals(self) -> Mapping[str, int]:
        """Return by how many rows each table differs from the counters."""
        self._do("SET LOCAL statement_timeout = '5min'")
        row = self._rows(_TOTALS)[0]
        expected = Standing.rows_of(row["counts"] or {})
        return {f"{table}_differ": abs(row[table] - number) for table, number in expected.items()}


def _json_of(found: Mapping[str, int]) -> str:
    return dumps({kind: number for kind, number in found.items() if number})

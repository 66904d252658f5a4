"""Queries of upkeep: the watchdog's overdue notifications, and the ledger."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from wallarm_notify.domain.ledger import Figures, origin_kind
from wallarm_notify.domain.notification import Notification, origin_of
from wallarm_notify.domain.overdue import Backlog, Share
from wallarm_notify.domain.rate_limit import WINDOW
from wallarm_notify.store.queries import (
    NOTIFICATION_COLUMNS,
    Queries,
    notification_of,
)

_BACKLOG: Final = "n.integration_id, (n.attempts_made = 0)"
"""The integration and the queue of a notification, as ``ix_notifications_backlog`` has them."""

_HEAD: Final = "n.integration_id, n.attempts_made = 0 AS first, n.due_at, n.recheck_at"


_ANOMALIES: Final = """
    WITH looked AS (
      -- SWEEP looks at all that waits behind a bulkhead as one: the latest stands for all.
      SELECT i.id, greatest(i.recovered_at,
          (SELECT max(recheck_at) FROM notifications w
           WHERE w.integration_id = i.id AND i.slow_since IS NOT NULL)) AS at
      FROM integrations i WHERE i.slow_since IS NOT NULL OR i.recovered_at IS NOT NULL)
    SELECT
      (SELECT count(*) FROM notifications
       WHERE finished_at IS NULL AND recheck_at IS NULL) AS open_without_recheck,
      (SELECT count(*) FROM notifications n
       LEFT JOIN looked l ON l.id = n.integration_id
       WHERE n.recheck_at < now() - interval '5 minutes'
         AND coalesce(l.at < now() - interval '5 minutes', true)) AS recheck_long_past,
      (SELECT count(*) FROM notifications n
       LEFT JOIN looked l ON l.id = n.integration_id
       WHERE n.lease_until < now() - interval '5 minutes'
         AND coalesce(l.at < now() - interval '5 minutes', true)) AS leases_long_dead,
      (SELECT count(*) FROM events_ahead) AS ahead,
      -- Due when 5 minutes ahead, long due 5 minutes later.
      (SELECT count(*) FROM events_ahead WHERE occurred_at < now()) AS ahead_long_due,
      (SELECT count(*) FROM notifications
       WHERE (finished_at IS NOT NULL) <> (state NOT IN ('pending', 'retrying'))
          OR (finished_at IS NOT NULL AND recheck_at IS NOT NULL)) AS ended_with_recheck,
      (SELECT count(*) FROM attempts a WHERE NOT EXISTS
         (SELECT FROM notifications n WHERE n.id = a.notification_id)
      ) AS attempts_without_notification,
      (SELECT count(*) FROM notifications n WHERE n.attempts_made >
         (SELECT count(*) FROM attempts a
          WHERE a.notification_id = n.id AND a.run = n.run)) AS attempts_short,
      (SELECT count(*) FROM (
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
       WHERE (a.attempts, a.failed) IS DISTINCT FROM (m.attempts, m.failed)
      ) AS counters_wrong,
      (SELECT count(*) FROM notifications n WHERE NOT EXISTS
         (SELECT FROM events e WHERE e.no = n.event_no)) AS without_event,
      (SELECT count(*) FROM notifications n WHERE n.trigger_id <> 0 AND NOT EXISTS
         (SELECT FROM firings f WHERE f.event_no = n.event_no AND f.trigger_id = n.trigger_id)
      ) AS without_firing,
      (SELECT count(*) FROM (
         SELECT e.fan_out, count(n.id) AS made
         FROM events e LEFT JOIN notifications n ON n.event_no = e.no
         GROUP BY e.no) f
       WHERE f.made <> f.fan_out) AS fan_out_wrong
"""
"""Rows that must not exist, counted by kind (engine 22)."""


class UpkeepQueries(Queries):
    """What SWEEP and the ledger read and write."""

    def may_run(self, name: str, interval: timedelta) -> bool:
        """Note a run of ``name`` and return True; or False where another is under way or began within ``interval``."""
        got = self._rows(
            "SELECT pg_try_advisory_xact_lock(hashtext('wallarm-notify'), hashtext(:name)) AS got",
            name=name,
        )
        if not got[0]["got"]:
            return False
        return bool(
            self._rows(
                """INSERT INTO upkeep_runs (name, began_at) VALUES (:name, clock_timestamp())
                   ON CONFLICT (name) DO UPDATE SET began_at = excluded.began_at
                   WHERE upkeep_runs.began_at <= clock_timestamp() - :interval
                      OR upkeep_runs.began_at > clock_timestamp()  -- the clock was set back
                   RETURNING name""",
                name=name,
                interval=interval,
            )
        )

    def goes_on(self, name: str) -> bool:
        """Note that the run of ``name`` still works; return False where another one does so now.

        Until the transaction ends, ``may_run`` returns False.
        """
        rows = self._rows(
            """UPDATE upkeep_runs SET began_at = clock_timestamp()
               WHERE name = :name
                 AND pg_try_advisory_xact_lock(hashtext('wallarm-notify'), hashtext(:name))
               RETURNING name""",
            name=name,
        )
        return bool(rows)

    def backlogs(self) -> list[Backlog]:
        """Return the integrations and queues that have notifications whose ``recheck_at`` has passed.

        The query goes from one integration to the next, so it takes no longer where more waits. A disabled
        integration does not count as slow: what waits for it is cancelled and not sent.
        """
        rows = self._rows(
            f"""WITH RECURSIVE heads AS (
                    (SELECT {_HEAD} FROM notifications n WHERE n.recheck_at IS NOT NULL
                     ORDER BY {_BACKLOG}, n.recheck_at LIMIT 1)
                    UNION ALL
                    SELECT next.* FROM heads CROSS JOIN LATERAL (
                        SELECT {_HEAD} FROM notifications n WHERE n.recheck_at IS NOT NULL
                          AND ({_BACKLOG}) > (heads.integration_id, heads.first)
                        ORDER BY {_BACKLOG}, n.recheck_at LIMIT 1) next
                )
                SELECT heads.*, i.slow_since IS NOT NULL AND i.enabled AS slow,
                    coalesce(i.bulkhead_until > now(), false) AS bulkhead_taken
                FROM heads LEFT JOIN integrations i ON i.id = heads.integration_id
                WHERE heads.recheck_at <= now()"""  # noqa: S608 - constants
        )
        return [Backlog(**row) for row in rows]

    def overdue(self, shares: Sequence[Share]) -> list[Notification]:
        """Return each share of notifications whose ``recheck_at`` has passed, locked, longest overdue first."""
        rows = self._rows(
            f"""SELECT {NOTIFICATION_COLUMNS}
                FROM unnest(CAST(:ids AS bigint[]), CAST(:firsts AS boolean[]), CAST(:most AS int[]))
                    AS u(integration_id, first, most)
                CROSS JOIN LATERAL (
                    SELECT * FROM notifications w
                    WHERE w.integration_id = u.integration_id AND (w.attempts_made = 0) = u.first
                      AND w.recheck_at <= now()
                    ORDER BY w.recheck_at LIMIT u.most FOR UPDATE SKIP LOCKED) n
                ORDER BY n.recheck_at""",  # noqa: S608 - a constant
            ids=[s.integration_id for s in shares],
            firsts=[s.first for s in shares],
            most=[s.most for s in shares],
        )
        return [notification_of(row) for row in rows]

    def left_behind(self, limit: int) -> list[Notification]:
        """Return open notifications, locked, of integrations that were disabled since they were made."""
        rows = self._rows(
            f"""SELECT {NOTIFICATION_COLUMNS}
                FROM integrations i
                JOIN notifications n ON n.integration_id = i.id AND n.finished_at IS NULL
                WHERE i.switched_off_at > now() - interval '1 hour'
                  AND n.disablings <> i.disablings
                  AND (n.lease_until IS NULL OR n.lease_until <= now())
                ORDER BY n.id LIMIT :limit FOR UPDATE OF n SKIP LOCKED""",  # noqa: S608 - a constant
            limit=limit,
        )
        return [notification_of(row) for row in rows]

    def forget_grants(self) -> int:
        """Delete the grants of keys that no integration has any more, once their window has passed."""
        return self._do(
            """DELETE FROM rate_limits WHERE key_fingerprint IN (
                   SELECT key_fingerprint FROM rate_limits p WHERE touched_at < now() - :window AND NOT EXISTS (
                       SELECT FROM integrations i WHERE i.key_fingerprint = p.key_fingerprint)
                   ORDER BY key_fingerprint LIMIT 1000 FOR UPDATE SKIP LOCKED)""",
            window=timedelta(seconds=WINDOW * 2),
        )

    def running_counts(self) -> dict[str, int]:
        """Return the ledger's running counters by kind."""
        rows = self._rows("SELECT kind, sum(value) AS value FROM counts GROUP BY kind")
        return {row["kind"]: int(row["value"]) for row in rows}

    def figures(self) -> Figures:
        """Return all figures of the ledger, from one snapshot."""
        self._do("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        self._do("SET LOCAL statement_timeout = '5min'")
        counts = self.running_counts()
        held = self._rows(
            """SELECT count(*) FILTER (WHERE fan_out > 0) AS matched,
                      count(*) FILTER (WHERE fan_out = 0) AS unmatched FROM events"""
        )[0]
        aside = self._rows(
            """SELECT (SELECT count(*) FROM rejected WHERE resubmitted_as IS NULL) AS rejected,
                      (SELECT count(*) FROM undecodable WHERE resubmitted_at IS NULL) AS undecodable"""
        )[0]
        notifications: Counter[str] = Counter()
        for row in self._rows(
            """SELECT (trigger_id <> 0)::int AS trigger_id, state, count(*) AS n
               FROM notifications GROUP BY 1, 2"""
        ):
            notifications[f"{_kind_of(row)}:{row['state']}"] += row["n"]
        return Figures(
            counts=counts,
            events_matched=held["matched"],
            events_unmatched=held["unmatched"],
            rejected=aside["rejected"],
            undecodable=aside["undecodable"],
            firings=self._rows("SELECT count(*) AS n FROM firings")[0]["n"],
            set_aside=self._rows(
                "SELECT count(*) AS n FROM quarantine WHERE set_aside_at IS NOT NULL"
            )[0]["n"],
            notifications=notifications,
            **self._anomalies(),
        )

    def _anomalies(self) -> dict[str, Any]:
        """Return the number of rows that must not exist, by kind."""
        return dict(self._rows(_ANOMALIES)[0])


def _kind_of(row: Mapping[str, Any]) -> str:
    """Return the kind of origin of a notification's row: ``card`` or ``trigger``."""
    return origin_kind(origin_of(row["trigger_id"] or None))

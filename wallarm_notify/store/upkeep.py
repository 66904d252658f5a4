"""Queries of upkeep: whose turn it is, and the watchdog's overdue notifications."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from wallarm_notify.domain.notification import Notification
from wallarm_notify.domain.overdue import Backlog, Share
from wallarm_notify.domain.rate_limit import WINDOW
from wallarm_notify.store.pause_ends import NUMBERED_BY, end_of, is_left_behind
from wallarm_notify.store.queries import (
    NOTIFICATION_COLUMNS,
    Queries,
)

_BACKLOG: Final = "n.integration_id, (n.attempts_made = 0)"
"""The integration and the queue of a notification, as ``ix_notifications_backlog`` has them."""

_HEAD: Final = "n.integration_id, n.attempts_made = 0 AS first, n.due_at, n.recheck_at"


class UpkeepQueries(Queries):
    """What SWEEP reads and writes, and when upkeep tasks ran."""

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

    def reached(self, name: str) -> int:
        """Return the id behind which a run of ``name`` goes on; 0: it begins with the first."""
        rows = self._rows("SELECT reached FROM upkeep_runs WHERE name = :name", name=name)
        return (rows[0]["reached"] or 0) if rows else 0

    def note_reached(self, name: str, reached: int) -> None:
        """Note the id behind which the next run of ``name`` goes on."""
        self._do(
            "UPDATE upkeep_runs SET reached = :reached WHERE name = :name",
            name=name,
            reached=reached,
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
        return self._notifications(rows)

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
        return self._notifications(rows)

    def pauses_over(self, limit: int) -> tuple[list[int], list[int]]:
        """Return the integrations and the triggers that are disabled until a time that has come, the first first.

        An end that a program from before left, where it enabled or disabled anew, is cleared.
        """
        found = []
        for table in NUMBERED_BY:
            self._do(
                f"""WITH stale AS MATERIALIZED (
                        SELECT id FROM {table} s WHERE {is_left_behind(table, "s")}
                        ORDER BY id FOR UPDATE SKIP LOCKED
                    )
                    UPDATE {table} t SET disabled_until = NULL FROM stale WHERE t.id = stale.id"""  # noqa: S608 - names of our own
            )
            rows = self._rows(
                f"""SELECT id FROM {table} s
                    WHERE disabled_until <= now() AND {end_of(table, "s")} IS NOT NULL AND deleted_at IS NULL
                    ORDER BY disabled_until, id LIMIT :limit""",  # noqa: S608 - names of our own
                limit=limit,
            )
            found.append([row["id"] for row in rows])
        integrations, triggers = found
        return integrations, triggers

    def forget_grants(self) -> int:
        """Delete the grants of keys that no integration has any more, once their window has passed."""
        return self._do(
            """DELETE FROM rate_limits WHERE key_fingerprint IN (
                   SELECT key_fingerprint FROM rate_limits p WHERE touched_at < now() - :window AND NOT EXISTS (
                       SELECT FROM integrations i WHERE i.key_fingerprint = p.key_fingerprint)
                   ORDER BY key_fingerprint LIMIT 1000 FOR UPDATE SKIP LOCKED)""",
            window=timedelta(seconds=WINDOW * 2),
        )

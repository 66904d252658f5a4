"""Queries of a diagnosis: the server itself, and trouble that is not the installation's own."""

from datetime import timedelta

from wallarm_notify.domain.actor import REVIEW
from wallarm_notify.domain.diagnosis import (
    FailingIntegration,
    RateLimitedIntegration,
    Server,
    Trouble,
)
from wallarm_notify.domain.health import FailureClass
from wallarm_notify.store.feeds import FeedQueries
from wallarm_notify.store.health import HealthQueries

_MOST = 1000
"""So many rejected events are looked at to find the commonest reason, and so many alerts that wait are counted."""

_LONG_WAIT = timedelta(minutes=1)
"""A wait for the rate limit from which on somebody should know of it."""

_LAST = "n.integration_id, n.attempts_made = 0 AS first, n.due_at"
_BACKWARDS = "n.integration_id DESC, (n.attempts_made = 0) DESC, n.recheck_at DESC"
"""The order of ``ix_notifications_backlog``, from its end."""

_FAILING = f"""
    SELECT f.id, f.client_id, a.* FROM (
        SELECT i.id, i.client_id, i.generation, h.failures FROM integrations i CROSS JOIN LATERAL (
            SELECT sum(failed) AS failures FROM health_minutes m
            WHERE m.integration_id = i.id AND m.generation = i.generation AND m.failed > 0
              AND m.minute >= now() - :lately OFFSET 0) h
        WHERE i.enabled AND i.deleted_at IS NULL AND h.failures > 0
        ORDER BY h.failures DESC, i.id) f
    CROSS JOIN LATERAL (
        SELECT sum(attempts) AS attempts, sum(failed) AS failed,
            {", ".join(f"sum({kind}) AS {kind}" for kind in FailureClass)}
        FROM health_minutes m
        WHERE m.integration_id = f.id AND m.generation = f.generation AND m.minute >= now() - :lately
        HAVING sum(failed) * 2 > sum(attempts)) a
    ORDER BY f.failures DESC, f.id LIMIT 10"""  # noqa: S608 - names of our own
"""Those that failed more often than not. Minutes with failures, mostly few, are in an index of their own; all minutes
are added up only of the first ten, or of those before them that failed less often.
"""


class DiagnosisQueries(HealthQueries, FeedQueries):
    """What operators are told by ``doctor``. Every query reads a bounded number of rows."""

    def server(self) -> Server:
        """Return the database's server as this connection meets it."""
        (row,) = self._rows(
            """SELECT current_setting('server_version') AS version, current_setting('server_encoding') AS encoding,
                   pg_backend_pid() AS pid,
                   (SELECT sum(numbackends)::int FROM pg_stat_database) AS connections,
                   current_setting('max_connections')::int AS most,
                   pg_database_size(current_database()) AS size, clock_timestamp() AS clock"""
        )
        return Server(
            version=row["version"].split()[0],
            encoding=row["encoding"],
            # A pooler gives each of its clients a number of its own.
            pooled=row["pid"] != self._cursor.connection.info.backend_pid,
            connections=row["connections"],
            most=row["most"],
            size=row["size"],
            clock=row["clock"],
        )

    def trouble(self, lately: timedelta) -> Trouble:
        """Return the trouble of PagerDuty, integrations and producers within so long."""
        rejected = self._rows(
            """SELECT coalesce(type, 'unknown') AS type, reason, count(*) AS events FROM (
                   SELECT type, reason FROM rejected
                   WHERE received_at > now() - :lately AND resubmitted_as IS NULL
                   ORDER BY received_at DESC LIMIT :most) r
               GROUP BY 1, 2""",
            lately=lately,
            most=_MOST,
        )
        (counts,) = self._rows(
            """SELECT (SELECT count(*) FROM (SELECT FROM undecodable WHERE received_at > now() - :lately
                           AND resubmitted_at IS NULL LIMIT :most) u) AS undecodable,
                   (SELECT count(*) FROM (SELECT FROM quarantine WHERE set_aside_at IS NOT NULL LIMIT :most) q)
                       AS set_aside""",
            lately=lately,
            most=_MOST,
        )
        return Trouble(
            outages=sorted(self.outages_going_on()),
            off=self._integration_ids("NOT enabled AND disabled_by = :review", review=REVIEW.name),
            failing=self._failing(lately),
            slow=self._integration_ids("enabled AND slow_since IS NOT NULL"),
            rate_limited=self._rate_limited(),
            rejected={(row["type"], row["reason"]): row["events"] for row in rejected},
            undecodable=counts["undecodable"],
            set_aside=counts["set_aside"],
            quiet=self.quiet_feeds(),
        )

    def _integration_ids(self, condition: str, **parameters: object) -> list[int]:
        rows = self._rows(
            f"SELECT id FROM integrations WHERE deleted_at IS NULL AND {condition} ORDER BY id",  # noqa: S608 - constants
            **parameters,
        )
        return [row["id"] for row in rows]

    def _rate_limited(self) -> list[RateLimitedIntegration]:
        """Return the enabled integrations whose alerts wait long for a first attempt, the longest wait first.

        The query goes from one integration to the next, so it takes no longer where more waits.
        """
        rows = self._rows(
            f"""WITH RECURSIVE lasts AS (
                    (SELECT {_LAST} FROM notifications n WHERE n.recheck_at IS NOT NULL
                     ORDER BY {_BACKWARDS} LIMIT 1)
                    UNION ALL
                    SELECT next.* FROM lasts CROSS JOIN LATERAL (
                        SELECT {_LAST} FROM notifications n WHERE n.recheck_at IS NOT NULL
                          AND (n.integration_id, (n.attempts_made = 0)) < (lasts.integration_id, lasts.first)
                        ORDER BY {_BACKWARDS} LIMIT 1) next
                )
                SELECT i.id, i.client_id, l.due_at - now() AS wait,
                    (SELECT count(*) FROM (
                        SELECT FROM notifications w WHERE w.integration_id = i.id AND (w.attempts_made = 0) = true
                          AND w.recheck_at > now() LIMIT :most) waiting) AS alerts
                FROM lasts l JOIN integrations i ON i.id = l.integration_id
                WHERE l.first AND i.enabled AND l.due_at > now() + :long
                ORDER BY l.due_at DESC LIMIT 10""",  # noqa: S608 - constants
            most=_MOST,
            long=_LONG_WAIT,
        )
        return [RateLimitedIntegration(**row) for row in rows]

    def _failing(self, lately: timedelta) -> list[FailingIntegration]:
        """Return the enabled integrations that failed more often than not, those with most failures first."""
        rows = self._rows(_FAILING, lately=lately)
        return [
            FailingIntegration(
                id=row["id"],
                client_id=row["client_id"],
                attempts=int(row["attempts"]),
                failed=int(row["failed"]),
                mostly=max(FailureClass, key=lambda kind: row[kind]),
            )
            for row in rows
        ]

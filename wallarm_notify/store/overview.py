"""Queries of the overview: each reads what is open, or counted by the hour, however long the history is."""

from datetime import UTC, datetime, timedelta
from typing import Final

from wallarm_notify.domain.actor import REVIEW
from wallarm_notify.domain.notification import ENDED
from wallarm_notify.domain.overview import (
    COUNTED_UP_TO,
    LOOKED_BACK,
    MOST,
    NEW_FOR,
    FirstSteps,
    RejectedLately,
    Troubled,
    Unproven,
)
from wallarm_notify.domain.readiness import LATE_AFTER
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.views import EndedInHour
from wallarm_notify.store.drills import of_this_way
from wallarm_notify.store.queries import Queries, in_scope


def _of(column: str) -> str:
    """Return the condition that ``column``, a client's id, is in scope, and the one that was chosen."""
    return f"{in_scope(column)} AND (CAST(:client_id AS bigint) IS NULL OR {column} = :client_id)"


_THERE: Final = f"i.enabled AND i.deleted_at IS NULL AND {_of('i.client_id')}"

_TROUBLED: Final = f"""
    SELECT i.id, i.client_id, i.name, i.warned, o.retrying, o.retrying_since, o.retrying_id, o.waiting, o.waiting_since,
        f.failed, f.failed_last_at
    FROM integrations i
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE retries) AS retrying, min(created_at) FILTER (WHERE retries) AS retrying_since,
            min(id) FILTER (WHERE retries) AS retrying_id,
            count(*) FILTER (WHERE waits) AS waiting, min(created_at) FILTER (WHERE waits) AS waiting_since
        FROM (SELECT n.id, n.created_at, n.state = 'retrying' AS retries,
                  n.state = 'pending' AND n.created_at < now() - CAST(:late AS interval) AND n.due_at <= now() AS waits
              FROM notifications n
              WHERE n.integration_id = i.id AND n.finished_at IS NULL LIMIT :counted) open) o
    CROSS JOIN LATERAL (
        SELECT count(*) AS failed, max(finished_at) AS failed_last_at
        FROM (SELECT n.finished_at FROM notifications n
              WHERE n.integration_id = i.id AND n.state = 'failed'
                AND n.finished_at > now() - CAST(:lately AS interval) LIMIT :counted) ended) f
    WHERE {_THERE} AND (i.warned > 0 OR o.retrying > 0 OR o.waiting > 0 OR f.failed > 0)
    ORDER BY f.failed DESC, o.waiting DESC, o.retrying DESC, i.id LIMIT :most"""  # noqa: S608 - constants


class OverviewQueries(Queries):
    """What an overview shows."""

    def troubled(self, scope: Scope, client_id: int | None) -> list[Troubled]:
        """Return the enabled integrations whose alerts are not through, were not accepted, or fail too often."""
        rows = self._rows(
            _TROUBLED,
            scope=scope.parameter,
            client_id=client_id,
            late=LATE_AFTER,
            lately=LOOKED_BACK,
            counted=COUNTED_UP_TO + 1,
            most=MOST,
        )
        return [Troubled(**row) for row in rows]

    def not_proven(self, scope: Scope, client_id: int | None, longest: timedelta) -> list[Unproven]:
        """Return the enabled integrations that no drill has proven for ``longest``, and no accepted alert lately."""
        rows = self._rows(
            f"""SELECT i.id, i.client_id, i.name, i.created_at, d.proven_at
                FROM integrations i LEFT JOIN drills d ON {of_this_way("i")}
                WHERE {_THERE} AND i.created_at < now() - CAST(:new AS interval)
                  AND (d.proven_at IS NULL OR d.proven_at < now() - CAST(:longest AS interval))
                  AND NOT EXISTS (SELECT FROM ended_by_hour h WHERE h.integration_id = i.id AND h.delivered > 0)
                ORDER BY d.proven_at NULLS FIRST, i.id LIMIT :most""",  # noqa: S608 - constants
            scope=scope.parameter,
            client_id=client_id,
            longest=longest,
            new=NEW_FOR,
            most=MOST,
        )
        return [Unproven(**row) for row in rows]

    def untold_clients(self, scope: Scope, client_id: int | None) -> list[int]:
        """Return the clients that have no enabled integration, and none that its failures disabled."""
        rows = self._rows(
            f"""SELECT c.id FROM (
                    SELECT id FROM clients WHERE access
                    UNION SELECT client_id FROM integrations WHERE deleted_at IS NULL) c
                WHERE {_of("c.id")} AND NOT EXISTS (
                    SELECT FROM integrations i WHERE i.client_id = c.id AND i.deleted_at IS NULL
                      AND (i.enabled OR i.disabled_by = :review))
                ORDER BY c.id LIMIT :most""",  # noqa: S608 - constants
            scope=scope.parameter,
            client_id=client_id,
            review=REVIEW.name,
            most=MOST,
        )
        return [row["id"] for row in rows]

    def rejected_lately(self, scope: Scope, client_id: int | None) -> RejectedLately:
        """Return how many events were rejected in the last 24 hours and not resubmitted."""
        (row,) = self._rows(
            f"""SELECT count(*) AS number, max(received_at) AS last_at FROM (
                    SELECT n.received_at FROM rejected n
                    WHERE n.received_at > now() - CAST(:lately AS interval) AND n.resubmitted_as IS NULL
                      AND {_of("n.client_id")}
                    ORDER BY n.received_at DESC LIMIT :counted) n""",  # noqa: S608 - constants
            scope=scope.parameter,
            client_id=client_id,
            lately=LOOKED_BACK,
            counted=COUNTED_UP_TO + 1,
        )
        return RejectedLately(**row)

    def hours_of_all(
        self, scope: Scope, client_id: int | None, since: datetime
    ) -> list[EndedInHour]:
        """Return the hours that end after ``since``, of all integrations together, the oldest first."""
        sums = ", ".join(f"sum(h.{state})::int AS {state}" for state in ENDED)
        rows = self._rows(
            f"""SELECT h.hour, {sums} FROM integrations i JOIN ended_by_hour h ON h.integration_id = i.id
                WHERE {_of("i.client_id")} AND h.hour > CAST(:since AS timestamptz) - interval '1 hour'
                GROUP BY h.hour ORDER BY h.hour""",  # noqa: S608 - names of our own
            scope=scope.parameter,
            client_id=client_id,
            since=since,
        )
        return [EndedInHour(**{**row, "hour": row["hour"].astimezone(UTC)}) for row in rows]

    def first_steps(self, scope: Scope, client_id: int | None) -> FirstSteps:
        """Return which of the first steps are done."""
        (row,) = self._rows(
            f"""SELECT
                (SELECT min(i.id) FROM integrations i WHERE {_THERE}) AS integration_id,
                EXISTS (SELECT FROM integrations i JOIN drills d ON {of_this_way("i")}
                        WHERE {_THERE} AND d.proven_at IS NOT NULL)
                OR EXISTS (SELECT FROM integrations i JOIN ended_by_hour h ON h.integration_id = i.id
                           WHERE {_THERE} AND h.delivered > 0) AS is_proven,
                EXISTS (SELECT FROM triggers t WHERE t.deleted_at IS NULL AND {_of("t.client_id")})
                OR EXISTS (SELECT FROM notifications n WHERE {_of("n.client_id")}) AS is_used""",  # noqa: S608 - constants
            scope=scope.parameter,
            client_id=client_id,
        )
        return FirstSteps(**row)
